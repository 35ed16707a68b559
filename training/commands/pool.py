"""`python -m training pool`: score all folds of a cross-validation together, as one table."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("pool", help="score all folds of a cross-validation together")
    parser.set_defaults(run=run)
    parser.add_argument(
        "bundles", nargs="+", metavar="BUNDLE", help="bundle of one fold; give one for each fold"
    )


def run(options: argparse.Namespace) -> None:
    """Join the held-out results of the folds and print their scores."""
    from steeldefect.evaluation.score_table import score_table
    from steeldefect.stores import S3Settings
    from training.registry.comparison import find_contender
    from training.registry.pooling import pool

    s3 = S3Settings()
    pooled = pool([find_contender(uri, s3) for uri in options.bundles])
    print(f"{pooled.pictures} pictures, each held out by one of {pooled.bundles} bundles")
    print("\n".join(score_table(pooled.class_names, pooled.scores)))

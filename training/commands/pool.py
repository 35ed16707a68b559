"""`python -m training pool`: score the folds of a cross-validation together, or join bundles."""

from __future__ import annotations

import argparse
from typing import Any

from steeldefect.errors import SettingsError
from steeldefect.program.command import local_path


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "pool", help="score all folds of a cross-validation together, or write bundles as one"
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "bundles",
        nargs="+",
        metavar="BUNDLE",
        help="bundle of one fold; with --as-bundle also of one seed. Give one for each",
    )
    parser.add_argument(
        "--as-bundle",
        type=local_path,
        metavar="FOLDER",
        help="write a bundle that gives the mean of all answers; must not exist",
    )
    parser.add_argument(
        "--data", type=local_path, help="with --as-bundle: data folder of their fits"
    )


def run(options: argparse.Namespace) -> None:
    """Write one bundle, or join the held-out results of the folds; print the scores.

    Raises:
        SettingsError: only one of `--as-bundle` and `--data` is given.
    """
    if (options.as_bundle is None) != (options.data is None):
        raise SettingsError("give --as-bundle and --data together: the mean is calibrated anew")
    if options.as_bundle is None:
        _print_scores(options.bundles)
    else:
        _write(options)


def _write(options: argparse.Namespace) -> None:
    from steeldefect.stores import S3Settings
    from training.pooling.pool import pool_as_bundle
    from training.summary import summarise

    bundle = pool_as_bundle(options.bundles, options.data, options.as_bundle, S3Settings())
    print(summarise(bundle))


def _print_scores(bundles: list[str]) -> None:
    from steeldefect.evaluation.score_table import score_table
    from steeldefect.stores import S3Settings
    from training.registry.comparison import find_contender
    from training.registry.pooling import pool

    s3 = S3Settings()
    pooled = pool([find_contender(uri, s3) for uri in bundles])
    print(f"{pooled.pictures} pictures, each held out by one of {pooled.bundles} bundles")
    print("\n".join(score_table(pooled.class_names, pooled.scores)))

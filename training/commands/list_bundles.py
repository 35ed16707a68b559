"""`python -m training list`: list the aliases and bundles of a registry."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("list", help="list the aliases and bundles of a registry")
    parser.set_defaults(run=run)
    parser.add_argument(
        "--registry", required=True, metavar="URI", help="folder or s3://bucket/prefix"
    )


def run(options: argparse.Namespace) -> None:
    """Print the aliases and bundles."""
    from steeldefect.stores import S3Settings
    from training.registry.listing import describe_registry

    print(describe_registry(options.registry, S3Settings()))

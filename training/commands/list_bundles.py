"""`python -m training list`: the aliases and bundles of a registry."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("list", help="show the aliases and bundles of a registry")
    parser.set_defaults(run=run)
    parser.add_argument(
        "--registry", required=True, metavar="URI", help="folder or s3://bucket/prefix"
    )


def run(options: argparse.Namespace) -> None:
    """Print what lies in the registry."""
    from steeldefect.stores import S3Settings
    from training.registry.listing import describe_registry

    print(describe_registry(options.registry, S3Settings()))

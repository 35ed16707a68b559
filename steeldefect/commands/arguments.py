"""Add and read the arguments that several commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from steeldefect.program.command import add_settings_arguments
from steeldefect.program.new_files import Existing

if TYPE_CHECKING:
    from steeldefect.stores import Store


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--output URI`, `--config FILE` and `--set key=value`."""
    parser.add_argument("--output", required=True, metavar="URI", help="address of the tables")
    add_settings_arguments(parser)


def output_of(arguments: argparse.Namespace) -> Store:
    """Open the store that `--output` names."""
    from steeldefect.settings import load_settings
    from steeldefect.stores import open_store

    settings = load_settings(arguments.config, arguments.set)
    return open_store(arguments.output, settings.s3)


def add_overwrite_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--overwrite`."""
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def existing_of(arguments: argparse.Namespace) -> Existing:
    """Return whether an existing file is replaced or kept, as `--overwrite` says."""
    return Existing.REPLACE if arguments.overwrite else Existing.KEEP

"""Write predictions as Kaggle's CSV."""

from __future__ import annotations

import argparse

from steeldefect.analysis.forms import Form
from steeldefect.commands.arguments import (
    add_output_arguments,
    add_overwrite_argument,
    existing_of,
    output_of,
)
from steeldefect.program.command import local_path
from steeldefect.program.new_files import new_file


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("export-kaggle", help="write ImageId,ClassId,EncodedPixels")
    parser.add_argument("file", type=local_path, metavar="FILE.csv")
    parser.add_argument("--bundle", metavar="DIGEST", help="default: the bundle of the latest run")
    parser.add_argument(
        "--all-pairs", action="store_true", help="also write empty rows for pairs without a finding"
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the file, and print the number of its rows."""
    from steeldefect.analysis.results import write_file
    from steeldefect.analysis.sql import kaggle_result

    with (
        kaggle_result(output_of(arguments), arguments.bundle, arguments.all_pairs) as relation,
        new_file(arguments.file, existing_of(arguments)) as staged,
    ):
        rows = write_file(relation, Form.CSV, staged)
    print(f"{rows} rows in {arguments.file}")

"""Write the tables as plain Parquet, for programs that do not read Delta."""

from __future__ import annotations

import argparse

from steeldefect.commands.arguments import add_output_arguments, existing_of, output_of
from steeldefect.program.command import local_path


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("export", help="write all tables and views as plain Parquet")
    parser.add_argument(
        "--parquet",
        type=local_path,
        required=True,
        metavar="FOLDER",
        help="folder for the files, new or empty; each table and view becomes a folder in it",
    )
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        metavar="NAME",
        help="a table or view; may be repeated; default: all",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier export, as a whole"
    )
    add_output_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the folder, and print the number of rows of each table."""
    from steeldefect.analysis.plain_tables import export_plain_tables

    exported = export_plain_tables(
        output_of(arguments), arguments.parquet, arguments.table, existing_of(arguments)
    )
    for name, rows in exported.rows.items():
        print(f"{rows:>12} rows in {arguments.parquet / name}")

"""Query the tables with SQL."""

from __future__ import annotations

import argparse

from steeldefect.analysis.forms import Form, form_of
from steeldefect.commands.arguments import (
    add_output_arguments,
    add_overwrite_argument,
    existing_of,
    output_of,
)
from steeldefect.errors import SettingsError
from steeldefect.program.command import local_path
from steeldefect.program.new_files import new_file


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("sql", help="query the tables with SQL (DuckDB)")
    parser.add_argument("statement", help='for example "select * from runs"')
    parser.add_argument(
        "--format",
        choices=[form.value for form in Form],
        help="default: by the ending of the --to file (.csv, .json, .parquet, .txt), or table",
    )
    parser.add_argument(
        "--to", type=local_path, metavar="FILE", help="write a file; required for parquet"
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run one SQL statement, and print its result or write it to a file.

    Raises:
        SettingsError: the format of the result is not clear.
        QueryError: DuckDB refused the statement.
    """
    from steeldefect.analysis.results import print_result, write_file
    from steeldefect.analysis.sql import query_result

    form, file = _form(arguments), arguments.to
    if file is None:
        with query_result(output_of(arguments), arguments.statement) as relation:
            print_result(relation, form)
        return
    with (
        query_result(output_of(arguments), arguments.statement) as relation,
        new_file(file, existing_of(arguments)) as staged,
    ):
        rows = write_file(relation, form, staged)
    print(f"{rows} rows in {file}")


def _form(arguments: argparse.Namespace) -> Form:
    """Return the format of the result.

    Raises:
        SettingsError: the file's name has no known ending, or Parquet has no file.
    """
    if arguments.format is not None:
        form = Form(arguments.format)
    elif arguments.to is None:
        form = Form.TABLE
    else:
        form = form_of(arguments.to)
    if form is Form.PARQUET and arguments.to is None:
        raise SettingsError("--format parquet needs a file: add --to FILE.parquet")
    return form

"""The command `steeldefect`: ask the tables, export, draw and maintain them; pack for a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from steeldefect.analysis.forms import Form, form_of
from steeldefect.errors import SettingsError
from steeldefect.program.command import (
    CommandParser,
    add_settings_arguments,
    local_path,
    positive,
    run_command,
)
from steeldefect.program.new_files import Existing, new_file
from steeldefect.settings import load_settings
from steeldefect.stores import Store, open_store
from steeldefect.upkeep import maintain_arguments


def sql(arguments: argparse.Namespace) -> None:
    """Run one SQL statement."""
    from steeldefect.analysis.results import print_result, write_file
    from steeldefect.analysis.sql import query_result

    form, file = _form(arguments), arguments.to
    if file is None:
        with query_result(_output(arguments), arguments.statement) as relation:
            print_result(relation, form)
        return
    with (
        query_result(_output(arguments), arguments.statement) as relation,
        new_file(file, _existing(arguments)) as staged,
    ):
        rows = write_file(relation, form, staged)
    print(f"{rows} rows in {file}")


def export_kaggle(arguments: argparse.Namespace) -> None:
    """Write predictions as Kaggle's CSV."""
    from steeldefect.analysis.results import write_file
    from steeldefect.analysis.sql import kaggle_result

    with (
        kaggle_result(_output(arguments), arguments.bundle, arguments.all_pairs) as relation,
        new_file(arguments.file, _existing(arguments)) as staged,
    ):
        rows = write_file(relation, Form.CSV, staged)
    print(f"{rows} rows in {arguments.file}")


def overlays(arguments: argparse.Namespace) -> None:
    """Draw masks over pictures."""
    from steeldefect.analysis.overlays import draw_overlays

    settings = load_settings(arguments.config, arguments.set)
    drawn = draw_overlays(
        _output(arguments),
        settings,
        arguments.truth,
        arguments.folder,
        arguments.count,
        arguments.bundle,
    )
    print(f"{len(drawn)} pictures in {arguments.folder}")


def tables(arguments: argparse.Namespace) -> None:
    """Print the schema of every table."""
    from steeldefect.tables.schema_text import as_markdown

    del arguments
    print(as_markdown())


def maintain(arguments: argparse.Namespace) -> None:
    """Check, repair or keep up the tables."""
    from steeldefect.upkeep.maintenance import maintain as act

    act(arguments)


def pack_environment(arguments: argparse.Namespace) -> None:
    """Pack this environment for executors."""
    from steeldefect.spark.cluster_pack import pack

    size = pack(arguments.file, arguments.gpu, _existing(arguments))
    print(f"{arguments.file}, {size / 2**20:.0f} MiB")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, act, and give the exit code."""
    parser = CommandParser(
        prog="steeldefect",
        description="Ask, export, draw and maintain scored tables; pack for a cluster.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    ask = commands.add_parser("sql", help="answer SQL over the tables (DuckDB)")
    ask.add_argument("statement", help='for example "select * from runs"')
    ask.add_argument(
        "--format",
        choices=[form.value for form in Form],
        help="default: by the name of the file of --to (.csv, .json, .parquet); else table",
    )
    ask.add_argument("--to", type=local_path, metavar="FILE", help="write a file; parquet needs it")
    _add_overwrite(ask)
    ask.set_defaults(action=sql)

    export = commands.add_parser("export-kaggle", help="write ImageId,ClassId,EncodedPixels")
    export.add_argument("file", type=local_path, metavar="FILE.csv")
    export.add_argument("--bundle", metavar="DIGEST", help="default: that of the latest run")
    export.add_argument(
        "--all-pairs", action="store_true", help="empty rows where nothing was found, too"
    )
    _add_overwrite(export)
    export.set_defaults(action=export_kaggle)

    draw = commands.add_parser("overlays", help="draw masks over a few pictures")
    draw.add_argument(
        "folder",
        type=local_path,
        metavar="FOLDER",
        help="where the PNGs go: new, empty, or drawn by this command before",
    )
    draw.add_argument("--truth", metavar="CSV", help="draw the true masks below the found ones")
    draw.add_argument("--count", type=positive, default=6, help="how many pictures (6)")
    draw.add_argument("--bundle", metavar="DIGEST", help="default: the latest that scored")
    draw.set_defaults(action=overlays)

    for command in (ask, export, draw):
        command.add_argument("--output", required=True, metavar="URI", help="the tables")
        add_settings_arguments(command)

    packing = commands.add_parser("pack", help="pack this environment for spark-submit --archives")
    packing.add_argument("file", type=local_path, metavar="FILE.tar.gz")
    packing.add_argument("--gpu", action="store_true", help="with TensorFlow, as installed here")
    _add_overwrite(packing)
    packing.set_defaults(action=pack_environment)

    upkeep = commands.add_parser("maintain", help="check, repair or keep up the tables")
    maintain_arguments.add_arguments(upkeep)
    upkeep.set_defaults(action=maintain)

    schema = commands.add_parser("tables", help="print the schema of every table, as Markdown")
    schema.set_defaults(action=tables)

    return run_command(parser, lambda parsed: parsed.action(parsed), arguments)


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace the file if there is one")


def _existing(arguments: argparse.Namespace) -> Existing:
    return Existing.REPLACE if arguments.overwrite else Existing.KEEP


def _form(arguments: argparse.Namespace) -> Form:
    """Choose the form of a result.

    Raises:
        SettingsError: the file's name tells none, or Parquet would go to the terminal.
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


def _output(arguments: argparse.Namespace) -> Store:
    settings = load_settings(arguments.config, arguments.set)
    return open_store(arguments.output, settings.s3)


if __name__ == "__main__":
    sys.exit(main())

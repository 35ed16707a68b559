"""The command `steeldefect`: ask the tables, export, draw and maintain them; pack for a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from steeldefect import maintain_arguments
from steeldefect.command import (
    CommandParser,
    add_settings_arguments,
    local_path,
    positive,
    run_command,
)
from steeldefect.settings import load_settings
from steeldefect.stores import Store, open_store


def sql(arguments: argparse.Namespace) -> None:
    """Answer one SQL statement."""
    from steeldefect.query import answer, write_answer

    print(write_answer(answer(_output(arguments), arguments.statement), arguments.format))


def export_kaggle(arguments: argparse.Namespace) -> None:
    """Write predictions as Kaggle's CSV."""
    from steeldefect.query import kaggle_rows, write_answer

    rows = kaggle_rows(_output(arguments), arguments.bundle, arguments.all_pairs)
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    arguments.file.write_text(write_answer(rows, "csv") + "\n", encoding="utf-8")
    print(f"{rows.num_rows} rows in {arguments.file}")


def overlays(arguments: argparse.Namespace) -> None:
    """Draw masks over pictures."""
    from steeldefect.overlays import draw_overlays

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
    from steeldefect.schema_text import as_markdown

    del arguments
    print(as_markdown())


def maintain(arguments: argparse.Namespace) -> None:
    """Check, repair or keep up the tables."""
    from steeldefect.maintenance import maintain as act

    act(arguments)


def pack_environment(arguments: argparse.Namespace) -> None:
    """Pack this environment for executors."""
    from steeldefect.packing import pack

    size = pack(arguments.file, arguments.gpu)
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
    ask.add_argument("--format", choices=("table", "csv", "json"), default="table")
    ask.set_defaults(action=sql)

    export = commands.add_parser("export-kaggle", help="write ImageId,ClassId,EncodedPixels")
    export.add_argument("file", type=local_path, metavar="FILE.csv")
    export.add_argument("--bundle", metavar="DIGEST", help="default: that of the latest run")
    export.add_argument(
        "--all-pairs", action="store_true", help="empty rows where nothing was found, too"
    )
    export.set_defaults(action=export_kaggle)

    draw = commands.add_parser("overlays", help="draw masks over a few pictures")
    draw.add_argument("folder", type=local_path, metavar="FOLDER", help="where the PNGs go")
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
    packing.set_defaults(action=pack_environment)

    upkeep = commands.add_parser("maintain", help="check, repair or keep up the tables")
    maintain_arguments.add_arguments(upkeep)
    upkeep.set_defaults(action=maintain)

    schema = commands.add_parser("tables", help="print the schema of every table, as Markdown")
    schema.set_defaults(action=tables)

    return run_command(parser, lambda parsed: parsed.action(parsed), arguments)


def _output(arguments: argparse.Namespace) -> Store:
    settings = load_settings(arguments.config, arguments.set)
    return open_store(arguments.output, settings.s3)


if __name__ == "__main__":
    sys.exit(main())

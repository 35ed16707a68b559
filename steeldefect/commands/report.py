"""Write the morning page of a night: what it found, what changed, what needs eyes."""

from __future__ import annotations

import argparse

from steeldefect.commands.arguments import add_output_arguments
from steeldefect.program.command import positive


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("report", help="write the morning page of a night, as HTML")
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a report."""
    add_output_arguments(parser)
    parser.add_argument(
        "--to",
        required=True,
        metavar="URI",
        help="folder or s3://bucket/prefix for the pages; others in it are left as they are",
    )
    parser.add_argument(
        "--run",
        dest="reported",
        metavar="RUN",
        help="id of a scoring run, or its first characters (default: the newest)",
    )
    parser.add_argument(
        "--nights",
        type=positive,
        default=1,
        metavar="N",
        help="write pages of the last N nights up to this run (default: 1)",
    )
    parser.add_argument(
        "--single-file",
        action="store_true",
        help="write one file with everything in it, for mail; --to may name the file (.html)",
    )
    parser.add_argument(
        "--pictures",
        type=int,
        metavar="N",
        help="most pictures drawn for a night (default: 200; 40 with --single-file; 0: none)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the pages, and print the verdict and the address of the page."""
    # imported here: this takes a second or two, and signals are handled meanwhile
    from steeldefect.spark.session import follow_signals

    follow_signals()

    from steeldefect.analysis.results import printable
    from steeldefect.api.report import report
    from steeldefect.program.progress import warn
    from steeldefect.settings import load_settings

    written = report(
        arguments.output,
        arguments.to,
        run=arguments.reported,
        nights=arguments.nights,
        single_file=arguments.single_file,
        pictures=arguments.pictures,
        settings=load_settings(arguments.config, arguments.set),
    )
    if written.not_drawn:
        warn(f"{written.not_drawn} pictures could not be drawn; the page says why")
    print(printable(written.verdict.sentence))
    print(written.address)

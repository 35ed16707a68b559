"""Score new pictures of an archive into tables, as `jobs/score.py` does, without a checkout."""

from __future__ import annotations

import argparse

from steeldefect.program.command import add_settings_arguments


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("score", help="score new pictures of an archive into tables")
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command and of `jobs/score.py`."""
    parser.add_argument("--input", required=True, metavar="URI", help="address of the pictures")
    parser.add_argument(
        "--bundle", required=True, metavar="URI", help="address of the model bundle"
    )
    parser.add_argument("--output", required=True, metavar="URI", help="address of the tables")
    parser.add_argument(
        "--inventory",
        metavar="URI",
        help="table of the input's keys; the input is then not listed: manifest.json of an S3 "
        "Inventory, or Parquet or CSV with the columns key and, optionally, etag, size and those "
        "that state a place (coil, camera, side, position_mm, ...)",
    )
    parser.add_argument(
        "--shadow",
        metavar="URI",
        help="address of a second bundle that scores the same pictures beside the first: its rows "
        "have its own run and digest, and the table agreement compares both",
    )
    add_settings_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Score, and print the summary of the run."""
    from steeldefect.spark.session import follow_signals

    follow_signals()

    from steeldefect.api.score import score
    from steeldefect.settings import load_settings

    result = score(
        arguments.input,
        arguments.bundle,
        arguments.output,
        inventory=arguments.inventory,
        shadow=arguments.shadow,
        settings=load_settings(arguments.config, arguments.set),
    )
    print(result)

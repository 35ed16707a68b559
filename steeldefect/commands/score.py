"""Score new pictures of an archive into tables, as `jobs/score.py` does, without a checkout."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from steeldefect.program.command import add_settings_arguments, local_path

if TYPE_CHECKING:
    from steeldefect.settings import ScoreRequest


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
    parser.add_argument(
        "--metrics-file",
        type=local_path,
        metavar="FILE.prom",
        help="write the run's counters for Prometheus: a file for node_exporter's textfile "
        "collector, replaced at the start, after each wave and at the end",
    )
    parser.add_argument(
        "--lineage",
        action="store_true",
        help="send OpenLineage events to the server that OPENLINEAGE_URL or openlineage.yml names "
        "(extra lineage)",
    )
    add_settings_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Score, and print the summary of the run."""
    from steeldefect.spark.session import follow_signals

    follow_signals()

    from steeldefect.api.score import score_request

    print(score_request(request_from(arguments)))


def request_from(arguments: argparse.Namespace) -> ScoreRequest:
    """Return what the arguments ask for.

    Raises:
        SettingsError: the settings are wrong.
    """
    from steeldefect.settings import ScoreRequest, load_settings

    return ScoreRequest(
        arguments.input,
        arguments.bundle,
        arguments.output,
        load_settings(arguments.config, arguments.set),
        arguments.inventory,
        arguments.shadow,
        arguments.metrics_file,
        arguments.lineage,
    )

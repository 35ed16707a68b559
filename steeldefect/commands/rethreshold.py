"""Answer what would have been found at another threshold, without models and pictures."""

from __future__ import annotations

import argparse

from steeldefect.commands.arguments import add_output_arguments
from steeldefect.errors import SettingsError


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser(
        "rethreshold",
        help="what would another threshold have found? Answered from the tables alone",
    )
    parser.add_argument("--class", type=int, required=True, dest="class_id", metavar="ID")
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="pixel threshold; default: the bundle's own"
    )
    parser.add_argument(
        "--min-area", type=int, metavar="PIXELS", help="minimum area; default: the bundle's own"
    )
    parser.add_argument("--bundle", metavar="DIGEST", help="default: the bundle of the latest run")
    parser.add_argument(
        "--to", metavar="URI", help="write the answer there, as tables with a bundle id of its own"
    )
    add_output_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print what is found before and after, and write the answer if `--to` is given.

    Raises:
        SettingsError: an argument is out of range, or the tables cannot answer.
    """
    from steeldefect.analysis.derived_tables import write_derived
    from steeldefect.analysis.rethreshold import NewThreshold, rethresholded
    from steeldefect.settings import load_settings
    from steeldefect.stores import open_store

    _check(arguments)
    settings = load_settings(arguments.config, arguments.set)
    store = open_store(arguments.output, settings.s3)
    asked = NewThreshold(arguments.class_id, arguments.threshold, arguments.min_area)
    with rethresholded(store, asked, arguments.bundle) as answer:
        print(answer.summary())
        if arguments.to is None:
            return
        output = open_store(arguments.to, settings.s3)
        if output.uri == store.uri:
            raise SettingsError("--to: the answer needs an output of its own")
        counts = write_derived(answer, store.uri, output, settings.lock_wait_seconds)
        print(
            f"{counts['pictures']} pictures, {counts['defective']} with defects, as bundle "
            f"{answer.derived_bundle}; tables at {output.uri}"
        )


def _check(arguments: argparse.Namespace) -> None:
    """Raise if a number is out of range."""
    if arguments.threshold is not None and not 0 < arguments.threshold < 1:
        raise SettingsError(f"--threshold {arguments.threshold:g}: expected above 0 and below 1")
    if arguments.min_area is not None and arguments.min_area < 0:
        raise SettingsError(f"--min-area {arguments.min_area}: expected 0 or more")

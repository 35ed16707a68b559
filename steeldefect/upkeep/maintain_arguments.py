"""The arguments of `steeldefect maintain`; imports nothing that takes long to load."""

from __future__ import annotations

import argparse
from datetime import timedelta

from steeldefect.program.command import add_settings_arguments

MIN_AGE = timedelta(hours=24)
RETENTION = timedelta(hours=168)
"""Of files of earlier versions; the greatest as well: see `retention_hours`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `maintain` to a parser."""
    parser.add_argument("--output", required=True, metavar="URI", help="the tables")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only say what is damaged; exit code 10")
    what.add_argument("--repair", action="store_true", help="mend what is damaged")
    what.add_argument("--dry-run", action="store_true", help="only say what upkeep would do")
    parser.add_argument(
        "--min-age-hours",
        type=hours,
        default=MIN_AGE,
        metavar="HOURS",
        help="delete files that nothing names once they are that old (24)",
    )
    parser.add_argument(
        "--retention-hours",
        type=retention_hours,
        default=RETENTION,
        metavar="HOURS",
        help="keep the files of earlier versions that long, for those who still read them (168, "
        "and no more)",
    )
    add_settings_arguments(parser)


def hours(text: str) -> timedelta:
    """Read a number of hours; for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: not a whole number.
    """
    if not text.isdecimal() or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of hours")
    return timedelta(hours=int(text))


def retention_hours(text: str) -> timedelta:
    """Read for how long files of earlier versions are kept; for argparse's `type`.

    A table's log forgets which files it removed after `delta.deletedFileRetentionDuration`, a week.
    From then on such a file is one that nothing names.

    Raises:
        argparse.ArgumentTypeError: not a whole number, or more than a week.
    """
    retention = hours(text)
    if retention > RETENTION:
        most = RETENTION // timedelta(hours=1)
        raise argparse.ArgumentTypeError(
            f"{text} is more than {most}: after that time a table's log does not name the files of "
            "earlier versions any more"
        )
    return retention

"""The arguments of `steeldefect maintain`; the module imports nothing that loads slowly."""

from __future__ import annotations

import argparse
from datetime import timedelta

from steeldefect.program.command import add_settings_arguments

MIN_AGE = timedelta(hours=24)
RETENTION = timedelta(hours=168)
"""Default and largest time for which files of earlier versions are kept: see `retention_hours`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `maintain` to a parser."""
    parser.add_argument("--output", required=True, metavar="URI", help="address of the tables")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check", action="store_true", help="only print damage; exit code 10 if there is any"
    )
    what.add_argument("--repair", action="store_true", help="repair damage")
    what.add_argument("--dry-run", action="store_true", help="only print what upkeep would do")
    parser.add_argument(
        "--min-age-hours",
        type=hours,
        default=MIN_AGE,
        metavar="HOURS",
        help="delete files that nothing names if they are at least so old (default 24)",
    )
    parser.add_argument(
        "--retention-hours",
        type=retention_hours,
        default=RETENTION,
        metavar="HOURS",
        help="keep files of earlier versions so long, for readers of these versions (default and "
        "maximum 168)",
    )
    add_settings_arguments(parser)


def hours(text: str) -> timedelta:
    """Parse a number of hours; for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: the text is not a whole number.
    """
    if not text.isdecimal() or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of hours")
    return timedelta(hours=int(text))


def retention_hours(text: str) -> timedelta:
    """Parse the time for which files of earlier versions are kept; for argparse's `type`.

    A table's log forgets the files that it removed after `delta.deletedFileRetentionDuration`, a
    week. From then on, nothing names such a file, and `min_age` applies to it.

    Raises:
        argparse.ArgumentTypeError: the text is not a whole number, or is more than a week.
    """
    retention = hours(text)
    if retention > RETENTION:
        most = RETENTION // timedelta(hours=1)
        raise argparse.ArgumentTypeError(
            f"{text} is more than {most}: after that time a table's log does not name the files of "
            "earlier versions any more"
        )
    return retention

"""Check, repair or keep up the tables of an output.

    python jobs/maintain.py --output URI [--check | --repair | --dry-run]
        [--min-age-hours N] [--retention-hours N] [--config FILE] [--set key=value]...

`steeldefect maintain` does the same. No Spark is started. URI: a folder or s3://bucket/prefix.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steeldefect.program.command import CommandParser, run_command
from steeldefect.upkeep.maintain_arguments import add_arguments
from steeldefect.upkeep.maintenance import maintain


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, maintain, and return the exit code."""
    parser = CommandParser(
        prog="maintain.py", description="Check, repair or keep up the tables of an output."
    )
    add_arguments(parser)
    return run_command(parser, maintain, arguments)


if __name__ == "__main__":
    sys.exit(main())

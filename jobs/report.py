"""Write the morning page of a night, as HTML.

    spark-submit jobs/report.py --output URI --to URI [--run RUN] [--nights N] [--single-file]
        [--pictures N] [--config FILE] [--set key=value]...

`steeldefect report` does the same. URI: a folder or s3://bucket/prefix.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steeldefect.commands.report import add_arguments, run
from steeldefect.program.command import CommandParser, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, write the pages, and return the exit code."""
    parser = CommandParser(prog="report.py", description="Write the morning page of a night.")
    add_arguments(parser)
    return run_command(parser, run, arguments)


if __name__ == "__main__":
    sys.exit(main())

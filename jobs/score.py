"""Score new pictures of an archive into tables.

    spark-submit jobs/score.py --input URI --bundle URI --output URI \
        [--shadow URI] [--inventory URI] [--metrics-file FILE.prom] [--lineage] \
        [--log-format text|json] [--config FILE] [--set key=value]...

Plain `python jobs/score.py` does the same in local mode. URI: a folder or s3://bucket/prefix.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from steeldefect.commands.score import add_arguments, request_from
from steeldefect.program.command import CommandParser, run_command


def score(arguments: argparse.Namespace) -> None:
    """Recover, plan, score wave by wave, publish each, watch, report."""
    # imported here: this takes a second or two, and signals are handled meanwhile
    from steeldefect.spark.session import follow_signals

    follow_signals()

    from steeldefect.run import open_run

    with open_run(request_from(arguments)) as run:
        run.recover()
        run.make_plan()
        with run.scored_waves() as waves:
            for wave in waves:
                run.publish(wave)
        found = run.watch()
    print(run.summary())
    if found:
        print(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, score, and return the exit code."""
    parser = CommandParser(
        prog="score.py", description="Score new pictures of an archive into tables."
    )
    add_arguments(parser)
    return run_command(parser, score, arguments)


if __name__ == "__main__":
    sys.exit(main())

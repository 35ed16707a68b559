"""Measure what Spark alone needs before the first row comes out of a pandas UDF.

    python -m benchmarks.spark_start

A job that scores in pandas UDFs cannot publish its first picture earlier. Nothing of this project
runs: a local session of two cores, the first task of Python, and the first pandas UDF, then both
again, when everything is warm.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

from benchmarks.machine import machine
from steeldefect.program.command import CommandParser, run_command

_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def main() -> int:
    """Measure, print the seconds of each step, and return the exit code."""
    return run_command(
        CommandParser(prog="python -m benchmarks.spark_start", description=__doc__), _run
    )


def _run(_: argparse.Namespace) -> None:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config(map=_LOCAL)
    began = time.monotonic()
    spark = builder.getOrCreate()
    session = time.monotonic() - began
    numbers = spark.sparkContext.parallelize([1, 2], 2)
    steps: dict[str, Callable[[], object]] = {
        "task of Python": lambda: numbers.map(lambda one: one + 1).collect(),
        "pandas UDF": lambda: spark.range(2).mapInPandas(lambda parts: parts, "id long").collect(),
    }
    seconds = {"session": session}
    for turn in ("first", "second"):
        for name, run in steps.items():
            began = time.monotonic()
            run()
            seconds[f"{turn} {name}"] = time.monotonic() - began
    spark.stop()
    print(f"CPU: {machine()['CPU']}")
    for name, value in seconds.items():
        print(f"{name}: {value:.1f} s")
    before = sum(value for name, value in seconds.items() if not name.startswith("second"))
    print(f"until the first row of a pandas UDF: {before:.1f} s")


if __name__ == "__main__":
    sys.exit(main())

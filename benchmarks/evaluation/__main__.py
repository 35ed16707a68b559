"""Measure `jobs/evaluate.py` on generated run lengths: seconds, and memory of the driver.

    python -m benchmarks.evaluation [--pictures N]

Half of the pictures show a defect of one of four classes, with about 1,000 characters of run
lengths. The driver is a Python process and its JVM; both are measured. Workers are not: they belong
to the executors.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from benchmarks.evaluation.labelled import write_example
from benchmarks.machine import machine
from benchmarks.watching import DRIVER, JVM, WORKER, watch
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from steeldefect.stores import open_store

_HEAP = "512m"  # the evaluation sends Spark little at a time; Spark's default is 1 GiB


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--pictures", type=positive, default=1_000_000, help="(1,000,000)")
    parser.add_argument("--work", type=local_path, default=Path("build/evaluation"))
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    shutil.rmtree(options.work, ignore_errors=True)
    output = options.work / "scored"
    output.mkdir(parents=True)
    write_example(open_store(str(output)), options.work, options.pictures, seed=1)
    labels = options.work / "train.csv"
    command = [sys.executable, "jobs/evaluate.py", "--output", str(output), "--labels", str(labels)]
    heap = {"PYSPARK_SUBMIT_ARGS": f"--driver-memory {_HEAP} pyspark-shell"}
    watched = watch(command, dict(os.environ) | heap, options.work / "log.txt")
    print(f"{machine()['CPU']}; {options.pictures:,} labelled pictures, 4 classes")
    print(f"masks file {labels.stat().st_size / 2**20:,.0f} MiB")
    seconds = watched.ended - watched.began
    print(f"{seconds:.0f} s, {options.pictures / seconds:,.0f} pictures/s")
    python, java = watched.peaks[DRIVER] / 2**20, watched.peaks[JVM] / 2**20
    print(
        f"driver, with --driver-memory {_HEAP}: at most {watched.driver_peak / 2**20:,.0f} MiB "
        f"(Python alone {python:,.0f}, JVM alone {java:,.0f})"
    )
    print(f"largest worker: {watched.peaks.get(WORKER, 0) / 2**20:,.0f} MiB")


if __name__ == "__main__":
    sys.exit(main())

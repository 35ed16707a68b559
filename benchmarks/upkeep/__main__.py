"""Measure the seconds to read tables of many small waves, before and after upkeep.

    python -m benchmarks.upkeep [--nights N] [--waves N] [--pictures N] [--repetitions N]

Writes `benchmarks/RESULTS-upkeep.md`.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pyarrow as pa

from benchmarks.machine import machine
from benchmarks.upkeep.nights import BUNDLE, SOURCE, write_at_once, write_waves
from steeldefect.analysis.sql import query
from steeldefect.plan.listing import LISTING
from steeldefect.plan.plan import dealt_with
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store
from steeldefect.tables.data_files import data_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.health import check_tables
from steeldefect.upkeep.keep_up import UpkeepRules, keep_up

_HERE = Path(__file__).parents[1]
_NOW = UpkeepRules(timedelta(0), timedelta(0))

Times = dict[str, float]
"""Median seconds by reading."""


def main() -> int:
    """Measure, write the document, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.upkeep", description=__doc__)
    parser.add_argument("--nights", type=positive, default=250, help="runs, one a day (250)")
    parser.add_argument("--waves", type=positive, default=8, help="waves per night (8)")
    parser.add_argument("--pictures", type=positive, default=50, help="pictures per wave (50)")
    parser.add_argument(
        "--repetitions", type=positive, default=7, help="times that each reading is measured (7)"
    )
    parser.add_argument("--work", type=local_path, default=Path("build/upkeep"))
    parser.add_argument("--out", type=local_path, default=_HERE / "RESULTS-upkeep.md")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    shutil.rmtree(options.work, ignore_errors=True)
    waves = open_store(str(options.work / "waves"))
    write_waves(waves, options.nights, options.waves, options.pictures)
    at_once = open_store(str(options.work / "at-once"))
    write_at_once(at_once, waves, options.nights)
    shutil.copytree(options.work / "waves", options.work / "kept-up")
    kept_up = open_store(str(options.work / "kept-up"))
    began = time.monotonic()
    upkept = keep_up(kept_up, _NOW)
    seconds = time.monotonic() - began
    memory = psutil.Process().memory_info().rss / 2**20
    outputs = [waves, kept_up, at_once]
    files = [_files(one) for one in outputs]
    before, after, reference = _read(outputs, options.repetitions)
    lines = [
        *_heading(options),
        *_table(before, after, reference, files),
        "",
        f"Upkeep took {seconds:.0f} s and freed {upkept.freed / 2**20:.1f} MiB. Its process used "
        f"{memory:.0f} MiB of memory at the end. The steps:",
        "",
        *(f"- {line}" for line in upkept.done),
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _read(outputs: list[Store], repetitions: int) -> list[Times]:
    """Measure each way to read each output, in turns; return the medians per output."""
    ways = [_ways(store) for store in outputs]
    taken: list[dict[str, list[float]]] = [{way: [] for way in one} for one in ways]
    for repetition in range(repetitions + 1):
        for way in ways[0]:
            for place, one in enumerate(ways):
                began = time.perf_counter()
                one[way]()
                if repetition:  # the first turn also loads libraries; it is not measured
                    taken[place][way].append(time.perf_counter() - began)
    return [{way: statistics.median(times) for way, times in one.items()} for one in taken]


def _ways(store: Store) -> dict[str, Callable[[], object]]:
    """Return the ways to read an output, by name."""
    keys = Tables(store).read(TableName.IMAGES, ["key", "etag"])
    sizes = pa.array([120_000] * keys.num_rows, pa.int64())
    places = pa.nulls(keys.num_rows, pa.string())
    listing = pa.table([keys["key"], keys["etag"], sizes, places], LISTING.names).cast(LISTING)
    return {
        "open `images`": lambda: Tables(store).open(TableName.IMAGES),
        "read `key`, `etag` of `images`": lambda: Tables(store).read(
            TableName.IMAGES, ["key", "etag"]
        ),
        "`select count(*) from images`": lambda: query(store, "select count(*) from images"),
        "`select class_name, avg(area) from predictions group by 1`": lambda: query(
            store, "select class_name, avg(area) from predictions group by 1"
        ),
        "plan a run": lambda: dealt_with(Tables(store), SOURCE, BUNDLE, ScoreSettings()).plan(
            listing
        ),
        "check all tables": lambda: check_tables(store),
    }


def _files(store: Store) -> int:
    """Count the data files of `images`."""
    delta = Tables(store).open(TableName.IMAGES)
    return 0 if delta is None else len(data_files(store, TableName.IMAGES, delta))


def _heading(options: argparse.Namespace) -> list[str]:
    waves = options.nights * options.waves
    return [
        "# Upkeep of many small waves",
        "",
        f"Measured by `python -m benchmarks.upkeep`: {waves:,} waves of {options.pictures} "
        f"pictures, written by {options.nights} runs, one per day; then `steeldefect maintain` "
        "without retention. *Before* and *after* upkeep, for comparison *one commit*: the same "
        "rows, written as one file per day in one commit. Figures are median seconds of "
        f"{options.repetitions} readings in one process, in turns, from tables in a local folder.",
        "",
        *(f"- {name}: {value}" for name, value in machine().items()),
        "",
    ]


def _table(before: Times, after: Times, reference: Times, files: list[int]) -> list[str]:
    lines = [
        "| | before, s | after, s | before / after | one commit, s |",
        "|---|---:|---:|---:|---:|",
        f"| data files of `images` | {files[0]:,} | {files[1]:,} | | {files[2]:,} |",
    ]
    lines += [
        f"| {way} | {before[way]:.3f} | {after[way]:.3f} | {before[way] / after[way]:.1f} | "
        f"{reference[way]:.3f} |"
        for way in before
    ]
    return lines


if __name__ == "__main__":
    sys.exit(main())

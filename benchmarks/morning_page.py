"""Measure `steeldefect report` of the newest night after many nights: seconds, memory, file sizes.

    python -m benchmarks.morning_page [--nights N] [--pictures N]

The nights are those of `benchmarks.watch.history`, with rows of `drift` for each camera. The
pictures of the newest night exist: links to one generated strip. The page is made with 200
drawings, and without any.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from benchmarks.machine import machine
from benchmarks.watch.history import BUNDLE, FIRST, write_nights
from benchmarks.watching import DRIVER, JVM, watch
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from steeldefect.program.progress import say
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import write_part
from steeldefect.tables.provenance import Origin, with_provenance
from steeldefect.tables.schema import SCHEMAS, TableName
from steeldefect.watch.quantities import PICTURE_QUANTITIES
from training.synthetic.strip import StripSettings, draw_strip

_CAMERAS = (None, *(f"camera {one}" for one in range(4)))


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.morning_page", description=__doc__)
    parser.add_argument("--nights", type=positive, default=1_000, help="(1,000)")
    parser.add_argument("--pictures", type=positive, default=10_000, help="of a night (10,000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=local_path, default=Path("build/morning-page"))
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    print(
        f"{machine()['CPU']}; {options.nights:,} nights of {options.pictures:,} pictures, seed "
        f"{options.seed}"
    )
    for nights in dict.fromkeys((min(10, options.nights), options.nights)):
        work = options.work / str(nights)
        shutil.rmtree(work, ignore_errors=True)
        archive, output = work / "archive", work / "output"
        output.mkdir(parents=True)
        write_nights(output, nights, options.pictures, options.seed, str(archive.resolve()))
        _write_drift(output, nights, options.seed)
        _write_pictures(archive, nights, options.pictures)
        for drawn in (0, 200):
            _report(output, work / f"page-{drawn}", nights, drawn)


def _report(output: Path, page: Path, nights: int, drawn: int) -> None:
    command = [sys.executable, "-m", "steeldefect", "report", "--output", str(output)]
    command += ["--to", str(page), "--pictures", str(drawn)]
    watched = watch(command, dict(os.environ), page.with_suffix(".log"))
    python, java = (watched.peaks.get(one, 0) / 2**20 for one in (DRIVER, JVM))
    night = next((page / "nights").iterdir()).stat().st_size
    coils = [one.stat().st_size for one in (page / "coils").rglob("*.html")]
    print(
        f"after {nights:,} nights, {drawn} drawings: {watched.ended - watched.began:.1f} s; driver "
        f"at most {watched.driver_peak / 2**20:,.0f} MiB (Python alone {python:,.0f}, JVM alone "
        f"{java:,.0f}); night {night / 1000:,.0f} kB, index "
        f"{(page / 'index.html').stat().st_size / 1000:,.0f} kB, {len(coils)} coils of at most "
        f"{max(coils) / 1000:,.0f} kB"
    )


def _write_drift(output: Path, nights: int, seed: int) -> None:
    """Write a row of `drift` for each camera, statistic and night."""
    tables, rng = Tables(open_store(str(output))), np.random.default_rng(seed)
    shape = [(camera, quantity) for camera in _CAMERAS for quantity in PICTURE_QUANTITIES]
    count = len(shape)
    for number in range(1, nights + 1):
        began = FIRST + timedelta(days=number)
        origin = Origin(f"{began:%Y%m%dT%H%M%S}-{number:08x}", BUNDLE, began, number)
        columns = {
            "camera": pa.array([one for one, _ in shape], pa.string()),
            "quantity": [one for _, one in shape],
            "reference": ["bundle"] * count,
            "reference_count": pa.array([4_000] * count, pa.int64()),
            "night_count": pa.array([10_000] * count, pa.int64()),
            "reference_value": [100.0] * count,
            "night_value": rng.normal(100, 3, count),
            "distance": rng.random(count) / 20,
            "threshold": [0.075] * count,
            "alarm": [False] * count,
            "sentence": ["no alarm"] * count,
        }
        rows = with_provenance(TableName.DRIFT, pa.table(columns), origin)
        stored = rows.select(SCHEMAS[TableName.DRIFT].stored.names)
        part = write_part(tables.store, TableName.DRIFT, stored, origin, f"{1:06d}-000000")
        tables.add(TableName.DRIFT, [part], origin.run_id, 1)
        if number % 100 == 0:
            say(f"wrote the drift of {number} of {nights} nights")


def _write_pictures(archive: Path, night: int, pictures: int) -> None:
    """Write the pictures of one night: links to one strip."""
    folder = archive / f"{night:05d}"
    folder.mkdir(parents=True)
    strip = draw_strip(np.random.default_rng(night), StripSettings()).picture
    first = folder / f"{0:06d}.jpg"
    cv2.imwrite(str(first), strip)
    for number in range(1, pictures):
        os.link(first, folder / f"{number:06d}.jpg")


if __name__ == "__main__":
    sys.exit(main())

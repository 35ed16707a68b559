"""Measure `steeldefect watch` of the newest night after many nights: seconds, and driver memory.

    python -m benchmarks.watch.history [--nights N] [--pictures N]

Each night has four cameras, coils of 50 pictures, a gate that stops nine of ten pictures, an audit
of 1% of these, and two defects on each picture that passes. The driver is a Python process and its
JVM, which searches repeats.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.machine import machine
from benchmarks.watching import DRIVER, JVM, watch
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from steeldefect.program.progress import say
from steeldefect.publish.runs import Outcome, RunRecord, record_run
from steeldefect.settings import ScoreSettings
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import write_part
from steeldefect.tables.provenance import Origin, with_provenance
from steeldefect.tables.schema import SCHEMAS, TableName, Verdict

FIRST = datetime(2024, 1, 1, 2, tzinfo=UTC)
BUNDLE = "b" * 64
_CAMERAS, _COIL, _PASSING, _AUDITED = 4, 50, 0.1, 0.01
_STRIP_MM, _WIDTH_MM = 800.0, 1_000.0  # length of strip on a picture, and width of the strip
_MEANS = {
    **{"gray_mean": (100, 12), "gray_std": (20, 3), "sharpness": (400, 60)},
    **{"clipped_dark": (0.01, 0.003), "clipped_bright": (0.01, 0.003), "black_margin": (0.1, 0.02)},
}


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.watch.history", description=__doc__)
    parser.add_argument("--nights", type=positive, default=1_000, help="(1,000)")
    parser.add_argument("--pictures", type=positive, default=10_000, help="of a night (10,000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=local_path, default=Path("build/watch-history"))
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    print(
        f"{machine()['CPU']}; {options.nights:,} nights of {options.pictures:,} pictures, seed "
        f"{options.seed}"
    )
    for nights in dict.fromkeys((min(10, options.nights), options.nights)):
        output = options.work / str(nights)
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        first = write_nights(output, nights, options.pictures, options.seed)
        command = [sys.executable, "-m", "steeldefect", "watch", "--output", str(output)]
        for named in ([], ["--reference", first]):
            watched = watch([*command, *named], dict(os.environ), options.work / "log.txt")
            python, java = (watched.peaks.get(one, 0) / 2**20 for one in (DRIVER, JVM))
            print(
                f"after {nights:,} nights{' with a named reference' if named else ''}: "
                f"{watched.ended - watched.began:.1f} s; driver at most "
                f"{watched.driver_peak / 2**20:,.0f} MiB (Python alone {python:,.0f}, JVM alone "
                f"{java:,.0f})"
            )


def write_nights(
    output: Path, nights: int, pictures: int, seed: int, source: str = "s3://plant/archive"
) -> str:
    """Write the nights, and return the id of the first run.

    Args:
        output: an empty folder.
        nights: number of nights.
        pictures: number of pictures of a night.
        seed: random seed.
        source: address of the archive that the rows name; its pictures need not exist.
    """
    tables, rng = Tables(open_store(str(output))), np.random.default_rng(seed)
    tables.create_all()
    for number in range(1, nights + 1):
        began = FIRST + timedelta(days=number)
        origin = Origin(f"{began:%Y%m%dT%H%M%S}-{number:08x}", BUNDLE, began, number)
        defective = 0
        for table, rows in _night(number, pictures, rng, source):
            defective = rows.num_rows if table is TableName.PREDICTIONS else defective
            stored = with_provenance(table, rows, origin).select(SCHEMAS[table].stored.names)
            part = write_part(tables.store, table, stored, origin, f"{1:06d}-000000")
            tables.add(table, [part], origin.run_id, 1)
        record = RunRecord(
            *("score", source, Outcome.SUCCESS, 60.0),
            settings=ScoreSettings().model_dump_json(),
            classes='{"1": "scratch"}',
            planned=pictures,
            scored=pictures,
            defective=defective,
            waves=1,
        )
        record_run(tables, origin, record)
        if number % 100 == 0:
            say(f"wrote {number} of {nights} nights")
    return f"{FIRST + timedelta(days=1):%Y%m%dT%H%M%S}-{1:08x}"


def _night(
    number: int, pictures: int, rng: np.random.Generator, source: str
) -> Iterator[tuple[TableName, pa.Table]]:
    order = np.arange(pictures)
    key = np.char.add(f"{number:05d}/", np.char.mod("%06d.jpg", order))
    coil = np.char.add(f"coil {number:05d}-", np.char.mod("%05d", order // _COIL))
    camera = np.char.add("camera ", np.char.mod("%d", order % _CAMERAS))
    probability = np.where(rng.random(pictures) < _PASSING, rng.random(pictures), 0.001)
    passed = probability >= 0.01
    audited = ~passed & (rng.random(pictures) < _AUDITED)
    found = np.flatnonzero(passed)
    columns = {
        **{"source": _same(source, pictures), "key": key, "image_id": key},
        **{"etag": _same("", pictures), "bytes": _same(120_000, pictures)},
        **{"width": _same(1600, pictures), "height": _same(256, pictures)},
        "gate_probability": probability.astype(np.float32),
        "verdict": np.where(passed, Verdict.DEFECT.value, Verdict.GATED.value),
        **{"defects": passed.astype(np.int32), "regions": 2 * passed.astype(np.int32)},
        **{"runtime": _same("openvino", pictures), "device": _same("cpu", pictures)},
        **{"precision": _same("f32", pictures), "coil": coil, "camera": camera},
        "position_mm": (order % _COIL) * _STRIP_MM,
        **{"pixel_mm_x": _same(0.5, pictures), "pixel_mm_y": _same(_WIDTH_MM / 256, pictures)},
        **{"rejected_regions": _same(0, pictures), "level_masks": _same(0, pictures)},
        "audit_defects": pa.array(np.zeros(pictures, np.int32), mask=~audited),
        "audit_regions": pa.array(np.zeros(pictures, np.int32), mask=~audited),
        **{name: rng.normal(*one, pictures).astype(np.float32) for name, one in _MEANS.items()},
    }
    yield TableName.IMAGES, pa.table(columns)
    for table, each in ((TableName.PREDICTIONS, 1), (TableName.DEFECTS, 2)):
        rows = np.repeat(found, each)
        count = len(rows)
        picked = {name: columns[name][rows] for name in ("key", "image_id", "coil", "camera")}
        size = rng.integers(20, 4_000, count)
        share = {
            **picked,
            **{"source": _same(source, count), "class_id": _same(1, count)},
            **{"class_name": _same("scratch", count), "run_lengths": _same("1 20", count)},
            **{"area": size, "audit": _same(False, count), "regions": _same(2, count)},
            **{one: _same(0, count) for one in ("box_top", "box_left")},
            **{one: _same(9, count) for one in ("box_bottom", "box_right")},
            "mean_probability": _same(0.8, count),
            "max_probability": _same(0.9, count),
        }
        if table is TableName.PREDICTIONS:
            yield table, pa.table(share | {"share": size / 409_600})
            continue
        x, y = rng.random(count) * 1600, rng.random(count) * 256
        yield (
            table,
            pa.table(
                share
                | {
                    **{"number": np.arange(count) % 2 + 1, "kept": _same(True, count)},
                    **{"centroid_x": x, "centroid_y": y},
                    "along_mm": columns["position_mm"][rows] + x / 2,
                    "across_mm": y / 256 * _WIDTH_MM,
                    **{"length": np.sqrt(size), "width": np.sqrt(size)},
                    **{"length_mm": np.sqrt(size) / 2, "width_mm": np.sqrt(size) * 2},
                    "area_mm2": size * 0.5 * _WIDTH_MM / 256,
                    **{one: _same(1.0, count) for one in ("angle", "perimeter", "elongation")},
                    **{"solidity": _same(1.0, count), "touches_edge": _same(False, count)},
                }
            ),
        )


def _same(value: object, rows: int) -> pa.Array:
    return pa.repeat(value, rows)


if __name__ == "__main__":
    sys.exit(main())

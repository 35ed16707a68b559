"""Measure how the job grows: cost per picture, memory, and seconds of a plan.

    python -m benchmarks.growth [--sizes N...] [--tasks N...] [--keys N...] [--repetitions N]

Writes `benchmarks/growth.json`, and draws `docs/scale.svg`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from benchmarks.growth.drawing import draw
from benchmarks.growth.run import Run
from benchmarks.growth.scored_before import write_inventory, write_tables
from benchmarks.growth.stand_in import make_archive, make_bundle
from benchmarks.machine import machine
from benchmarks.scoring.measuring import Steady, data_files, published, record_of_job
from benchmarks.watching import watch
from steeldefect.program.command import CommandParser, local_path, positive, run_command

_HERE = Path(__file__).parents[1]
_DRIVER = ("list", "plan", "publish")
_IN_WAVES = 10_000  # pictures of the runs in larger and smaller waves; more, if a wave has more
_ONE_WAVE_SIZE = ("--set", "wave_pictures=2000")  # so that runs of all sizes can be compared
_NEW = 2_000  # pictures to score in a plan of many keys: the new ones of a night


def main() -> int:
    """Measure, write, draw, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.growth", description=__doc__)
    sizes, keys = [1_000, 10_000, 100_000], [10_000, 100_000, 1_000_000]
    parser.add_argument("--sizes", type=positive, nargs="+", default=sizes, help="pictures per run")
    parser.add_argument("--keys", type=positive, nargs="+", default=keys, help="keys per plan")
    parser.add_argument("--waves", type=positive, nargs="+", default=[1_000, 20], help="wave sizes")
    parser.add_argument("--tasks", type=positive, nargs="+", default=[1, 2], help="tasks at once")
    parser.add_argument("--repetitions", type=positive, default=3, help="runs of each small size")
    parser.add_argument("--work", type=local_path, default=Path("build/growth"))
    parser.add_argument("--out", type=local_path, default=_HERE / "growth.json")
    parser.add_argument("--svg", type=local_path, default=_HERE.parent / "docs" / "scale.svg")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    work = options.work
    bundle = make_bundle(work / "bundle")
    grown, waved, planned = [], [], []
    for pictures in options.sizes:
        archive = make_archive(work / f"archive-{pictures}", pictures)
        for repetition in range(options.repetitions if pictures <= 10_000 else 1):
            turn = options.tasks if repetition % 2 == 0 else reversed(options.tasks)
            for tasks in turn:
                shutil.rmtree(work / "tables", ignore_errors=True)
                grown.append(_run(_Job(archive, bundle, work / "tables", pictures, tasks)))
    for size in options.waves:
        pictures = max(_IN_WAVES, size)
        archive = make_archive(work / f"archive-{pictures}", pictures)
        shutil.rmtree(work / "tables", ignore_errors=True)
        settings = ("--set", f"wave_pictures={size}")
        waved.append(_run(_Job(archive, bundle, work / "tables", pictures, 2, settings)))
    archive = make_archive(work / f"archive-{_NEW}", _NEW)
    for keys in options.keys:
        output = work / "tables"
        shutil.rmtree(output, ignore_errors=True)
        inventory = write_inventory(work / f"keys-{keys}.parquet", archive, keys, _NEW)
        write_tables(output, archive, inventory, bundle, skip=_NEW)
        more = (*_ONE_WAVE_SIZE, "--inventory", str(inventory))
        planned.append(_run(_Job(archive, bundle, output, keys, 2, more)))
    content = {
        "machine": machine(),
        "grown": [asdict(run) for run in grown],
        "in_waves": [asdict(run) for run in waved],
        "planned": [asdict(run) for run in planned],
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draw(grown, planned, options.svg)
    print(_summary(grown, waved, planned))


class _Job(NamedTuple):
    archive: Path
    bundle: Path
    output: Path
    keys: int
    tasks: int
    more: tuple[str, ...] = _ONE_WAVE_SIZE


def _run(job: _Job) -> Run:
    """Run the job, print its figures, and return them."""
    uris = ("--input", str(job.archive), "--bundle", str(job.bundle), "--output", str(job.output))
    command = [sys.executable, "jobs/score.py", *uris, *job.more]
    environment = {"PYSPARK_SUBMIT_ARGS": f"--master local[{job.tasks}] pyspark-shell"}
    before = data_files(job.output)
    watched = watch(command, environment, job.output.with_suffix(".log"))
    done = list(published(job.output, before))
    steady = Steady.of(done, watched)
    record = record_of_job(job.output)
    stages = record.stages
    run = Run(
        pictures=done[-1][1],
        keys=job.keys,
        tasks=job.tasks,
        waves=record.waves,
        rate=steady.rate,
        cpu_seconds=steady.cpu_seconds,
        task_seconds=stages["task"] / done[-1][1],
        seconds=watched.ended - watched.began,
        driver_seconds={name: stages.get(name, 0.0) for name in _DRIVER},
        peaks=watched.peaks,
    )
    peaks = ", ".join(f"{role} {size / 2**20:.0f}" for role, size in sorted(run.peaks.items()))
    driver = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in run.driver_seconds.items())
    print(
        f"{run.pictures:>7} pictures of {run.keys:>8} keys, {run.tasks} tasks, {run.waves} waves:"
        f" {run.rate:7.1f}/s, {1000 * run.task_seconds:.2f} ms of task time and "
        f"{1000 * run.cpu_seconds:.2f} ms of CPU time per picture; {driver}; MiB: {peaks}",
        flush=True,
    )
    return run


def _summary(grown: list[Run], waved: list[Run], planned: list[Run]) -> str:
    sizes = sorted({run.pictures for run in grown})

    def middle(pictures: int, tasks: int) -> float:
        chosen = [run for run in grown if (run.pictures, run.tasks) == (pictures, tasks)]
        return statistics.median(run.task_seconds for run in chosen)

    lines = [
        f"cost of a picture at {sizes[-1]} / cost at {sizes[0]}, {tasks} tasks at once: "
        f"{middle(sizes[-1], tasks) / middle(sizes[0], tasks):.3f}"
        for tasks in sorted({run.tasks for run in grown})
    ]
    lines += [
        f"publishing a wave, mean of {run.waves}: {run.driver_seconds['publish'] / run.waves:.3f} s"
        for run in [*waved, *grown[-1:]]
    ]
    lines += [
        f"plan of {run.keys} keys: {run.driver_seconds['list'] + run.driver_seconds['plan']:.1f} s"
        for run in planned
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

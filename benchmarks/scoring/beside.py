"""Measure what scoring costs beside the models, on any CPU.

    python -m benchmarks.scoring.beside [--data DIR] [--pictures N] [--repetitions N]

The job runs with models that cost next to nothing (`stand_in`), so nearly all of its CPU time is
fetching, decoding, outlining, writing, and the processes of Spark. The unit is `cv2.imdecode`: the
CPU time of decoding the same pictures to gray, measured before and after each run, by as many
processes at once as there are cores. So the figure in this unit hardly depends on the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import machine
from benchmarks.scoring import measuring
from benchmarks.scoring.field import Contender, command
from benchmarks.scoring.material import LIMITS, Material, linked, sources
from benchmarks.scoring.stand_in import HEIGHT, WIDTH, make_stand_in
from benchmarks.watching import watch
from steeldefect.errors import DataError
from steeldefect.pictures.decoding import decode_gray
from steeldefect.program.command import CommandParser, local_path, positive, run_command

PICTURES = 10_000
"""Default number of pictures: a run long enough that its start and end hardly count."""

_DECODED = 1_000  # pictures that each measurement of imdecode decodes


@dataclass(frozen=True)
class Beside:
    """Cost of one run of the job with the stand-in.

    Attributes:
        pictures: number of pictures.
        cpu_ms: CPU milliseconds of all processes per picture, without the start.
        imdecode_ms: CPU milliseconds of `cv2.imdecode` per picture.
        rate: pictures per second, on all cores.
        passing: share of the pictures that passed the gate.
        masks: masks per picture that passed.
        stages: seconds by stage, from the run record.
    """

    pictures: int
    cpu_ms: float
    imdecode_ms: float
    rate: float
    passing: float
    masks: float
    stages: dict[str, float]

    @property
    def multiple(self) -> float:
        """Cost in multiples of `cv2.imdecode`."""
        return self.cpu_ms / self.imdecode_ms

    def __str__(self) -> str:
        """Return the figures as one line."""
        return (
            f"{self.pictures} pictures, {100 * self.passing:.0f}% pass, {self.masks:.2f} masks "
            f"each: {self.cpu_ms:.2f} ms of CPU a picture beside the models, "
            f"{self.multiple:.2f} times imdecode ({self.imdecode_ms:.2f} ms); "
            f"{self.rate:.0f} pictures/s"
        )


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.scoring.beside", description=__doc__)
    parser.add_argument("--data", type=local_path, help="folder with severstal; default: generate")
    parser.add_argument("--work", type=local_path, default=Path("build/bench"))
    parser.add_argument("--pictures", type=positive, default=PICTURES)
    parser.add_argument("--repetitions", type=positive, default=3)
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    print(*(f"{name}: {text}" for name, text in machine().items()), sep="\n", flush=True)
    runs = []
    for _ in range(options.repetitions):
        runs.append(measure_beside(options.work, options.data, options.pictures))
        print(runs[-1], flush=True)
        stages = sorted(runs[-1].stages.items(), key=lambda one: -one[1])
        ms = (f"{name} {1000 * took / options.pictures:.2f}" for name, took in stages)
        print("  ms a picture by stage:", ", ".join(ms), flush=True)
    middle = statistics.median(run.multiple for run in runs)
    print(f"CPU beside the models: {middle:.2f} times imdecode (median of {len(runs)})")


def measure_beside(work: Path, data: Path | None, pictures: int) -> Beside:
    """Run the job once with the stand-in, and measure `cv2.imdecode` before and after.

    Args:
        work: folder for pictures and bundle.
        data: folder with `severstal`; None: strips are generated.
        pictures: least number of pictures to score.
    """
    strips = [path for path in sources(work, data) if _is_strip(path)]
    if not strips:
        raise DataError(f"no pictures of {WIDTH}x{HEIGHT} in {data}")
    rounds = -(-pictures // len(strips))
    folder = linked(work / f"stand-in-pictures-{rounds}", strips, rounds)
    bundle = make_stand_in(work / "stand-in", strips)
    material = Material(folder, bundle, len(strips), 0.0)
    output = work / "answers" / "stand-in"
    output.parent.mkdir(exist_ok=True)
    shutil.rmtree(output, ignore_errors=True)
    before = imdecode_ms(folder)
    line, environment = command(Contender("stand-in", "", None, "f32"), material, rounds, output)
    watched = watch(line, environment, log=output.with_suffix(".log"))
    after = imdecode_ms(folder)
    answers = measuring.answers_of_job(output)
    steady = measuring.Steady.of(answers.done, watched)
    return Beside(
        pictures=len(answers.masks),
        cpu_ms=1000 * steady.cpu_seconds,
        imdecode_ms=(before + after) / 2,
        rate=steady.rate,
        passing=answers.passed / len(answers.masks),
        masks=sum(map(len, answers.masks.values())) / answers.passed,
        stages=measuring.record_of_job(output).stages,
    )


def imdecode_ms(folder: Path) -> float:
    """Return the CPU milliseconds of `cv2.imdecode` per picture, with all cores at work."""
    names = sorted(str(path) for path in folder.iterdir())[:_DECODED]
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        shares = [names[number::cores] for number in range(cores)]
        return 1000 * sum(pool.map(_decode_seconds, shares)) / len(names)


def _decode_seconds(names: Sequence[str]) -> float:
    cv2.setNumThreads(0)
    seconds = 0.0
    for name in names:
        data = np.frombuffer(Path(name).read_bytes(), np.uint8)
        began = time.thread_time()
        cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        seconds += time.thread_time() - began
    return seconds


def _is_strip(path: Path) -> bool:
    return decode_gray(path.read_bytes(), LIMITS).shape == (HEIGHT, WIDTH)


if __name__ == "__main__":
    sys.exit(main())

"""Measure the search for rolls and fixed places on generated coils: what it finds, false alarms.

    python -m benchmarks.watch.repeats [--coils N] [--seed S]

Every coil is drawn from the seed and its number. Rolls are planted beside random defects. Coils
without rolls have defects that lie uniformly, in bursts, in frequent lanes, or densely. The time is
that of Spark on two cores, for 10,000 coils of 100 defects.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import psutil
from pyspark.sql import SparkSession
from scipy.stats import beta

from benchmarks.machine import machine
from steeldefect.program.command import CommandParser, positive, run_command
from steeldefect.repeats.on_spark import find_all_rolls
from steeldefect.repeats.places import find_places
from steeldefect.repeats.repeat import Kind, RollMarks
from steeldefect.repeats.rolls import find_rolls

Float64 = npt.NDArray[np.float64]
Rng = np.random.Generator

SEED = 20_260
_CLASSES = 4
_PIXEL_MM, _FRAME_MM = 1.0, 512.0
_WIDTH_MM = 1600.0


@dataclass(frozen=True)
class Roll:
    """A planted roll.

    Attributes:
        period_mm, begin_mm, across_mm: its period, its first turn, its lane.
        turns: turns that it prints.
        class_id: class of its marks.
        missing: share of the marks that are missing; `exact` of them, or each by chance.
        jitter: standard deviation of a mark along the strip, as a share of the period.
        drift: standard deviation that each turn adds to the place of all later turns.
    """

    period_mm: float
    begin_mm: float
    across_mm: float
    turns: int
    class_id: int = 1
    missing: float = 0.2
    exact: bool = True
    jitter: float = 0.01
    drift: float = 0.0


@dataclass
class Coil:
    """Defects of a coil while they are drawn: class, along and across in millimetres."""

    rng: Rng
    length_mm: float
    parts: list[tuple[npt.NDArray[np.int64], Float64, Float64]] = field(default_factory=list)

    @classmethod
    def drawn(cls, seed: int, number: int) -> Coil:
        """Start a coil of 500 to 2,000 m."""
        rng = np.random.default_rng([seed, number])
        return cls(rng, rng.uniform(5e5, 2e6))

    def add(self, class_id: npt.ArrayLike, along: Float64, across: Float64) -> None:
        """Add defects."""
        classes = np.broadcast_to(np.asarray(class_id, np.int64), along.shape)
        inside = _WIDTH_MM - np.abs(_WIDTH_MM - np.abs(across))  # reflected at the edges
        self.parts.append((classes, along, inside))

    def uniform(self, number: int) -> Coil:
        """Add defects that lie anywhere."""
        rng = self.rng
        along, across = rng.uniform(0, self.length_mm, number), rng.uniform(0, _WIDTH_MM, number)
        self.add(rng.integers(1, _CLASSES + 1, number), along, across)
        return self

    def burst(self, number: int, extent_mm: float, lanes: int = 1) -> Coil:
        """Add a scratch: many defects on a short stretch, in one lane or several."""
        rng = self.rng
        begin, class_id = rng.uniform(0, self.length_mm - extent_mm), rng.integers(1, _CLASSES + 1)
        for _ in range(lanes):
            along = begin + rng.uniform(0, extent_mm, number)
            across = rng.uniform(0, _WIDTH_MM) + rng.normal(0, rng.uniform(1, 12), number)
            self.add(class_id, along, across)
        return self

    def roll(self, roll: Roll) -> Coil:
        """Add the marks of a roll."""
        rng, turns = self.rng, roll.turns
        missing = rng.permutation(turns) < round(roll.missing * turns)
        if not roll.exact:
            missing = rng.uniform(size=turns) < roll.missing
        steps = np.arange(turns) + np.cumsum(rng.normal(0, 1, turns)) * roll.drift
        places = roll.begin_mm + (steps + rng.normal(0, 1, turns) * roll.jitter) * roll.period_mm
        across = roll.across_mm + rng.normal(0, 3, turns)
        self.add(roll.class_id, places[~missing], across[~missing])
        return self

    def random_roll(self, turns: int, **given: float | bool) -> Roll:
        """Draw a roll of 300 to 6,000 mm circumference, anywhere on the coil."""
        rng = self.rng
        period = float(np.exp(rng.uniform(np.log(310), np.log(5_900))))
        begin = rng.uniform(0, max(self.length_mm - period * turns, 0))
        lane, class_id = rng.uniform(20, _WIDTH_MM - 20), int(rng.integers(1, _CLASSES + 1))
        return Roll(period, begin, lane, turns, class_id, **given)  # type: ignore[arg-type]

    def frame(self, name: str = "c1", camera: str | None = "top1") -> pd.DataFrame:
        """Return the defects in the columns of the table `defects`."""
        classes, along, across = (np.concatenate([one[i] for one in self.parts]) for i in range(3))
        picture = np.floor(along / _FRAME_MM).astype(np.int64)
        return pd.DataFrame(
            {
                "source": "archive",
                "key": [f"{name}/{number:06d}.jpg" for number in picture],
                "number": np.arange(1, len(along) + 1, dtype=np.int32),
                "class_id": classes.astype(np.int32),
                "class_name": [f"class {number}" for number in classes],
                "coil": name,
                "camera": camera,
                "side": "top",
                "along_mm": along,
                "across_mm": across,
                "centroid_x": across / _PIXEL_MM,
                "centroid_y": (along - picture * _FRAME_MM) / _PIXEL_MM,
            }
        )


def uniform(seed: int, number: int) -> Coil:
    """100 defects anywhere."""
    return Coil.drawn(seed, number).uniform(100)


def bursts(seed: int, number: int) -> Coil:
    """Scratches of 4 to 30 defects on 0.5 to 60 m, some of them in several lanes."""
    coil = Coil.drawn(seed, number).uniform(20)
    for _ in range(coil.rng.integers(2, 9)):
        extent = float(np.exp(coil.rng.uniform(np.log(500), np.log(60_000))))
        coil.burst(int(coil.rng.integers(4, 31)), extent, int(coil.rng.integers(1, 4)))
    return coil


def small_bursts(seed: int, number: int) -> Coil:
    """20 short scratches of 4 to 6 defects: the fewest that could be a roll."""
    coil = Coil.drawn(seed, number).uniform(10)
    for _ in range(20):
        coil.burst(int(coil.rng.integers(4, 7)), float(coil.rng.uniform(2_000, 30_000)))
    return coil


def lanes(seed: int, number: int) -> Coil:
    """Three lanes with 40 defects each along the whole coil, as at the edges of a strip."""
    coil = Coil.drawn(seed, number).uniform(40)
    for _ in range(3):
        coil.burst(40, coil.length_mm)
    return coil


def dense(seed: int, number: int) -> Coil:
    """3,000 defects, half of them in five scratches over 100 m."""
    coil = Coil.drawn(seed, number).uniform(1_500)
    for _ in range(5):
        coil.burst(300, 100_000)
    return coil


RANDOM: dict[str, Callable[[int, int], Coil]] = {
    one.__name__: one for one in (uniform, bursts, small_bursts, lanes, dense)
}


def planted(seed: int, number: int, turns: int, **given: float | bool) -> tuple[Coil, Roll]:
    """Draw a coil with 30 random defects and one roll."""
    coil = Coil.drawn(seed, number).uniform(30)
    roll = coil.random_roll(turns, **given)
    return coil.roll(roll), roll


def is_found(roll: Roll, rolls: tuple[RollMarks, ...]) -> bool:
    """Return whether a roll is among those found, with its period within 1%."""
    return any(
        abs(one.period_mm / roll.period_mm - 1) < 0.01
        and abs(one.lane_mm - roll.across_mm) < 20
        and one.kind is Kind.ROLL
        for one in rolls
    )


def found_share(seed: int, coils: int, turns: int, **given: float | bool) -> tuple[int, int]:
    """Return how many planted rolls were found, and on how many coils something else was, too."""
    found = others = 0
    for number in range(coils):
        coil, roll = planted(seed, number, turns, **given)
        rolls = find_rolls(coil.frame()).rolls
        found += is_found(roll, rolls)
        others += len(rolls) > 1 or (len(rolls) == 1 and not is_found(roll, rolls))
    return found, others


def alarms(kind: str, seed: int, coils: int) -> tuple[int, float]:
    """Return how many coils without rolls gave an alarm, and the milliseconds of a coil."""
    given = 0
    spent = 0.0
    for number in range(coils):
        frame = RANDOM[kind](seed, number).frame()
        began = time.perf_counter()
        given += bool(find_rolls(frame).rolls)
        spent += time.perf_counter() - began
    return given, spent / coils * 1000


def archive(seed: int, number: int, coils: int = 400, dirt: float = 0.0) -> pd.DataFrame:
    """Draw the defects of one camera: anywhere, at the strip's edge, in bursts, full-height ones.

    Args:
        seed: seed of the archives.
        number: number of the archive.
        coils: number of coils.
        dirt: share of the coils whose pictures show dirt at column 700, row 200.
    """
    rng = np.random.default_rng([seed, number])
    names: list[npt.NDArray[np.int64]] = []
    drawn = Coil(rng, 1e6).uniform(15 * coils)
    names.append(rng.integers(coils, size=15 * coils))
    for name in range(coils):
        drawn.burst(10, float(rng.uniform(500, 60_000)))
        names.append(np.full(10, name))
    edge, full = 8 * coils, 4 * coils
    drawn.add(1, rng.uniform(0, 1e6, edge), np.abs(rng.normal(0, 15, edge)))
    middle = (np.floor(rng.uniform(0, 1_900, full)) + 0.5) * _FRAME_MM
    drawn.add(2, middle, rng.uniform(0, _WIDTH_MM, full))
    names += [rng.integers(coils, size=edge), rng.integers(coils, size=full)]
    dirty = np.repeat(np.flatnonzero(rng.uniform(size=coils) < dirt), 3)
    places = rng.normal([700, 200], 2, (len(dirty), 2)) * _PIXEL_MM
    frames = np.floor(rng.uniform(0, 1_900, len(dirty))) * _FRAME_MM
    drawn.add(3, frames + places[:, 1], places[:, 0])
    frame = drawn.frame()
    frame["coil"] = np.char.add("c", np.concatenate([*names, dirty]).astype(str))
    return frame


def dirt_found(seed: int, archives: int, dirt: float) -> tuple[int, int]:
    """Return on how many archives the dirt was found, and on how many another place."""
    found = others = 0
    for number in range(archives):
        places = find_places(archive(seed, number, dirt=dirt)).places
        hits = [abs(one.x_px - 700) < 8 and abs(one.y_px - 200) < 8 for one in places]
        found += any(hits)
        others += not all(hits)
    return found, others


def spark_seconds(seed: int, coils: int) -> tuple[float, float, int]:
    """Search coils of 100 defects on Spark with two cores: seconds, those of CPU, and repeats.

    A third of the coils each is uniform, in bursts (the first 100 defects), and with a roll of 20
    turns among 84 defects.
    """
    makers: tuple[Callable[[int, int], Coil], ...] = (uniform, bursts, _with_roll)
    with tempfile.TemporaryDirectory() as folder:
        for begin in range(0, coils, 1000):
            numbers = range(begin, min(begin + 1000, coils))
            frames = [makers[one % 3](seed, one).frame(f"c{one}")[:100] for one in numbers]
            pd.concat(frames).to_parquet(Path(folder) / f"{begin}.parquet")
        with SparkSession.builder.master("local[2]").getOrCreate() as spark:
            defects = spark.read.parquet(folder)
            defects.count()
            began, used = time.perf_counter(), _cpu_of_children()
            found = find_all_rolls(defects).repeats.num_rows
            return time.perf_counter() - began, _cpu_of_children() - used, found


def _cpu_of_children() -> float:
    """Return the seconds of CPU that this process's children, Spark and its workers, have used."""
    times = [one.cpu_times() for one in psutil.Process().children(recursive=True)]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


def _with_roll(seed: int, number: int) -> Coil:
    """84 defects anywhere and a roll of 20 turns, 16 of which have a mark."""
    coil = Coil.drawn(seed, number).uniform(84)
    return coil.roll(coil.random_roll(20))


def _at_most(hits: int, tries: int) -> float:
    """Return the upper end of the one-sided 95% interval of a share (Clopper and Pearson)."""
    return 1.0 if hits == tries else float(beta.ppf(0.95, hits + 1, tries - hits))


def _at_least(hits: int, tries: int) -> float:
    """Return the lower end of the one-sided 95% interval of a share (Clopper and Pearson)."""
    return 0.0 if hits == 0 else float(beta.ppf(0.05, hits, tries - hits + 1))


_PLANTED: tuple[tuple[str, int, dict[str, float | bool]], ...] = (
    *((f"{turns} turns, 20% missing", turns, {}) for turns in (5, 6, 8, 12, 24, 60)),
    *((f"{n} turns, each missing by chance", n, {"exact": False}) for n in (5, 6, 8, 12)),
    ("12 turns, place drifts 0.3% a turn", 12, {"drift": 0.003}),
)


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.watch.repeats", description=__doc__)
    parser.add_argument("--coils", type=positive, default=2_000, help="of each kind (2,000)")
    parser.add_argument("--seed", type=positive, default=SEED, help=f"({SEED})")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    coils, seed = options.coils, options.seed
    print(f"{machine()['CPU']}; seed {seed}; {coils:,} coils of each kind")
    print("rolls found beside 30 random defects, jitter 1% of the period, period within 1%:")
    for text, turns, given in _PLANTED:
        found, others = found_share(seed, coils, turns, **given)
        least = _at_least(found, coils)
        print(
            f"  {text}: {found / coils:.1%} (at least {least:.1%}); others on {others:,} coils",
            flush=True,
        )
    print("coils without rolls that give an alarm:")
    for kind in RANDOM:
        tries = max(coils // 20, 1) if kind == "dense" else coils
        given_alarms, each = alarms(kind, seed, tries)
        most = _at_most(given_alarms, tries)
        print(
            f"  {kind}: {given_alarms / tries:.2%} of {tries:,} (at most {most:.2%}), {each:.1f} ms"
        )
    print("archives of 400 coils, with dirt on a share of the coils:")
    for dirt in (0.1, 0.05, 0.0):
        tries = max(coils // 20, 1)
        found, others = dirt_found(seed, tries, dirt)
        print(f"  {dirt:.0%}: found on {found:,} of {tries:,}; other places on {others:,}")
    seconds, processor, repeats = spark_seconds(seed, 5 * coils)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"Spark, 2 cores: {5 * coils:,} coils of 100 defects in {seconds:.0f} s ({load})")
    print(f"  {processor:.0f} s of CPU in Spark and its workers; {repeats:,} repeats found")


if __name__ == "__main__":
    sys.exit(main())

"""Compute the figures of a contender, and compare its answers with those of the reference.

A rate is measured from the moment when a fifth of the pictures are done until all are done, so it
does not include the start, which has its own column. A picture of the job is done when the files of
its task are written; all pictures are done when the last wave is published.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from benchmarks.watching import BenchmarkError, Watched
from steeldefect.pictures import run_lengths
from steeldefect.publish.runs import Outcome
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import PARTITION, TableName, Verdict

_STARTING = 0.2  # share of pictures before the rate counts

Masks = dict[str, dict[str, str]]
"""Run lengths by class, by key; empty for a picture that the gate stopped."""


@dataclass(frozen=True)
class Answers:
    """The answers of a contender.

    Attributes:
        masks: masks of each picture.
        passed: number of pictures that passed the gate.
        done: points (seconds since 1970, pictures done until then), in order.
    """

    masks: Masks
    passed: int
    done: list[tuple[float, int]]


@dataclass(frozen=True)
class Steady:
    """Speed and cost of a contender without its start.

    Attributes:
        rate: pictures per second.
        cpu_seconds: CPU seconds of all processes per picture.
    """

    rate: float
    cpu_seconds: float

    @classmethod
    def of(cls, done: Sequence[tuple[float, int]], watched: Watched) -> Steady:
        """Measure from the moment when a fifth of the pictures are done until all are done.

        Raises:
            BenchmarkError: there are too few points.
        """
        began, before = next(point for point in done if point[1] >= _STARTING * done[-1][1])
        ended, after = done[-1]
        if ended <= began:
            raise BenchmarkError("too few pictures to compute a rate; score more pictures")
        at, used = zip(*watched.cpu, strict=True)
        cpu = float(np.interp(ended, at, used) - np.interp(began, at, used))
        return cls((after - before) / (ended - began), cpu / (after - before))


@dataclass(frozen=True)
class Figures:
    """Figures of one run of a contender.

    Attributes:
        pictures: number of pictures that it scored.
        rate: pictures per second, without the start.
        cpu_seconds: CPU seconds of all processes per picture, without the start.
        first_seconds: seconds from its start until the first picture was done.
        peaks: largest resident memory of a process in bytes, by role.
        peak: largest resident memory of all processes together, in bytes.
        passing: share of the pictures that passed the gate.
        dice: pooled Dice between its masks and those of the reference; None without masks.
        stages: seconds by stage, from the run record of the job; empty for a peer.
    """

    pictures: int
    rate: float
    cpu_seconds: float
    first_seconds: float
    peaks: dict[str, int]
    peak: int
    passing: float
    dice: float | None
    stages: dict[str, float]


def answers_of_peer(path: Path) -> Answers:
    """Read the answers of a peer."""
    frame = pd.read_parquet(path).sort_values("at")
    masks = {key: dict(found) for key, found in zip(frame["key"], frame["masks"], strict=True)}
    done = frame.groupby("at", sort=True).size().cumsum()
    points = list(zip(done.index.tolist(), done.tolist(), strict=True))
    return Answers(masks, int(frame["passed"].sum()), points)


def answers_of_job(output: Path) -> Answers:
    """Read the answers of the job from its tables."""
    tables = Tables(open_store(str(output)))
    images = tables.read(TableName.IMAGES, ["key", "verdict"]).to_pydict()
    masks: Masks = {key: {} for key in images["key"]}
    columns = ["key", "class_id", "run_lengths"]
    for row in tables.read(TableName.PREDICTIONS, columns).to_pylist():
        masks[row["key"]][str(row["class_id"])] = row["run_lengths"]
    passed = sum(one != Verdict.GATED.value for one in images["verdict"])
    return Answers(masks, passed, list(published(output)))


@dataclass(frozen=True)
class JobRecord:
    """The newest run record of the job.

    Attributes:
        waves: number of published waves.
        stages: seconds by stage.
    """

    waves: int
    stages: dict[str, float]


def record_of_job(output: Path) -> JobRecord:
    """Read the newest run record of the job's tables."""
    tables = Tables(open_store(str(output)))
    columns = ["scored_at", "outcome", "waves", "stage_seconds"]
    rows = tables.read(TableName.RUNS, columns).to_pylist()
    ended = [one for one in rows if one["outcome"] == Outcome.SUCCESS.value]
    newest = max(ended, key=lambda one: one["scored_at"])
    return JobRecord(newest["waves"], json.loads(newest["stage_seconds"]))


def figures(watched: Watched, answers: Answers, reference: Masks, job: Path | None) -> Figures:
    """Compute the figures of one run of a contender.

    Args:
        watched: measured processes of the contender.
        answers: answers of the contender.
        reference: masks of the Keras models, by picture name.
        job: folder of the job's tables; None for a peer.

    Raises:
        BenchmarkError: the answer to a picture is missing.
    """
    pictures = len(answers.masks)
    if answers.done[-1][1] != pictures:
        raise BenchmarkError(f"{answers.done[-1][1]} answers for {pictures} pictures")
    steady = Steady.of(answers.done, watched)
    makes_masks = any(answers.masks.values())
    return Figures(
        pictures=pictures,
        rate=steady.rate,
        cpu_seconds=steady.cpu_seconds,
        first_seconds=answers.done[0][0] - watched.began,
        peaks=watched.peaks,
        peak=watched.peak,
        passing=answers.passed / pictures,
        dice=agreement(answers.masks, reference) if makes_masks else None,
        stages={} if job is None else record_of_job(job).stages,
    )


def agreement(masks: Masks, reference: Masks) -> float:
    """Compute the pooled Dice of two sets of answers: 2 |A and B| / (|A| + |B|) over all masks.

    Args:
        masks: masks by key, `ROUND-NAME`.
        reference: masks by key, of the first round.
    """
    expected = {_name(key): found for key, found in reference.items()}
    both = total = 0
    seen: dict[tuple[str, str, str, str], run_lengths.Confusion] = {}
    for key, found in masks.items():
        for class_id in found.keys() | expected[_name(key)].keys():
            one, other = (answers.get(class_id, "") for answers in (found, expected[_name(key)]))
            pair = (_name(key), class_id, one, other)
            if pair not in seen:
                seen[pair] = run_lengths.confusion(run_lengths.parse(other), run_lengths.parse(one))
            counts = seen[pair]
            both += counts.tp
            total += 2 * counts.tp + counts.fp + counts.fn
    return 2 * both / total if total else 1.0


def _name(key: str) -> str:
    return key[len("0000-") :]


def data_files(output: Path) -> set[Path]:
    """Return the data files of the table `images`."""
    return set((output / "images").glob(f"{PARTITION}=*/*.parquet"))


def published(output: Path, before: Collection[Path] = ()) -> Iterator[tuple[float, int]]:
    """Yield points (seconds since 1970, pictures done until then) of the job.

    The pictures of a task are done when its file is written, the last ones when they are published.

    Args:
        output: output of the job.
        before: files of `images` that existed before the run.
    """
    done = 0
    written = data_files(output) - set(before)
    parts = sorted(written, key=lambda path: path.stat().st_mtime)
    log = max(one.stat().st_mtime for one in (output / "images" / "_delta_log").glob("*.json"))
    for number, part in enumerate(parts, start=1):
        done += _rows(part)
        yield (log if number == len(parts) else part.stat().st_mtime), done


def _rows(part: Path) -> int:
    return int(pq.read_metadata(part).num_rows)

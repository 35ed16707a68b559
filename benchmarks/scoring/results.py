"""The table that people read, `RESULTS.md`, and the same figures for programs, `results.json`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.scoring.field import Contender
from benchmarks.scoring.measuring import Figures
from benchmarks.watching import BenchmarkError

_MIB = 2**20
_WAITING = "wait_for_pictures"
_STAGES = ("fetch", "decode", "prepare", "gate", "segment", "outline", "write", _WAITING)
"""Of the job's tasks; the driver has stages of its own."""


@dataclass(frozen=True)
class Results:
    """All that was measured.

    Attributes:
        command: that measured it.
        default: the job's precision where none is set.
        unique: different pictures.
        runs: of each contender its figures, one for each repetition, in the table's order.
        first_seconds: of the job, from its start until one single picture was published.
    """

    command: str
    default: str
    unique: int
    runs: dict[str, list[Figures]]
    first_seconds: list[float]


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of some figures."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Take it of values."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int) -> str:
        """Write it for a table."""
        if self.least == self.most:
            return f"{self.middle:.{digits}f}"
        return f"{self.middle:.{digits}f} ({self.least:.{digits}f} to {self.most:.{digits}f})"


def write_json(results: Results, path: Path) -> None:
    """Write everything that was measured."""
    content = {"machine": machine(), **asdict(results)}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Results:
    """Read what was measured before.

    Raises:
        BenchmarkError: on another machine, or with other versions.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.pop("machine") != machine():
        raise BenchmarkError(f"{path} was measured on another machine, or with other versions")
    runs = {
        name: [Figures(**figures) for figures in measured]
        for name, measured in content.pop("runs").items()
    }
    return Results(runs=runs, **content)


def write_markdown(results: Results, field: Sequence[Contender], path: Path) -> None:
    """Write the tables."""
    shown = [one for one in field if one.name in results.runs]
    counts = sorted({len(results.runs[one.name]) for one in shown})
    repetitions = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    parts = [
        "# Scoring beside its peers\n",
        f"Measured by `{results.command}`; {repetitions} interleaved repetitions: median (least to "
        "greatest).\n",
        *(f"- {name}: {text}" for name, text in machine().items()),
        f"- pictures: {results.unique} different ones, repeated under new keys",
        f"- the job's precision here, where none is set: {results.default}\n",
        _table(results, shown),
        "\n## What it comes to\n",
        *_ratios(results, shown),
        "\n## Where the job's time goes\n",
        _stages(results, shown),
        "\n" + _EXPLAINED,
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _table(results: Results, shown: Sequence[Contender]) -> str:
    lines = [
        "| | pictures | pictures/s | CPU s a picture | first picture, s | largest process, MiB "
        "| all, MiB | pass the gate | Dice to Keras |",
        "|---|---:|---:|---:|---:|---|---:|---:|---:|",
    ]
    for one in shown:
        runs = results.runs[one.name]
        first = results.first_seconds if one.is_job else [run.first_seconds for run in runs]
        peaks = {
            role: max(run.peaks.get(role, 0) for run in runs) / _MIB
            for role in ("driver", "JVM", "worker")
        }
        cells = (
            one.title,
            f"{runs[0].pictures}",
            Spread.of([run.rate for run in runs]).text(1),
            Spread.of([run.cpu_seconds for run in runs]).text(3),
            Spread.of(first).text(1) if first else "",
            ", ".join(f"{role} {size:.0f}" for role, size in peaks.items() if size),
            f"{max(run.peak for run in runs) / _MIB:.0f}",
            f"{100 * runs[0].passing:.1f}%",
            "" if runs[0].dice is None else f"{min(run.dice or 0 for run in runs):.4f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratios(results: Results, shown: Sequence[Contender]) -> list[str]:
    """Compare rates within repetitions."""
    runs = results.runs

    def ratio(one: str, other: str) -> str | None:
        if one not in runs or other not in runs:
            return None
        pairs = zip(runs[one], runs[other], strict=False)
        return Spread.of([a.rate / b.rate for a, b in pairs]).text(2)

    default = f"job-{results.default}"
    lines = [
        (f"the job at {one.precision} over the bare models", ratio(one.name, f"bare-{form}"))
        for one in shown
        if one.is_job and one.tasks is None and (form := one.precision)
    ]
    lines.append(("two tasks at once over one", ratio(default, "job-one-task")))
    lines.append(("two cores over one", ratio(default, "job-one-core")))
    lines += [
        (f"the job ({results.default}) over {one.title}", ratio(default, one.name))
        for one in shown
        if not one.is_job and not one.name.startswith("bare")
    ]
    return [f"- {what}: **{text}**" for what, text in lines if text is not None]


def _stages(results: Results, shown: Sequence[Contender]) -> str:
    jobs = [one for one in shown if one.is_job]
    lines = [f"| | {' | '.join(_STAGES)} |", f"|---|{'---:|' * len(_STAGES)}"]
    for one in jobs:
        shares = [_share(results.runs[one.name], name) for name in _STAGES]
        lines.append(f"| {one.title} | {' | '.join(f'{100 * share:.1f}%' for share in shares)} |")
    return "\n".join(lines)


def _share(runs: Sequence[Figures], name: str) -> float:
    """Tell a stage's part of the seconds that all stages took, waiting not counted."""
    shares = []
    for run in runs:
        total = sum(run.stages.get(one, 0.0) for one in _STAGES if one != _WAITING)
        shares.append(run.stages.get(name, 0.0) / total)
    return statistics.median(shares)


_EXPLAINED = """\
Rates count from when a fifth of the pictures were done until all were; a start stands in its own
column. Of the job, the end is when the last wave is published, audited and committed; its first
picture is that of a run over one single picture, from the command's start until it is published.
Pages that processes share count for each of them. Seconds by stage are added up over threads, and a
thread that waits for its turn on a core counts as well; `wait_for_pictures` is what the models
waited for data, set beside the other stages. The bare models have their inputs ready in memory, and
make no masks; their memory is that of all the ways to run them that were tried. Dice is pooled over
all masks, against those of the Keras models.
"""

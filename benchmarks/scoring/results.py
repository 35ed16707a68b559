"""Write the results: `RESULTS.md` for people, and a JSON file for each machine for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.machine import file_name, machine
from benchmarks.scoring.beside import Beside
from benchmarks.scoring.field import Contender
from benchmarks.scoring.measuring import Figures
from benchmarks.watching import BenchmarkError

_MIB = 2**20
_WAITING = "wait_for_pictures"
_STAGES = ("fetch", "decode", "prepare", "gate", "segment", "outline", "write", _WAITING)
"""Stages of the job's tasks; stages of the driver are not in the table."""


@dataclass(frozen=True)
class Results:
    """All figures of a measurement.

    Attributes:
        command: command line of the measurement.
        default: precision of the job if none is set.
        unique: number of different pictures.
        runs: figures of each repetition, by contender, in the order of the table.
        first_seconds: seconds from the start of a job with one picture until it is published.
        beside: cost beside the models, one for each repetition.
    """

    command: str
    default: str
    unique: int
    runs: dict[str, list[Figures]]
    first_seconds: list[float]
    beside: list[Beside] = field(default_factory=list)


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some figures."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Compute the spread of values."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int) -> str:
        """Return the spread as a cell of a table."""
        if self.least == self.most:
            return f"{self.middle:.{digits}f}"
        return f"{self.middle:.{digits}f} ({self.least:.{digits}f} to {self.most:.{digits}f})"


def write_json(results: Results, folder: Path) -> None:
    """Write all figures as JSON, in a file for this machine."""
    here = machine()
    content = {"machine": here, **asdict(results)}
    path = folder / f"{file_name(here)}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(folder: Path) -> Results:
    """Read the figures of an earlier measurement on this machine.

    Raises:
        BenchmarkError: there are none, or they are of other versions.
    """
    path = folder / f"{file_name(machine())}.json"
    if not path.exists():
        raise BenchmarkError(f"no {path}: nothing was measured on this machine; leave --go-on out")
    measured_on, results = _read(path)
    if measured_on != machine():
        raise BenchmarkError(f"{path} was measured with other versions; leave --go-on out")
    return results


def _read(path: Path) -> tuple[dict[str, str], Results]:
    """Read the description of a machine, and its figures."""
    content = json.loads(path.read_text(encoding="utf-8"))
    measured_on = content.pop("machine")
    runs = {
        name: [Figures(**figures) for figures in measured]
        for name, measured in content.pop("runs").items()
    }
    beside = [Beside(**figures) for figures in content.pop("beside", [])]
    return measured_on, Results(runs=runs, beside=beside, **content)


def write_markdown(results: Results, field: Sequence[Contender], path: Path, folder: Path) -> None:
    """Write the tables of this machine as Markdown, and a short one of all machines.

    The same text stays beside the figures of this machine, when another one is measured.

    Args:
        results: figures of this machine.
        field: all contenders.
        path: file to write.
        folder: figures of all machines.
    """
    shown = [one for one in field if one.name in results.runs]
    counts = sorted({len(results.runs[one.name]) for one in shown}) or [len(results.beside)]
    repetitions = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    parts = [
        "# Scoring compared with its peers\n",
        f"Measured by `{results.command}`; {repetitions} interleaved repetitions. Figures are "
        "medians (smallest to largest).\n",
        *(f"- {name}: {text}" for name, text in machine().items()),
        f"- pictures: {results.unique} different pictures, repeated under new keys",
        f"- default precision of the job on this machine: {results.default}\n",
        _table(results, shown),
        "\n## Ratios of speed\n",
        *_ratios(results, shown),
        "\n## Time of the job by stage\n",
        _stages(results, shown),
        *_beside(results),
        "\n## By CPU\n",
        "The newest figures of each machine, medians. Other machines were measured with older "
        "versions of this project; the folder `results` has all tables of each.\n",
        _by_cpu(folder),
        "\n" + _EXPLAINED,
    ]
    for one in (path, folder / f"{file_name(machine())}.md"):
        one.write_text("\n".join(parts), encoding="utf-8")


def _table(results: Results, shown: Sequence[Contender]) -> str:
    lines = [
        "| | pictures | pictures/s | CPU s per picture | first picture, s | largest process, MiB "
        "| all processes, MiB | pass the gate | Dice to Keras |",
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
    """Return the ratios of rates, each within one repetition, as lines of a list."""
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


def _beside(results: Results) -> list[str]:
    """Return the section on the cost beside the models; empty if it was not measured."""
    if not results.beside:
        return []
    multiple = Spread.of([one.multiple for one in results.beside]).text(2)
    took = Spread.of([one.cpu_ms for one in results.beside]).text(2)
    unit = Spread.of([one.imdecode_ms for one in results.beside]).text(2)
    rate = Spread.of([one.rate for one in results.beside]).text(0)
    first = results.beside[0]
    return [
        "\n## CPU beside the models\n",
        f"With models that cost next to nothing, the job takes **{took} ms of CPU a picture, "
        f"{multiple} times `cv2.imdecode`** of the same pictures ({unit} ms), and scores {rate} "
        f"pictures/s ({first.pictures} pictures, {100 * first.passing:.0f}% pass the gate, "
        f"{first.masks:.2f} masks each). `python -m benchmarks.scoring.beside` measures this "
        "alone; it needs no peers and no long fit.",
    ]


def _by_cpu(folder: Path) -> str:
    lines = [
        "| CPU | form | bare models, pictures/s | job, pictures/s | job over bare | "
        "job, CPU ms a picture |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for path in sorted(folder.glob("*.json")):
        measured_on, results = _read(path)
        for name, runs in results.runs.items():
            bare = results.runs.get(f"bare-{name.removeprefix('job-')}")
            if not name.startswith("job-") or bare is None:
                continue
            pairs = zip(runs, bare, strict=False)
            cells = (
                measured_on["CPU"],
                name.removeprefix("job-"),
                f"{Spread.of([run.rate for run in bare]).middle:.1f}",
                f"{Spread.of([run.rate for run in runs]).middle:.1f}",
                f"{Spread.of([one.rate / other.rate for one, other in pairs]).middle:.2f}",
                f"{1000 * Spread.of([run.cpu_seconds for run in runs]).middle:.1f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _stages(results: Results, shown: Sequence[Contender]) -> str:
    jobs = [one for one in shown if one.is_job]
    lines = [f"| | {' | '.join(_STAGES)} |", f"|---|{'---:|' * len(_STAGES)}"]
    for one in jobs:
        shares = [_share(results.runs[one.name], name) for name in _STAGES]
        lines.append(f"| {one.title} | {' | '.join(f'{100 * share:.1f}%' for share in shares)} |")
    return "\n".join(lines)


def _share(runs: Sequence[Figures], name: str) -> float:
    """Return the seconds of a stage as a share of all stages except waiting; median of runs."""
    shares = []
    for run in runs:
        total = sum(run.stages.get(one, 0.0) for one in _STAGES if one != _WAITING)
        shares.append(run.stages.get(name, 0.0) / total)
    return statistics.median(shares)


_EXPLAINED = """\
- *Pictures/s* is measured from the moment when a fifth of the pictures are done until all are done,
  so it does not include the start. The job is done when its last wave is audited and committed.
- *First picture* is the time from the start of the command until the first picture is done. For the
  job it is measured in a run over one picture, until that picture is published.
- *Memory*: pages that processes share count once for each process.
- *Pass the gate* is the share of the pictures that pass.
- *Dice to Keras* is pooled over all masks, compared with the masks of the Keras models.
- *Time by stage* is added up over threads, and includes the time in which a thread waits for a
  core. `wait_for_pictures` is the time in which the models wait for data; it is not in the 100%.
- *Bare models* have their inputs ready in memory and make no masks. Several ways to run them
  (processes, threads, pictures per call) are tried and the fastest counts; their memory includes
  all these ways.
"""

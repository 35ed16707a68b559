"""Write `BOUNDS.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.bounds.arithmetic import ModelCost
from benchmarks.bounds.processes import MAIN, OTHERS, Spent
from benchmarks.machine import machine
from benchmarks.watching import DRIVER, JVM
from steeldefect.bundle.files import ModelName
from steeldefect.runtimes import Precision

_SHOWN = 0.01  # share of a model's time below which a kind of layer is not shown

Costs = Mapping[Precision, Mapping[ModelName, ModelCost]]


@dataclass(frozen=True)
class Bounds:
    """Limits of the machine and the material, whatever program scores.

    Attributes:
        matrix_rate: float32 operations per second of one core that multiplies matrices.
        passing: share of the pictures that pass the gate.
        cores: number of cores of this machine.
    """

    matrix_rate: float
    passing: float
    cores: int

    def rate(self, costs: Mapping[ModelName, ModelCost]) -> float:
        """Return the highest measured rate: of the matrix product, or of a model if it is faster.

        Args:
            costs: costs of the models at float32.
        """
        return max(self.matrix_rate, *(one.operations / one.seconds for one in costs.values()))

    def operations(self, costs: Mapping[ModelName, ModelCost]) -> float:
        """Return the mean number of operations per picture."""
        gate, segmenter = costs[ModelName.GATE], costs[ModelName.SEGMENTER]
        return gate.operations + self.passing * segmenter.operations

    def seconds(self, costs: Mapping[ModelName, ModelCost]) -> float:
        """Return the mean seconds of one core per picture."""
        gate, segmenter = costs[ModelName.GATE], costs[ModelName.SEGMENTER]
        return gate.seconds + self.passing * segmenter.seconds


def written(
    command: str,
    bounds: Bounds,
    costs: Costs,
    spent: Mapping[Precision, Spent],
    pictures: int,
) -> str:
    """Return the document as Markdown.

    Args:
        command: command line of the measurement.
        bounds: limits of this machine.
        costs: costs of the models, by precision.
        spent: time that the job used, by precision.
        pictures: number of pictures that each job scored.
    """
    lines = [
        "# What limits the speed of scoring\n",
        f"Measured by `{command}`, with the pictures and the bundle of `benchmarks.scoring`.\n",
        *(f"- {name}: {text}" for name, text in machine().items()),
        *("", "## Arithmetic, one core\n", *_arithmetic(bounds, costs)),
        *("", "## Layers\n", *_layers(costs)),
        *("", "## CPU time of the job\n", *_processes(spent, pictures, bounds.cores)),
    ]
    return "\n".join(lines) + "\n"


def _arithmetic(bounds: Bounds, costs: Costs) -> Iterator[str]:
    product = bounds.matrix_rate / 1e9
    yield f"One core multiplies matrices at {product:.0f} GFLOP/s (float32, NumPy).\n"
    yield "| | GFLOP per picture | CPU ms per picture | GFLOP/s | relative to the matrix product |"
    yield "|---|---:|---:|---:|---:|"
    for form, models in costs.items():
        for name, one in models.items():
            rate = one.operations / one.seconds / 1e9
            yield (
                f"| {name.value}, {form.value} | {one.operations / 1e9:.2f} "
                f"| {1e3 * one.seconds:.1f} | {rate:.0f} | {100 * rate / product:.0f}% |"
            )
    models = costs[Precision.F32]
    best, each = bounds.rate(models), bounds.operations(models)
    yield (
        f"\nA picture takes {each / 1e9:.2f} GFLOP on average, because "
        f"{100 * bounds.passing:.1f}% of the pictures pass the gate. The highest float32 rate of a "
        f"core that was measured here is {best / 1e9:.0f} GFLOP/s. **If every layer reached it, "
        f"{bounds.cores} cores would score {bounds.cores * best / each:.1f} pictures per "
        "second**, with no other work to do. The measured time of one core per picture is\n"
    )
    for form, models in costs.items():
        yield f"- {1e3 * bounds.seconds(models):.1f} ms at {form.value}"


def _layers(costs: Costs) -> Iterator[str]:
    yield "| | share of the time of the model, by kind of layer and OpenVINO kernel |"
    yield "|---|---|"
    for form, models in costs.items():
        for name, one in models.items():
            shown = [
                f"{100 * share:.0f}% {kind}" for kind, share in one.kinds.items() if share >= _SHOWN
            ]
            yield f"| {name.value}, {form.value} | {', '.join(shown)} |"


def _processes(spent: Mapping[Precision, Spent], pictures: int, cores: int) -> Iterator[str]:
    yield (
        f"Shares of the time of all cores in a run over {pictures:,} pictures. The time begins "
        "when the first task has written its file, and ends with the command, so it includes "
        "stopping Spark. With one core per task, the models and the Python code around them run in "
        "the main thread of a worker; the other threads fetch, decode, resize and outline.\n"
    )
    who = (MAIN, OTHERS, JVM, DRIVER)
    yield f"| | seconds | {' | '.join(who)} | not used by the job |"
    yield f"|---|---:|{'---:|' * (len(who) + 1)}"
    for form, one in spent.items():
        whole = cores * one.wall
        shares = [one.cpu.get(name, 0.0) / whole for name in who]
        cells = [f"{100 * share:.1f}%" for share in (*shares, 1 - sum(shares))]
        yield f"| {form.value} | {one.wall:.0f} | {' | '.join(cells)} |"

"""`BOUNDS.md`: the tables that people read."""

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
    """What does not depend on the program.

    Attributes:
        matrix_rate: float32 operations a second that one core does, multiplying matrices.
        passing: share of the pictures that passes the gate.
        cores: of this machine.
    """

    matrix_rate: float
    passing: float
    cores: int

    def rate(self, costs: Mapping[ModelName, ModelCost]) -> float:
        """Tell the greatest rate seen: of the product of matrices, or of a model if it is faster.

        Args:
            costs: at float32.
        """
        return max(self.matrix_rate, *(one.operations / one.seconds for one in costs.values()))

    def operations(self, costs: Mapping[ModelName, ModelCost]) -> float:
        """Tell the operations that a picture takes on average."""
        gate, segmenter = costs[ModelName.GATE], costs[ModelName.SEGMENTER]
        return gate.operations + self.passing * segmenter.operations

    def seconds(self, costs: Mapping[ModelName, ModelCost]) -> float:
        """Tell the seconds of one core that a picture takes on average."""
        gate, segmenter = costs[ModelName.GATE], costs[ModelName.SEGMENTER]
        return gate.seconds + self.passing * segmenter.seconds


def written(
    command: str,
    bounds: Bounds,
    costs: Costs,
    spent: Mapping[Precision, Spent],
    pictures: int,
) -> str:
    """Write the document.

    Args:
        command: that measured it.
        bounds: of this machine.
        costs: of the models, by precision.
        spent: by the job, by precision.
        pictures: that each job scored.
    """
    lines = [
        "# What bounds scoring\n",
        f"Measured by `{command}`, which takes the pictures and the bundle of "
        "`benchmarks.scoring`.\n",
        *(f"- {name}: {text}" for name, text in machine().items()),
        *("", "## Arithmetic, one core\n", *_arithmetic(bounds, costs)),
        *("", "## Layers\n", *_layers(costs)),
        *("", "## CPU time of the job\n", *_processes(spent, pictures, bounds.cores)),
    ]
    return "\n".join(lines) + "\n"


def _arithmetic(bounds: Bounds, costs: Costs) -> Iterator[str]:
    product = bounds.matrix_rate / 1e9
    yield f"One core multiplies matrices at {product:.0f} GFLOP/s (float32, NumPy).\n"
    yield "| | GFLOP a picture | CPU ms a picture | GFLOP/s | of the matrices' rate |"
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
        f"\nA picture takes {each / 1e9:.2f} GFLOP, where {100 * bounds.passing:.1f}% pass the "
        f"gate. **At {best / 1e9:.0f} GFLOP/s, the greatest float32 rate of a core seen here, in "
        f"every layer, {bounds.cores} cores make {bounds.cores * best / each:.1f} pictures a "
        "second**, with nothing else to do. As measured, a core takes for a picture\n"
    )
    for form, models in costs.items():
        yield f"- {1e3 * bounds.seconds(models):.1f} ms at {form.value}"


def _layers(costs: Costs) -> Iterator[str]:
    yield "| | share of the model's time, by kind of layer and what computes it |"
    yield "|---|---|"
    for form, models in costs.items():
        for name, one in models.items():
            shown = [
                f"{100 * share:.0f}% {kind}" for kind, share in one.kinds.items() if share >= _SHOWN
            ]
            yield f"| {name.value}, {form.value} | {', '.join(shown)} |"


def _processes(spent: Mapping[Precision, Spent], pictures: int, cores: int) -> Iterator[str]:
    yield (
        f"Shares of all cores in a run over {pictures:,} pictures, from the moment when the first "
        "task had written its file until the command's end (so that stopping Spark counts). With "
        "one core for each task the models run in a worker's main thread, and with them what lies "
        "around them in Python; the other threads fetch, decode, resize and outline.\n"
    )
    who = (MAIN, OTHERS, JVM, DRIVER)
    yield f"| | seconds | {' | '.join(who)} | not used by the job |"
    yield f"|---|---:|{'---:|' * (len(who) + 1)}"
    for form, one in spent.items():
        whole = cores * one.wall
        shares = [one.cpu.get(name, 0.0) / whole for name in who]
        cells = [f"{100 * share:.1f}%" for share in (*shares, 1 - sum(shares))]
        yield f"| {form.value} | {one.wall:.0f} | {' | '.join(cells)} |"

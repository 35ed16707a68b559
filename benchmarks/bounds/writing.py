"""`BOUNDS.md`: the tables that people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.bounds.arithmetic import ModelCost
from benchmarks.bounds.processes import HELPERS, MODELS, Spent
from benchmarks.machine import machine
from benchmarks.watching import DRIVER, JVM
from steeldefect.bundle import ModelName
from steeldefect.runtimes import Precision

_SHOWN = 0.01  # share of a model's time below which a kind of layer is not shown

Costs = Mapping[Precision, Mapping[ModelName, ModelCost]]


@dataclass(frozen=True)
class Bounds:
    """What does not depend on the program.

    Attributes:
        product: float32 operations a second that one core does, multiplying matrices.
        passing: share of the pictures that passes the gate.
        cores: of this machine.
    """

    product: float
    passing: float
    cores: int

    def rate(self, costs: Mapping[ModelName, ModelCost]) -> float:
        """Tell the greatest rate seen: of the product of matrices, or of a model if it is faster.

        Args:
            costs: at float32.
        """
        return max(self.product, *(one.operations / one.seconds for one in costs.values()))

    def operations(self, costs: Mapping[ModelName, ModelCost]) -> float:
        """Tell the operations that a picture takes on average."""
        return costs[ModelName.GATE].operations + self.passing * (
            costs[ModelName.SEGMENTER].operations
        )

    def seconds(self, costs: Mapping[ModelName, ModelCost]) -> float:
        """Tell the seconds of one core that a picture takes on average."""
        return costs[ModelName.GATE].seconds + self.passing * costs[ModelName.SEGMENTER].seconds


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
        f"Measured by `{command}`, with the pictures and the bundle of RESULTS.md.\n",
        *(f"- {name}: {text}" for name, text in machine().items()),
        *("", "## Arithmetic, one core\n", *_arithmetic(bounds, costs)),
        *("", "## Layers\n", *_layers(costs)),
        *("", "## CPU time of the job\n", *_processes(spent, pictures, bounds.cores)),
    ]
    return "\n".join(lines) + "\n"


def _arithmetic(bounds: Bounds, costs: Costs) -> Iterator[str]:
    product, best = bounds.product / 1e9, bounds.rate(costs[Precision.F32]) / 1e9
    yield f"One core multiplies matrices at {product:.0f} GFLOP/s (float32, NumPy).\n"
    yield "| | GFLOP a picture | ms a picture | GFLOP/s | of that |"
    yield "|---|---:|---:|---:|---:|"
    for form, models in costs.items():
        for name, one in models.items():
            rate = one.operations / one.seconds / 1e9
            yield (
                f"| {name.value}, {form.value} | {one.operations / 1e9:.2f} "
                f"| {1e3 * one.seconds:.1f} | {rate:.0f} | {100 * rate / product:.0f}% |"
            )
    models = costs[Precision.F32]
    most = bounds.cores * bounds.rate(models) / bounds.operations(models)
    yield (
        f"\nA picture takes {bounds.operations(models) / 1e9:.2f} GFLOP, where "
        f"{100 * bounds.passing:.1f}% pass the gate. **At float32 no program that multiplies and "
        f"adds as these models say scores more than {most:.1f} pictures a second on "
        f"{bounds.cores} such cores**, even at {best:.0f} GFLOP/s in every layer and with "
        "nothing else to do. As measured, a core takes for a picture\n"
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
    yield f"From the first file of a run over {pictures:,} pictures until its end.\n"
    who = (MODELS, HELPERS, JVM, DRIVER)
    yield f"| | seconds | {' | '.join(who)} | idle |"
    yield f"|---|---:|{'---:|' * (len(who) + 1)}"
    for form, one in spent.items():
        whole = cores * one.wall
        shares = [one.cpu.get(name, 0.0) / whole for name in who]
        cells = [f"{100 * share:.1f}%" for share in (*shares, max(0.0, 1 - sum(shares)))]
        yield f"| {form.value} | {one.wall:.0f} | {' | '.join(cells)} |"

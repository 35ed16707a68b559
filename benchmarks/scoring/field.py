"""The contenders, and the command line of each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scoring.material import Material
from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.runtimes import cpu_precisions

_SLOW = 1 / 8
"""Share of the rounds that slow contenders get: Keras models, and the job with one task."""

_FRAMES = (
    ("daft", "daft_frame", "Daft UDF"),
    ("mlflow", "mlflow_udf", "`mlflow.pyfunc.spark_udf`"),
    ("ray", "ray_data", "Ray Data `map_batches`"),
)
"""Peers that run with Keras models or with our compiled models: name, module, title."""


@dataclass(frozen=True)
class Contender:
    """One row of the table.

    Attributes:
        name: name in the results and on the command line.
        title: title in the table.
        module: module in `benchmarks.scoring.contenders`; None for the job itself.
        precision: precision of the compiled models; `keras` for Keras models, `auto` for the
            default of the job.
        tasks: number of tasks of the job at once; None: one per core.
        one_core: whether all its processes run on one core.
    """

    name: str
    title: str
    module: str | None
    precision: str
    tasks: int | None = None
    one_core: bool = False

    @property
    def is_job(self) -> bool:
        """Whether it is this project's job."""
        return self.module is None

    def rounds(self, all_rounds: int) -> int:
        """Return the number of rounds of the pictures that this contender scores."""
        slow = self.precision == "keras" or self.tasks is not None
        return max(1, round(all_rounds * _SLOW)) if slow else all_rounds


def forms_here() -> list[str]:
    """Return the precisions that this CPU can run."""
    runs = cpu_precisions() | {CpuPrecision.INT8}  # int8 runs on every CPU, but may be slow
    return [one.value for one in CpuPrecision if one in runs]


def contenders(default: str) -> list[Contender]:
    """Return all contenders that this CPU can run.

    Args:
        default: precision that the job's `auto` chooses on this machine.
    """
    # contenders that are compared run directly one after the other, because the speed of a machine
    # changes: bare models, then the job; the default form last, next to the peers that use it
    forms = sorted(forms_here(), key=lambda form: form == default)
    rows = []
    for form in forms:
        rows.append(Contender(f"bare-{form}", f"bare models, {form}", "bare", form))
        rows.append(Contender(f"job-{form}", f"**this job**, {form}", None, form))
    for name, module, title in _FRAMES:
        ours = f"{title}, our compiled models ({default})"
        rows.append(Contender(f"{name}-compiled", ours, module, default))
    rows += [
        Contender("job-one-task", f"this job, {default}, one task", None, default, tasks=1),
        Contender(
            "job-one-core",
            f"this job, {default}, one task, all of it on one core",
            None,
            default,
            tasks=1,
            one_core=True,
        ),
        Contender("tutorial", "the tutorial's loop", "tutorial_loop", "keras"),
        Contender("predict-batch", "`predict_batch_udf`, Keras models", "predict_batch", "keras"),
    ]
    for name, module, title in _FRAMES:
        rows.append(Contender(f"{name}-keras", f"{title}, Keras models", module, "keras"))
    return rows


REFERENCE = Contender("reference", "Keras models", "reference", "keras")


def command(
    contender: Contender, material: Material, rounds: int, answers: Path
) -> tuple[list[str], dict[str, str]]:
    """Return the command line of a contender, and the variables to add to its environment.

    Args:
        contender: contender to start.
        material: pictures and bundle.
        rounds: number of rounds of the pictures to score; 0: one picture.
        answers: file for the answers; for the job, the folder of its tables.
    """
    if contender.is_job:
        master = f"local[{contender.tasks or '*'}]"
        kept = ["taskset", "--cpu-list", "0"] if contender.one_core else []
        return [*kept, *_job(contender, material, rounds, answers)], {
            "PYSPARK_SUBMIT_ARGS": f"--master {master} pyspark-shell"
        }
    options: Sequence[str] = (
        *("--pictures", str(material.pictures), "--bundle", str(material.bundle)),
        *("--answers", str(answers), "--rounds", str(rounds)),
    )
    if contender.precision != "keras":
        options = (*options, "--precision", contender.precision)
    module = f"benchmarks.scoring.contenders.{contender.module}"
    return [sys.executable, "-m", module, *options], {}


def _job(contender: Contender, material: Material, rounds: int, output: Path) -> list[str]:
    keys = material.keys_file(rounds)
    return [
        *(sys.executable, "jobs/score.py", "--input", str(material.pictures)),
        *("--bundle", str(material.bundle), "--output", str(output), "--inventory", str(keys)),
        *("--set", f"precision={contender.precision}"),
    ]

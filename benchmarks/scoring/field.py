"""Which contenders there are, and how each is started."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scoring.material import Material
from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.runtimes import cpu_precisions

_SLOW = 1 / 8
"""Share of the rounds for Keras models and for single tasks: rates are per picture."""

_FRAMES = (
    ("daft", "daft_frame", "Daft UDF"),
    ("mlflow", "mlflow_udf", "`mlflow.pyfunc.spark_udf`"),
    ("ray", "ray_data", "Ray Data `map_batches`"),
)
"""Peers that take either Keras' models or ours: name, module, title."""


@dataclass(frozen=True)
class Contender:
    """One row of the table.

    Attributes:
        name: in results and on the command line.
        title: in the table.
        module: of `benchmarks.scoring.contenders`; None: the job itself.
        precision: of the compiled models; `keras`, or `auto` for the job's default.
        tasks: of the job at once; None: one for each core.
        one_core: whether it is kept to a single core.
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
        """Tell how many rounds of the pictures it gets."""
        slow = self.precision == "keras" or self.tasks is not None
        return max(1, round(all_rounds * _SLOW)) if slow else all_rounds


def forms_here() -> list[str]:
    """Name the precisions that this CPU can run."""
    runs = cpu_precisions() | {CpuPrecision.INT8}  # that one runs anywhere, fast or not
    return [one.value for one in CpuPrecision if one in runs]


def contenders(default: str) -> list[Contender]:
    """Give all contenders that this CPU can run.

    Args:
        default: what the job's `auto` takes here.
    """
    # those that are held against each other run one after the other, because machines change
    # their speed: bare models and job, and the default form last, beside the peers that have it
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
    """Give the command line that starts a contender, and its environment.

    Args:
        contender: to start.
        material: to score.
        rounds: of the pictures.
        answers: file to write; for the job, the folder of its tables.
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

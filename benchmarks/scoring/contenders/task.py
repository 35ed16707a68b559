"""What a contender is told, and how it writes its answers down."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks.scoring.material import keys_of
from steeldefect.bundle.files import open_bundle
from steeldefect.detection.detector import Detector, Finding
from steeldefect.detection.open_detector import open_detector
from steeldefect.errors import InferenceError
from steeldefect.pictures import run_lengths
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions

BATCH = 16
"""Pictures for one call of a Keras model: what users take, and the tutorial trains with."""


@dataclass(frozen=True)
class Task:
    """A contender's command line.

    Attributes:
        pictures: folder.
        bundle: folder.
        answers: file to write.
        rounds: score the first so many rounds of the pictures.
        precision: of the bundle's compiled forms; None: the Keras models.
        cores: to use.
    """

    pictures: Path
    bundle: Path
    answers: Path
    rounds: int
    precision: Precision | None
    cores: int

    @property
    def paths(self) -> list[str]:
        """The pictures, whole paths."""
        return [str(self.pictures / key) for key in keys_of(self.pictures, self.rounds)]


@dataclass(frozen=True)
class Answer:
    """What was said of one picture.

    Attributes:
        key: file name.
        at: when it was known, seconds since 1970.
        passed: the gate.
        masks: run lengths of each class found, by its id.
    """

    key: str
    at: float
    passed: bool
    masks: dict[str, str] = field(default_factory=dict)


def read_task() -> Task:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    for name in ("pictures", "bundle", "answers"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--precision", type=Precision, default=None)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    return Task(**vars(parser.parse_args()))


def write_answers(task: Task, answers: Iterable[Answer]) -> None:
    """Write the answers as Parquet."""
    rows = [asdict(one) for one in answers]
    frame = pd.DataFrame(rows, columns=["key", "at", "passed", "masks"])
    frame["masks"] = [list(one.items()) for one in frame["masks"]]
    frame.to_parquet(task.answers)


def open_task_detector(task: Task, threads: int, batch_size: int | None = None) -> Detector:
    """Open the bundle's models as scoring does: Keras' own, or a compiled form.

    Args:
        task: says which.
        threads: of each model.
        batch_size: of the compiled form; None: as scoring has it.
    """
    keras = task.precision is None
    options = RuntimeOptions(
        runtime=RuntimeChoice.TENSORFLOW if keras else RuntimeChoice.OPENVINO,
        precision=task.precision or Precision.F32,
        threads=threads,
        batch_size=BATCH if keras else batch_size,
    )
    return open_detector(open_bundle(task.bundle), options, any_size=True)


def answered(path: str, passed: bool, found: Sequence[Finding] | InferenceError = ()) -> Answer:
    """Note what was found on a picture.

    Raises:
        InferenceError: the model's answer was not finite.
    """
    if isinstance(found, InferenceError):
        raise found
    masks = {str(one.defect_class.id): run_lengths.to_text(one.runs) for one in found}
    return Answer(path.rsplit("/", 1)[-1], time.time(), passed, masks)

"""Read the command line of a contender, and write its answers."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks.scoring.material import keys_of
from steeldefect.bundle.files import open_bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.outline import Outline
from steeldefect.errors import InferenceError
from steeldefect.pictures import run_lengths
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions

BATCH = 16
"""Pictures per call of a Keras model: a common choice, and the batch size of the tutorial."""


@dataclass(frozen=True)
class Task:
    """A contender's command line.

    Attributes:
        pictures: folder of the pictures.
        bundle: folder of the bundle.
        answers: file for the answers.
        rounds: number of rounds of the pictures to score.
        precision: compiled form of the bundle to use; None: the Keras models.
        cores: number of cores to use.
    """

    pictures: Path
    bundle: Path
    answers: Path
    rounds: int
    precision: Precision | None
    cores: int

    @property
    def paths(self) -> list[str]:
        """Full paths of the pictures."""
        return [str(self.pictures / key) for key in keys_of(self.pictures, self.rounds)]


@dataclass(frozen=True)
class Answer:
    """The answer to one picture.

    Attributes:
        key: file name of the picture.
        at: time of the answer, in seconds since 1970.
        passed: whether the picture passed the gate.
        masks: run lengths of each class that was found, by class id.
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
    """Open the models of the bundle as scoring does: the Keras models, or a compiled form.

    Args:
        task: names the bundle and the form.
        threads: number of threads of each model.
        batch_size: batch size of the compiled form; None: the default of scoring.
    """
    keras = task.precision is None
    options = RuntimeOptions(
        runtime=RuntimeChoice.TENSORFLOW if keras else RuntimeChoice.OPENVINO,
        precision=task.precision or Precision.F32,
        threads=threads,
        batch_size=BATCH if keras else batch_size,
    )
    return open_detector(open_bundle(task.bundle), options, any_size=True)


_NOTHING = Outline()


def answered(path: str, passed: bool, found: Outline | InferenceError = _NOTHING) -> Answer:
    """Build the answer to a picture, with the current time.

    Raises:
        InferenceError: the output of the model was not finite.
    """
    if isinstance(found, InferenceError):
        raise found
    masks = {str(one.defect_class.id): run_lengths.to_text(one.runs) for one in found.findings}
    return Answer(path.rsplit("/", 1)[-1], time.time(), passed, masks)

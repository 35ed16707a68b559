"""Pictures, a bundle whose answers are known, and functions that run jobs.

The models of `rule_bundle` are real Keras models with weights set by hand. Class 1 is where a
picture is bright (gray above 204), class 2 where it is dark (below 51). The gate passes pictures
that have either. So a test can state every mask that it expects.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import (
    Compiled,
    CpuPrecision,
    DefectClass,
    Gate,
    PictureSizes,
    Segmenter,
    TrainingRecord,
)
from steeldefect.pictures.preprocessing import InputSpec, Scaling

ROOT = Path(__file__).parents[2]
HEIGHT, WIDTH = 64, 128

BY_HAND = TrainingRecord(
    recipe_name="by hand", recipe={}, seed=0, data_fingerprint="none", pictures={}, minutes=0
)

INT8_BY_HAND = Compiled(default=CpuPrecision.INT8, reason="stated by hand", forms=[])

Gray = npt.NDArray[np.uint8]

CLASSES = (DefectClass(id=1, name="bright"), DefectClass(id=2, name="dark"))


def plain_picture(seed: int = 0) -> Gray:
    """Return a picture without a defect: gray between 100 and 150, uint8 (64, 128)."""
    return np.random.default_rng(seed).integers(100, 150, (HEIGHT, WIDTH), dtype=np.uint8)


def bright_picture(seed: int = 0, top: int = 10, left: int = 20) -> Gray:
    """Return a picture with a square of class 1: 16 by 16 pixels at (top, left)."""
    picture = plain_picture(seed)
    picture[top : top + 16, left : left + 16] = 250
    return picture


def both_picture(seed: int = 0) -> Gray:
    """Return a picture with squares of class 1 at (10, 20) and of class 2 at (30, 80)."""
    picture = bright_picture(seed)
    picture[30:46, 80:96] = 2
    return picture


def save(picture: Gray, path: Path) -> Path:
    """Write a picture as PNG, which keeps every pixel, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)
    return path


def fill_archive(folder: Path, pictures: int) -> Path:
    """Write p000.png and so on, by turns without a defect, with class 1, and with both classes."""
    kinds: tuple[Callable[[int], Gray], ...] = (plain_picture, bright_picture, both_picture)
    for number in range(pictures):
        save(kinds[number % 3](number), folder / f"p{number:03d}.png")
    return folder


def build_rule_bundle(
    target: Path,
    with_gate: bool = True,
    compiled: Compiled | None = None,
    gate_threshold: float = 0.5,
    classes: Sequence[DefectClass] = CLASSES,
) -> Bundle:
    """Write the rule bundle to `target`, which must not exist.

    Args:
        target: folder of the bundle.
        with_gate: whether the bundle has a gate.
        gate_threshold: threshold of the gate; it answers 0.99995 where a class is, and 1 to both.
        compiled: record of the forms in the manifest. If given, the bundle also has int8 forms.
            They answer as the other forms do, because a single layer is both first and last.
        classes: two classes, bright and dark.
    """
    from training.backend import keras
    from training.export.agreement import check_agreement
    from training.export.draft_manifest import draft_manifest
    from training.export.seal import seal
    from training.export.staging import Models, staging

    inputs = keras.Input((HEIGHT, WIDTH, 1))
    rule = keras.layers.Conv2D(2, 1, activation="sigmoid", name="rule")
    segmenter = keras.Model(inputs, rule(inputs))
    weights = np.array([80.0, -80.0]).reshape(1, 1, 1, 2)
    rule.set_weights([weights, np.array([-80.0 * 0.8, 80.0 * 0.2])])
    gate = _build_gate(keras, weights)
    spec = InputSpec(height=HEIGHT, width=WIDTH, channels=1, scaling=Scaling.UNIT)
    draft = draft_manifest(
        classes=list(classes),
        gate=Gate(input=spec, threshold=gate_threshold) if with_gate else None,
        segmenter=Segmenter(input=spec),
        picture_sizes=PictureSizes(height=(HEIGHT, HEIGHT), width=(WIDTH, WIDTH)),
        training=BY_HAND,
    )

    with staging(target, Models(gate if with_gate else None, segmenter), draft) as staged:
        check_agreement(staged)
        if compiled is not None:
            staged.quantise([both_picture(seed) for seed in range(4)])
        return seal(staged, target, draft.model_copy(update={"compiled": compiled}))


def _build_gate(keras: Any, weights: npt.NDArray[np.float64]) -> Any:
    inputs = keras.Input((HEIGHT, WIDTH, 1))
    rule = keras.layers.Conv2D(2, 1, activation="sigmoid")
    decide = keras.layers.Dense(1, activation="sigmoid")
    gate = keras.Model(inputs, decide(keras.layers.GlobalMaxPooling2D()(rule(inputs))))
    rule.set_weights([weights, np.array([-80.0 * 0.8, 80.0 * 0.2])])
    decide.set_weights([np.array([[20.0], [20.0]]), np.array([-10.0])])
    return gate


@dataclass(frozen=True)
class Ended:
    """Exit code and output of a program."""

    code: int
    out: str
    err: str


def run_command(*command: str, **environment: str) -> Ended:
    """Run a command in the folder of the project."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def run_program(*arguments: str, **environment: str) -> Ended:
    """Run a Python program of this project in a new process."""
    return run_command(sys.executable, *arguments, **environment)


def run_program_after(before: Sequence[str], *arguments: str, **environment: str) -> Ended:
    """Run a Python program with the words of another command before it."""
    return run_command(*before, sys.executable, *arguments, **environment)


def spark_submit(*arguments: str, **environment: str) -> Ended:
    """Run a program with the spark-submit on the PATH."""
    program = shutil.which("spark-submit")
    if program is None:
        raise FileNotFoundError("spark-submit is not on the PATH; run the tests with `make test`")
    return run_command(program, *arguments, **environment)


def score_arguments(source: object, bundle: object, output: object) -> list[str]:
    """Return the arguments of `jobs/score.py`."""
    named = {"--input": source, "--bundle": bundle, "--output": output}
    return [word for name, value in named.items() for word in (name, str(value))]

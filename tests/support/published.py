"""Build bundles that can be promoted: the models of the rule bundle, with chosen test answers."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steeldefect.bundle.files import Bundle, describe_files, open_bundle, seal_bundle
from training.evaluation.held_out_csv import HELD_OUT_NAME, HeldOutRows, read_held_out

HEADER = "ImageId,group,defective,gate_probability,passed,class_id,tp,fp,fn,tn"
AREA = 1_000
EVERYTHING = 8_192


@dataclass(frozen=True)
class Answers:
    """Answers of a bundle to its held-out pictures.

    Every second picture has a defect of `AREA` pixels, in class 1 and class 2 by turns. Two
    pictures make a group. Every tenth defective picture has no true masks.

    Attributes:
        quality: mean share of a defect's pixels that is found.
        missed: number of defective pictures that the gate stops.
        alarms: number of clean pictures on which a defect is found.
        gate: whether the bundle has a gate.
        pictures: number of held-out pictures.
        first: number of the first picture.
        seed: seed of the differences between pictures.
    """

    quality: float = 0.8
    missed: int = 1
    alarms: int = 3
    gate: bool = True
    pictures: int = 80
    first: int = 0
    seed: int = 0

    def to_csv(self) -> str:
        """Return the text of `held_out.csv`."""
        rng = np.random.default_rng(self.seed)
        shares = np.clip(self.quality + rng.normal(0, 0.05, self.pictures), 0, 1)
        lines = [HEADER]
        for place in range(self.pictures):
            lines += self._lines(place, float(shares[place]))
        return "\n".join(lines) + "\n"

    def rows(self) -> HeldOutRows:
        """Return the rows of `held_out.csv`."""
        return read_held_out(self.to_csv().encode(), "made to order")

    def _lines(self, place: int, share: float) -> list[str]:
        defective, turn = place % 2 == 0, place // 2
        stopped = self.gate and defective and turn < self.missed
        probability = ("0.05" if stopped or not defective else "0.95") if self.gate else ""
        alarm = not defective and turn < self.alarms
        passed = int(not stopped and (defective or alarm or not self.gate))
        picture = f"p{self.first + place:03d}.png,g{(self.first + place) // 2},{int(defective)}"
        lines = []
        for class_id in (1, 2):
            counts = ",,,"
            if place % 20 != 18:
                truth = AREA if defective and turn % 2 == class_id - 1 else 0
                tp = 0 if stopped else round(truth * share)
                fp = 50 if tp or (alarm and class_id == 1) else 0
                counts = f"{tp},{fp},{truth - tp},{EVERYTHING - truth - fp}"
            lines.append(f"{picture},{probability},{passed},{class_id},{counts}")
        return lines


def publishable(
    rule_bundle: Bundle,
    target: Path,
    answers: Answers | None = None,
    *,
    training: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Bundle:
    """Copy the rule bundle with held-out answers, and their scores in its manifest.

    Args:
        rule_bundle: bundle whose models are copied.
        target: folder of the new bundle; it must not exist.
        answers: held-out answers; None: the bundle has none.
        training: changes of the manifest's training record.
        changes: changes of the manifest.
    """
    shutil.copytree(rule_bundle.folder, target)
    before = rule_bundle.manifest
    scores = []
    if answers is not None:
        (target / HELD_OUT_NAME).write_text(answers.to_csv(), encoding="utf-8")
        scores = answers.rows().scores()
    named = {"recipe_name": target.name, "data_fingerprint": "strips", **(training or {})}
    manifest = before.model_copy(
        update={
            "training": before.training.model_copy(update=named),
            "held_out_scores": scores,
            **changes,
            "files": describe_files(target),
        }
    )
    seal_bundle(target, manifest)
    return open_bundle(target)


def table_of(csv: str) -> pd.DataFrame:
    """Return the cells of a CSV text as strings."""
    return pd.read_csv(io.StringIO(csv), dtype=str, keep_default_na=False)

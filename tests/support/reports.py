"""Build reports of small data folders, with a detector that knows how `conftest.Folder` draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steeldefect.bundle.manifest import (
    Calibration,
    Compiled,
    CompiledForm,
    CpuPrecision,
    DefectClass,
    Gate,
    Manifest,
    PictureSizes,
    Segmenter,
    TrainingRecord,
)
from steeldefect.evaluation import metrics
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray, InputSpec, Scaling
from training.calibration.curves import ClassCurve, Curves, GateCurve, Reliability
from training.data.dataset import LabelledPicture, read_dataset
from training.export.draft_manifest import draft_manifest
from training.report import Report

THRESHOLD = 0.4
NOTHING = Curves(None, None, None, ())


def find(gray: Gray) -> dict[int, run_lengths.Runs]:
    """Return the defects that `conftest.Folder` draws; those of class 2 a little too small."""
    light = (gray > 180) & (gray < 220)
    bright = gray > 220
    bright[:, 1:] &= bright[:, :-1]
    masks = {1: light, 2: bright}
    return {number: run_lengths.from_mask(mask) for number, mask in masks.items() if mask.any()}


def ask_gate(picture: LabelledPicture) -> float:
    """Return the probability of a gate that is sometimes wrong, always the same for a picture."""
    noise = np.random.default_rng(sum(map(ord, picture.name))).uniform(-0.3, 0.3)
    return float(np.float32((0.65 if picture.defective else 0.3) + noise))


def held_out(pictures: Sequence[LabelledPicture], with_gate: bool = True) -> pd.DataFrame:
    rows = []
    for picture in pictures:
        probability = ask_gate(picture) if with_gate else math.nan
        passed = not probability < THRESHOLD
        found = find(picture.read()) if passed else {}
        for number in (1, 2):
            truth, own = (one.get(number, run_lengths.parse("")) for one in (picture.runs, found))
            pixels = run_lengths.confusion(truth, own)
            counts = (*pixels, pixels.tn(picture.shape)) if picture.outlined else (None,) * 4
            answer = (int(picture.defective), probability, int(passed), number)
            rows.append((picture.name, picture.group, *answer, *counts))
    counted = ["tp", "fp", "fn", "tn"]
    names = ["ImageId", "group", "defective", "gate_probability", "passed", "class_id", *counted]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(counted, "Int64"))


def scores_of(table: pd.DataFrame) -> list[Any]:
    known = table.dropna(subset=["tp"]).astype(dict.fromkeys(("tp", "fp", "fn"), "int64"))
    each = table.drop_duplicates("ImageId")
    defective, passed = (each[name].to_numpy(bool) for name in ("defective", "passed"))
    scores = metrics.segmentation_scores(known, [1, 2])
    if each["gate_probability"].notna().all():
        probability = each["gate_probability"].to_numpy(np.float64)
        scores += metrics.gate_scores(defective, probability, passed)
    return scores + metrics.verdict_scores(defective, passed)


def curves() -> Curves:
    steps = np.linspace(0.05, 0.95, 10)
    reliability = Reliability(steps, steps**2, np.arange(1, 11), 0.123)
    searched = [
        ClassCurve(number, steps, 1 - (steps - 0.5) ** 2, np.full(10, np.nan), np.arange(10))
        for number in (1, 2)
    ]
    gate = GateCurve(steps, 1 - steps, steps, 0.5 + steps / 2)
    return Curves(gate, reliability, reliability, tuple(searched))


_HISTORY: Mapping[str, Mapping[str, Sequence[float]]] = {
    "gate": {
        "loss": [0.9, 0.5, 0.4],
        "val_loss": [math.nan, 0.45, 0.6],
        "auc": [0.6, 0.8, 0.9],
        "val_auc": [0.5, 0.8125, 0.7],
        "learning_rate": [0.01, 0.005, 0.0],
    },
    "segmenter": {"loss": [200.0, 0.1], "val_loss": [100.0, 0.2]},
}


def draft(with_gate: bool) -> Manifest:
    spec = InputSpec(height=32, width=64, channels=1, scaling=Scaling.STANDARD)
    return draft_manifest(
        [DefectClass(id=number, name=f"c{number}") for number in (1, 2)],
        Gate(input=spec, threshold=THRESHOLD) if with_gate else None,
        Segmenter(input=spec),
        PictureSizes(height=(32, 32), width=(64, 64)),
        TrainingRecord(
            recipe_name="tiny",
            recipe={"name": "tiny", "gate": {"epochs": 3}},
            seed=0,
            data_fingerprint="0123456789abcdef",
            pictures={"train": 60, "validation": 30, "test": 40},
            minutes=1.5,
        ),
    )


def make(folder: Path, gate: bool = True) -> Report:
    """Build a report of the pictures of a data folder, all of them held out."""
    pictures = read_dataset(folder).pictures
    table = held_out(pictures, gate)
    calibration = Calibration(
        pictures=30,
        defective=20,
        objective="balanced",
        target_recall=0.99 if gate else None,
        gate_recall=0.95 if gate else None,
        gate_recall_interval=(0.7513, 0.9987) if gate else None,
        scores=scores_of(table),
    )
    forms = [
        CompiledForm(
            precision=precision,
            pictures=30,
            gate_difference=1.5e-6 if gate else None,
            segmenter_pixels=0.0123,
            positives_dice_drop=0.0042,
            gate_recall_drop=0.0 if gate else None,
        )
        for precision in (CpuPrecision.F32, CpuPrecision.BF16)
    ]
    measured = {
        "held_out_scores": scores_of(table),
        "calibration": calibration,
        "compiled": Compiled(default=CpuPrecision.BF16, reason="the faster one", forms=forms),
    }
    manifest = draft(gate).model_copy(update=measured)
    found = {picture.name: find(picture.read()) for picture in pictures}
    return Report(manifest, _HISTORY, table, curves(), pictures, found)


def changed(report: Report, **parts: Any) -> Report:
    return replace(report, manifest=report.manifest.model_copy(update=parts))

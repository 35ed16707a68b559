"""Run bundles over their test parts, as they are and with changes of their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pandas as pd

from steeldefect.bundle.files import Bundle, ModelName
from steeldefect.bundle.manifest import CpuPrecision, Manifest, Mirror
from steeldefect.detection.open_detector import open_detector
from steeldefect.evaluation import metrics
from steeldefect.pictures import run_lengths
from steeldefect.runtimes import (
    Precision,
    RuntimeChoice,
    RuntimeOptions,
    choose_engine,
    open_runtimes,
)
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import PictureResult, run_detector
from training.evaluation.score_held_out import held_out_of
from training.export.time_forms import time_forms
from training.report.intervals import Interval, positives_dice_interval

_TIMED_PICTURES = 4


@dataclass(frozen=True)
class Variant:
    """A change of what a bundle answers; its thresholds stay.

    Attributes:
        name: name in the table; empty for the bundle as it is.
        manifest: changes the manifest.
        result: changes the result of a picture.
    """

    name: str = ""
    manifest: Callable[[Manifest], Manifest] = lambda manifest: manifest
    result: Callable[[PictureResult], PictureResult] = lambda result: result


def mirrored(*mirrors: Mirror) -> Variant:
    """Return the variant that also looks at mirrored copies."""

    def changed(manifest: Manifest) -> Manifest:
        segmenter = manifest.segmenter.model_copy(update={"mirrors": list(mirrors)})
        return manifest.model_copy(update={"segmenter": segmenter})

    return Variant(f"mirrors: {', '.join(one.value for one in mirrors)}", changed)


def filled(result: PictureResult) -> PictureResult:
    """Return a result whose masks have no holes."""
    shape = result.picture.shape
    masks = {}
    for class_id, runs in result.masks.items():
        mask = np.ascontiguousarray(run_lengths.to_mask(runs, shape), dtype=np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        whole = cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, cv2.FILLED)
        masks[class_id] = run_lengths.from_mask(whole.astype(bool))
    return replace(result, masks=masks)


VARIANTS = {
    "as it is": Variant(),
    "mirror": mirrored(Mirror.HORIZONTAL),
    "mirrors": mirrored(Mirror.HORIZONTAL, Mirror.VERTICAL),
    "holes": Variant("holes filled", result=filled),
}


@dataclass(frozen=True)
class Measured:
    """One bundle or several seeds of it, at one precision, with one variant.

    Attributes:
        name: name of the row.
        precision: precision of both models.
        dice: positives-only Dice, over the pictures of all seeds.
        interval: its 95% interval, over groups of pictures.
        pooled: pooled Dice, mean over the seeds.
        auc: the gate's AUC, mean over the seeds; None without a gate.
        gain: difference of positives-only Dice to the bundle as it is, with its interval.
        milliseconds: CPU milliseconds of a picture on one core, both models; median of the seeds.
    """

    name: str
    precision: CpuPrecision
    dice: float
    interval: Interval | None
    pooled: float
    auc: float | None
    gain: tuple[float, Interval | None] | None
    milliseconds: float

    @property
    def rate(self) -> float:
        """Pictures a second and core."""
        return 1000 / self.milliseconds


def measure(
    name: str,
    bundles: Sequence[Bundle],
    pictures: Sequence[LabelledPicture],
    precision: CpuPrecision,
    variants: Mapping[str, Variant],
) -> list[Measured]:
    """Run bundles over pictures, with each variant; the first one is the bundle as it is.

    Args:
        name: name of the first row.
        bundles: seeds of one fit.
        pictures: test part of all of them.
        precision: precision of both models.
        variants: variants by name.
    """
    made: list[Measured] = []
    base: pd.Series[float] | None = None
    costs: dict[str, float] = {}  # by manifest: a change of results costs the models nothing
    for variant in variants.values():
        tables, times, aucs = [], [], []
        for seed, bundle in enumerate(bundles):
            stated = replace(bundle, manifest=variant.manifest(bundle.manifest))
            results = [variant.result(one) for one in _run(stated, pictures, precision)]
            held_out = held_out_of(results, stated.manifest)
            tables.append(held_out.table.assign(seed=seed))
            aucs += [one.value or 0.0 for one in held_out.scores if one.name == "gate_auc"]
            passing = float(np.mean([one.passed for one in results]))
            key = stated.manifest.model_dump_json()
            if key not in costs:
                costs[key] = _milliseconds(stated, pictures, precision, passing)
            times.append(costs[key])
        pairs = _dice(pd.concat(tables))
        gain = None if base is None else _gain(pairs, base)
        base = pairs["dice"] if base is None else base
        made.append(
            Measured(
                name=f"{name}, {variant.name}" if variant.name else name,
                precision=precision,
                dice=float(pairs["dice"].mean()),
                interval=positives_dice_interval(pairs),
                pooled=float(np.mean([_pooled(one) for one in tables])),
                auc=float(np.mean(aucs)) if aucs else None,
                gain=gain,
                milliseconds=float(np.median(times)),
            )
        )
    return made


def on_front(rows: Sequence[Measured]) -> list[bool]:
    """Return which rows stay: no other row is as fast and better, or faster and as good."""
    return [
        not any(
            other.rate >= one.rate
            and other.dice >= one.dice
            and (other.rate, other.dice) != (one.rate, one.dice)
            for other in rows
        )
        for one in rows
    ]


def _options(precision: CpuPrecision, threads: int) -> RuntimeOptions:
    return RuntimeOptions(
        runtime=RuntimeChoice.OPENVINO, precision=Precision(precision.value), threads=threads
    )


def _run(
    bundle: Bundle, pictures: Sequence[LabelledPicture], precision: CpuPrecision
) -> list[PictureResult]:
    return run_detector(open_detector(bundle, _options(precision, 0), any_size=True), pictures)


def _milliseconds(
    bundle: Bundle, pictures: Sequence[LabelledPicture], precision: CpuPrecision, passing: float
) -> float:
    runtimes = open_runtimes(bundle, choose_engine(_options(precision, 1)))
    shown = [one.read() for one in pictures[:_TIMED_PICTURES]]
    times = time_forms({precision: runtimes}, bundle.manifest, shown)
    gate = times.get((precision, ModelName.GATE), 0.0)
    return gate + passing * times[precision, ModelName.SEGMENTER]


def _dice(table: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs with truth: columns group and dice, in the order of seeds and pictures."""
    counts = table.dropna(subset=["tp"]).astype({"tp": "int64", "fp": "int64", "fn": "int64"})
    shown = counts[counts["tp"] + counts["fn"] > 0]
    return pd.DataFrame({"group": shown["group"].to_numpy(), "dice": metrics.dice(shown)})


def _gain(pairs: pd.DataFrame, base: pd.Series[float]) -> tuple[float, Interval | None]:
    difference = pairs.assign(dice=pairs["dice"] - base)
    return float(difference["dice"].mean()), positives_dice_interval(difference)


def _pooled(table: pd.DataFrame) -> float:
    tp, fp, fn = (float(table[name].sum()) for name in ("tp", "fp", "fn"))
    return 2 * tp / (2 * tp + fp + fn)

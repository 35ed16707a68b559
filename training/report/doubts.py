"""What is in doubt, in plain sentences: the reasons not to trust the figures below."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steeldefect.bundle.manifest import Calibration, GateMode
from training.fitting.early_stopping import best_epoch
from training.pages.markup import bullets, paragraph
from training.report.contents import Report, value_of

_FEW_PICTURES = 10
_WIDE = 0.1  # of an interval on a share or on Dice
_LAST_PART, _STILL_FALLING = 0.2, 0.05  # of the epochs; of the loss in front of them
_SMALL_SAVING = 0.25  # of the clean pictures


def doubts(report: Report) -> str:
    """List them; say so where there are none."""
    sentences = [
        *report.manifest.training.notes,
        *_of_data(report),
        *_of_gate(report),
        *_of_segmenter(report),
        *_of_learning(report),
    ]
    if not sentences:
        return paragraph("Nothing that is looked for was found.", "note fine")
    return bullets(sentences)


def _of_data(report: Report) -> Iterator[str]:
    shown = report.positives["class_id"].value_counts()
    counts = {name: int(shown.get(number, 0)) for number, name in report.class_names.items()}
    absent = [name for name, count in counts.items() if count == 0]
    few = [f"{name} ({count})" for name, count in counts.items() if 0 < count < _FEW_PICTURES]
    if absent:
        yield f"No held-out picture shows {_listed(absent)}: nothing is known of how it is found."
    if few:
        yield (
            f"Few held-out pictures show {_listed(few)}: their Dice says little; one picture more "
            "or less may turn it."
        )
    known = set(report.pairs["ImageId"])
    unknown = int((~report.judged["ImageId"].isin(known)).sum())
    if unknown:
        yield (
            f"Held-out pictures that are defective without masks: {unknown:,}. They count for the "
            "gate alone."
        )


def _of_gate(report: Report) -> Iterator[str]:
    gate, calibration = report.manifest.gate, report.manifest.calibration
    if gate is None:
        return
    if calibration is not None:
        yield from _of_recall(report, calibration)
    saved = value_of(report.gate_score("gate_clean_recall"))
    if gate.mode is GateMode.HARD and saved is not None and saved < _SMALL_SAVING:
        yield (
            f"The gate stops {100 * saved:.0f}% of the clean pictures: it saves the segmenter "
            "little work."
        )


def _of_recall(report: Report, calibration: Calibration) -> Iterator[str]:
    if calibration.gate_recall_interval is None:
        return
    low, high = calibration.gate_recall_interval
    measured_on = f"{calibration.defective:,} defective validation pictures"
    if high - low > _WIDE:
        yield (
            f"The gate's recall is measured on {measured_on}: it may be anywhere from {low:.3f} "
            f"to {high:.3f}."
        )
    target = calibration.target_recall
    if target is not None and low < target < 1:
        needed = _pictures_to_show(target, calibration.confidence)
        why = f"the interval begins below it, at {low:.3f}"
        if calibration.defective < needed:
            why = (
                f"{measured_on} are too few for that; at least {needed:,} would be needed, and "
                "all of them found"
            )
        yield f"A gate recall of {target:.3g} is the target, but not shown: {why}."
    held_out = value_of(report.gate_score("gate_recall"))
    if held_out is not None and held_out < low:
        yield (
            f"On the held-out pictures the gate's recall is {held_out:.3f}, below the interval "
            "of the validation part: the two parts differ."
        )


def _pictures_to_show(recall: float, confidence: float) -> int:
    """The fewest pictures whose Clopper-Pearson interval, all found, begins at `recall`."""
    return math.ceil(math.log((1 - confidence) / 2) / math.log(recall))


def _of_segmenter(report: Report) -> Iterator[str]:
    mean, empty = value_of(report.score("mean_dice")), value_of(report.score("all_empty_dice"))
    if mean is not None and empty is not None and mean <= empty:
        yield f"Mean Dice ({mean:.3f}) is not above that of an empty answer ({empty:.3f})."
    interval = report.interval()
    if interval is not None and interval.high - interval.low > _WIDE:
        yield (
            f"Dice on pairs with truth may be anywhere from {interval} on more such pictures "
            "(95% bootstrap interval)."
        )
    if report.manifest.calibration is None:
        yield "Thresholds and minimum areas are the recipe's: none was searched for these models."
    searched = value_of(report.validation_score("positives_dice"))
    measured = value_of(report.score("positives_dice"))
    if searched is None or measured is None or interval is None:
        return
    if searched > interval.high:
        yield (
            f"Dice on pairs with truth falls from {searched:.3f} on the validation part to "
            f"{measured:.3f}: models or thresholds fit the validation part too closely, or the two "
            "parts differ."
        )


def _of_learning(report: Report) -> Iterator[str]:
    """Tell of a validation loss that still fell by more than a little when the fit ended."""
    for name, curves in report.history.items():
        best = best_epoch(curves)
        if best is None or best + 1 < len(curves["val_loss"]):
            continue
        front = curves["val_loss"][: math.floor((1 - _LAST_PART) * (best + 1))]
        before = min(filter(math.isfinite, front), default=-math.inf)
        if before - curves["val_loss"][best] > _STILL_FALLING * abs(before):
            yield (
                f"The validation loss of the {name} still fell in its last epoch ({best + 1}): "
                "with more epochs it may become better."
            )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

"""Write the section of doubts: reasons not to trust the figures of the report."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steeldefect.bundle.manifest import Calibration, GateMode
from steeldefect.pages.markup import bullets, paragraph
from training.fitting.early_stopping import kept_epoch
from training.recipe import Keep
from training.report.contents import Report, value_of
from training.report.guarantees import contradicted, guarantee_line

_FEW_PICTURES = 10
_FEW_TO_CHOOSE = 30
"""With 15 defective and 15 clean pictures, an AUC of 0.8 has a standard error of 0.08 (Hanley and
McNeil 1982)."""
_WIDE = 0.1  # an interval of a share or of Dice is wide from here
_LAST_PART, _STILL_FALLING = 0.2, 0.05  # share of the epochs; share of the loss before them
_SMALL_SAVING = 0.25  # share of the clean pictures that the gate stops


def doubts(report: Report) -> str:
    """Return the doubts as a list, or a sentence if there are none."""
    sentences = [
        *report.manifest.training.notes,
        *_of_data(report),
        *_of_gate(report),
        *_of_segmenter(report),
        *_of_guarantees(report),
        *_of_learning(report),
    ]
    if not sentences:
        return paragraph("The checks found no doubts.", "note fine")
    return bullets(sentences)


def _of_data(report: Report) -> Iterator[str]:
    shown = report.positives["class_id"].value_counts()
    counts = {name: int(shown.get(number, 0)) for number, name in report.class_names.items()}
    absent = [name for name, count in counts.items() if count == 0]
    few = [f"{name} ({count})" for name, count in counts.items() if 0 < count < _FEW_PICTURES]
    if absent:
        yield f"No held-out picture shows {_listed(absent)}: its scores are unknown."
    if few:
        yield (
            f"Few held-out pictures show {_listed(few)}: the Dice is uncertain; a single picture "
            "can change it."
        )
    known = set(report.pairs["ImageId"])
    unknown = int((~report.judged["ImageId"].isin(known)).sum())
    if unknown:
        yield (
            f"Held-out pictures that are defective without masks: {unknown:,}. Only the scores of "
            "the gate use them."
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
            f"The gate stops only {100 * saved:.0f}% of the clean pictures: it saves little time."
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
                f"{measured_on} are too few for that; at least {needed:,} would be needed, all "
                "found"
            )
        yield f"The data do not prove the target gate recall of {target:.3g}: {why}."
    held_out = value_of(report.gate_score("gate_recall"))
    if held_out is not None and held_out < low:
        yield (
            f"On the held-out pictures the gate's recall is {held_out:.3f}, below the interval "
            "of the validation part: the two parts differ."
        )


def _pictures_to_show(recall: float, confidence: float) -> int:
    """Compute the number of pictures that, all found, prove a recall (Clopper-Pearson)."""
    return math.ceil(math.log((1 - confidence) / 2) / math.log(recall))


def _of_segmenter(report: Report) -> Iterator[str]:
    mean, empty = value_of(report.score("mean_dice")), value_of(report.score("all_empty_dice"))
    if mean is not None and empty is not None and mean <= empty:
        yield (
            f"Mean Dice ({mean:.3f}) is not above that of an empty answer ({empty:.3f}): "
            "the segmenter is no better than no masks."
        )
    interval = report.interval()
    if interval is not None and interval.high - interval.low > _WIDE:
        yield (f"Dice on pairs with truth is uncertain: the 95% bootstrap interval is {interval}.")
    if report.manifest.calibration is None:
        yield (
            "Thresholds and minimum areas come from the recipe: none was searched for these models."
        )
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


def _of_guarantees(report: Report) -> Iterator[str]:
    calibration = report.manifest.calibration
    for one in contradicted([] if calibration is None else calibration.guarantees):
        yield (
            "The held-out pictures speak against a guarantee: the two parts differ. "
            f"{guarantee_line(one, report.class_names)}."
        )


def _of_learning(report: Report) -> Iterator[str]:
    """Yield doubts about epochs that few pictures chose, and about fits that ended too early."""
    validated = report.manifest.training.pictures.get("validation", 0)
    chosen = [name for name in report.history if report.keep(name) is Keep.BEST]
    if chosen and validated < _FEW_TO_CHOOSE:
        yield (
            f"{validated:,} validation pictures chose the best epoch of the {_listed(chosen)}: on "
            "so few, it is best by chance. `keep: last` in the recipe takes the last epoch."
        )
    for name, curves in report.history.items():
        best = kept_epoch(curves, Keep.BEST)  # whichever is kept
        if best is None or best + 1 < len(curves["val_loss"]):
            continue
        front = curves["val_loss"][: math.floor((1 - _LAST_PART) * (best + 1))]
        before = min(filter(math.isfinite, front), default=-math.inf)
        if before - curves["val_loss"][best] > _STILL_FALLING * abs(before):
            yield (
                f"The validation loss of the {name} still fell in its last epoch ({best + 1}): "
                "more epochs may improve it."
            )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

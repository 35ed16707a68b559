"""Write the first screen: the origin of the bundle, and its main figures."""

from __future__ import annotations

from collections.abc import Iterator

from steeldefect.pages.markup import NOTHING, card, cards, paragraph
from training.report.contents import Report, value_of

FINGERPRINT_SHOWN = 12  # of 64 digits


def beginning(report: Report) -> str:
    """Return the line below the title: data, pictures of each part, and date."""
    record = report.manifest.training
    parts = ", ".join(f"{count:,} {name}" for name, count in record.pictures.items())
    told = [
        f"data {record.data_fingerprint[:FINGERPRINT_SHOWN]}" if record.data_fingerprint else ""
    ]
    told += [
        f"{parts} pictures" if parts else "",
        f"{report.manifest.created_at:%Y-%m-%d %H:%M %Z}",
    ]
    return paragraph(" · ".join(filter(None, told)), "soft")


def figures(report: Report) -> str:
    """Return the cards: three kinds of Dice, the gate, and the number of pictures."""
    return cards([*_dice(report), *_gate(report), *_effort(report)])


def _dice(report: Report) -> Iterator[str]:
    positives, interval = report.score("positives_dice"), report.interval()
    about = f"Dice on the {positives.support:,} pairs with truth" if positives else "Dice on truth"
    range_ = f"; 95% interval {interval}" if interval else ""
    yield card(_number(value_of(positives)), about + range_)
    mean, empty = value_of(report.score("mean_dice")), value_of(report.score("all_empty_dice"))
    worse = mean is not None and empty is not None and mean <= empty
    about = f"mean Dice of all pairs; an empty answer scores {_number(empty)}"
    yield card(_number(mean), about, "bad" if worse else "")
    yield card(_number(value_of(report.score("pooled_dice"))), "pooled Dice, over summed pixels")


def _gate(report: Report) -> Iterator[str]:
    gate, calibration = report.manifest.gate, report.manifest.calibration
    if gate is None:
        return
    yield card(_number(value_of(report.gate_score("gate_auc"))), "gate AUC")
    about = f"gate recall at {gate.threshold:.3g}"
    if calibration is not None and calibration.gate_recall_interval is not None:
        low, high = calibration.gate_recall_interval
        about += (
            f"; validation {_number(calibration.gate_recall)}, "
            f"{100 * calibration.confidence:.0f}% interval {low:.3f} to {high:.3f}"
        )
    yield card(_number(value_of(report.gate_score("gate_recall"))), about)


def _effort(report: Report) -> Iterator[str]:
    defective = report.judged["defective"]
    stated = f"{int(defective.sum()):,} defective, {int((~defective).sum()):,} clean"
    yield card(f"{len(defective):,}", f"pictures held out: {stated}")
    yield card(f"{report.manifest.training.minutes:,.1f}", "minutes to train")


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"

"""Scores as a small table on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from steeldefect.analysis.metrics import MASK_METRICS, PER_CLASS
from steeldefect.bundle.manifest import DefectClass, Score


def score_table(classes: Sequence[DefectClass], scores: Sequence[Score]) -> list[str]:
    """Lay out scores: mask metrics by class, then one line for each metric of pictures."""
    return [*_mask_table(classes, scores), *_picture_lines(scores)]


def _mask_table(classes: Sequence[DefectClass], scores: Sequence[Score]) -> list[str]:
    names = {one.id: f"{one.id} {one.name}" for one in classes}
    rows: dict[str, dict[str, Score]] = {"all classes": {}}
    for score in scores:
        if score.name in MASK_METRICS:
            is_class = score.scope == PER_CLASS and score.class_id is not None
            row = names[score.class_id or 0] if is_class else "all classes"
            rows.setdefault(row, {})[score.name] = score
    first = max(map(len, rows))
    header = " ".join([" " * first, *(f"{name:>14}" for name in MASK_METRICS)])
    return [header] + [
        " ".join([f"{row:<{first}}", *(_cell(found.get(name)) for name in MASK_METRICS)])
        for row, found in rows.items()
    ]


def _picture_lines(scores: Sequence[Score]) -> list[str]:
    return [
        f"{score.name:<20} {_number(score)}  ({score.support} pictures)"
        for score in scores
        if score.name.startswith(("gate_", "verdict_"))
    ]


def _cell(score: Score | None) -> str:
    return f"{'-' if score is None else _number(score):>14}"


def _number(score: Score) -> str:
    return "-" if score.value is None else f"{score.value:.4f}"

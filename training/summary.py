"""What a fit prints at its end: held-out scores in a small table, path and digest of the bundle."""

from __future__ import annotations

from collections.abc import Iterable

from steeldefect.manifest import Manifest, Score
from steeldefect.metrics import PER_CLASS
from training.fit import FitResult

_MASK_SCORES = ("mean_dice", "all_empty_dice", "positives_dice", "pooled_dice", "iou")


def summarise(result: FitResult) -> str:
    """Write the closing lines of a fit."""
    manifest = result.bundle.manifest
    pictures = manifest.training.pictures["test"]
    return "\n".join(
        [
            f"held-out scores on {pictures} pictures ({result.minutes:.1f} min of training)",
            *_mask_table(manifest),
            *_picture_lines(manifest.held_out_scores),
            *(f"note: {note}" for note in manifest.training.notes),
            f"bundle {result.bundle.folder}",
            f"digest {result.bundle.digest}",
        ]
    )


def _mask_table(manifest: Manifest) -> list[str]:
    names = {one.id: f"{one.id} {one.name}" for one in manifest.classes}
    rows: dict[str, dict[str, Score]] = {"all classes": {}}
    for score in manifest.held_out_scores:
        if score.name in _MASK_SCORES:
            is_class = score.scope == PER_CLASS and score.class_id is not None
            row = names[score.class_id or 0] if is_class else "all classes"
            rows.setdefault(row, {})[score.name] = score
    first = max(map(len, rows))
    header = " ".join([" " * first, *(f"{name:>14}" for name in _MASK_SCORES)])
    return [header] + [
        " ".join([f"{row:<{first}}", *(_cell(scores.get(name)) for name in _MASK_SCORES)])
        for row, scores in rows.items()
    ]


def _picture_lines(scores: Iterable[Score]) -> list[str]:
    return [
        f"{score.name:<20} {_number(score)}  ({score.support} pictures)"
        for score in scores
        if score.name.startswith(("gate_", "verdict_"))
    ]


def _cell(score: Score | None) -> str:
    return f"{'-' if score is None else _number(score):>14}"


def _number(score: Score) -> str:
    return "-" if score.value is None else f"{score.value:.4f}"

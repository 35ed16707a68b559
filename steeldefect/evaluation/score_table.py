"""Format scores as a text table; fits, folds and evaluations use the same table.

Scores of defects, and scores that are counted per picture, are in `defect_table`.

>>> from steeldefect.bundle.manifest import Score
>>> dice = Score(scope="overall", name="mean_dice", value=0.93, support=240)
>>> recall = Score(scope="overall", name="gate_recall", value=0.975, support=40)
>>> for line in score_table({1: "scratch"}, [dice, recall]):
...     print(line)
           positive pairs  mean_dice  all_empty_dice  positives_dice  pooled_dice      iou
all pairs               -     0.9300               -               -            -        -
<BLANKLINE>
gate_recall            0.9750  (40 pictures)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steeldefect.bundle.manifest import Score
from steeldefect.evaluation.metrics import MASK_METRICS

_ALL = "all pairs"
_SUPPORT = "positive pairs"  # pairs of picture and class with a true mask
_SUPPORTED = "positives_dice"  # the metric whose support that is
_UNITS = {"region_calibration_error": "regions"}  # of the support; pictures for all others
_NAMES = (_SUPPORT, *MASK_METRICS)
_WIDTHS = [max(7, len(name)) for name in _NAMES]


def score_table(class_names: Mapping[int, str], scores: Sequence[Score]) -> list[str]:
    """Return the lines of a table: mask metrics by class, then one line for each other score.

    Args:
        class_names: names of the defect classes, by class id.
        scores: scores that `evaluation.metrics` computed, in their order.

    Returns:
        Lines of text; `-` stands for a score without support.
    """
    masks = [score for score in scores if score.name in MASK_METRICS]
    others = [score for score in scores if score.name not in MASK_METRICS]
    lines = [
        f"{one.name:<22} {_number(one)}  ({one.support} {_UNITS.get(one.name, 'pictures')})"
        for one in others
    ]
    return [*_mask_rows(class_names, masks), "", *lines]


def _mask_rows(class_names: Mapping[int, str], scores: Sequence[Score]) -> list[str]:
    rows: dict[str, dict[str, Score]] = {_ALL: {}}
    for score in scores:
        number = score.class_id
        title = _ALL if number is None else f"{number} {class_names[number]}"
        rows.setdefault(title, {})[score.name] = score
    first = max(map(len, rows))
    return [_row("", first, _NAMES)] + [
        _row(title, first, [_support(found), *(_cell(found.get(name)) for name in MASK_METRICS)])
        for title, found in rows.items()
    ]


def _row(title: str, width: int, cells: Sequence[str]) -> str:
    placed = (f"{cell:>{size}}" for cell, size in zip(cells, _WIDTHS, strict=True))
    return "  ".join([f"{title:<{width}}", *placed])


def _support(found: Mapping[str, Score]) -> str:
    return str(found[_SUPPORTED].support) if _SUPPORTED in found else "-"


def _cell(score: Score | None) -> str:
    return "-" if score is None else _number(score)


def _number(score: Score) -> str:
    return "-" if score.value is None else f"{score.value:.4f}"

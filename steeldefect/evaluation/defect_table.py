"""Format the scores of defects as a text table, with their intervals.

>>> from steeldefect.evaluation.metrics import IntervalScore
>>> recall = IntervalScore(
...     scope="overall", name="defect_recall", value=0.8, support=25, low=0.62, high=0.95
... )
>>> alarms = IntervalScore(
...     scope="overall", name="false_alarms_per_100_pictures", value=3.5, support=200
... )
>>> for line in defect_table({1: "scratch"}, [recall, alarms]):
...     print(line)
             defects  recall            precision         panoptic quality
all classes       25  0.80 (0.62-0.95)  -                 -
<BLANKLINE>
per 100 pictures: 3.5 false alarms
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steeldefect.evaluation.metrics import IntervalScore

RECALL, PRECISION, QUALITY = "defect_recall", "defect_precision", "panoptic_quality"
_COLUMNS = ("defects", "recall", "precision", "panoptic quality")
_RATES = {
    "per 100 pictures": ("missed_per_100_pictures", "false_alarms_per_100_pictures"),
    "per square metre": ("missed_per_m2", "false_alarms_per_m2"),
}
_WIDTH = 16

DEFECT_METRICS = frozenset(
    {RECALL, PRECISION, QUALITY, "recognition_quality", "segmentation_quality"}.union(
        *_RATES.values()
    )
)


def defect_table(class_names: Mapping[int, str], scores: Sequence[IntervalScore]) -> list[str]:
    """Return the lines of a table: all classes, each class, each size class; then rates.

    Args:
        class_names: names of the defect classes, by class id.
        scores: scores of an evaluation; scores of other kinds are left out.

    Returns:
        Lines of text; `-` stands for a score without support. Empty if there is no score of
        defects.
    """
    rows: dict[str, dict[str, IntervalScore]] = {}
    for score in scores:
        if score.name in (RECALL, PRECISION, QUALITY):
            rows.setdefault(_title(score, class_names), {})[score.name] = score
    if not rows:
        return []
    first = max(map(len, rows))
    lines = [f"{'':<{first}}  {_COLUMNS[0]:>7}  {_joined(_COLUMNS[1:])}"]
    for title, found in rows.items():
        support = str(found[RECALL].support) if RECALL in found else "-"
        cells = [_cell(found.get(name)) for name in (RECALL, PRECISION, QUALITY)]
        lines.append(f"{title:<{first}}  {support:>7}  {_joined(cells)}")
    return [*lines, "", *_rates(scores)]


def _title(score: IntervalScore, class_names: Mapping[int, str]) -> str:
    number = score.class_id
    title = "all classes" if number is None else f"{number} {class_names[number]}"
    return title if score.size_class is None else f"{title}, {score.size_class}"


def _rates(scores: Sequence[IntervalScore]) -> list[str]:
    overall = {one.name: one for one in scores if one.class_id is None and one.size_class is None}
    lines = []
    for title, names in _RATES.items():
        words = [
            f"{_cell(overall[name], 3)} {what}"
            for name, what in zip(names, ("missed", "false alarms"), strict=True)
            if name in overall and overall[name].value is not None
        ]
        if words:
            lines.append(f"{title}: {', '.join(words)}")
    return lines


def _cell(score: IntervalScore | None, digits: int = 2) -> str:
    if score is None or score.value is None:
        return "-"
    value, *ends = (
        _number(one, digits) for one in (score.value, score.low, score.high) if one is not None
    )
    return f"{value} ({ends[0]}-{ends[1]})" if len(ends) == 2 else value


def _number(value: float, digits: int) -> str:
    if digits == 2:
        return f"{value:.2f}"
    return f"{value:,.0f}" if value >= 10**digits else f"{value:.{digits}g}"


def _joined(cells: Sequence[str]) -> str:
    return "  ".join(f"{cell:<{_WIDTH}}" for cell in cells).rstrip()

"""Write a comparison as a text table."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from training.registry.comparison import Comparison, Figure, Named

_NAME, _NUMBER, _CHANGE, _INTERVAL = 24, 9, 10, 22


def lay_out(comparison: Comparison) -> str:
    """Return a table of both bundles' metrics, their differences, and the intervals."""
    return "\n".join(
        [
            _bundle("A", comparison.first),
            _bundle("B", comparison.second),
            f"on {comparison.pictures} held-out pictures in {comparison.groups} groups; 95% "
            "intervals of B - A by paired bootstrap over groups; *: the interval excludes 0",
            *_without_masks(comparison.unoutlined),
            *(f"note: {note}" for note in comparison.notes),
            "",
            _line("", "A", "B", "B - A", "95% interval"),
            *_sections(comparison.figures),
        ]
    )


def describe(figure: Figure) -> str:
    """Return one difference as text: `positives_dice 0.7123 -> 0.6991 (-0.0132, 95% ...)`."""
    interval = "" if figure.interval is None else f", 95% interval {_interval(figure)}"
    change = f"{_value(figure.first)} -> {_value(figure.second)}"
    return f"{figure.name} {change} ({_change(figure.difference)}{interval})"


def _bundle(letter: str, named: Named) -> str:
    return f"{letter}  {named.digest[:12]}  recipe {named.recipe}  {named.address}"


def _without_masks(count: int) -> list[str]:
    if count == 0:
        return []
    return [f"{count} defective pictures without masks count for the gate's metrics alone"]


def _sections(figures: Iterable[Figure]) -> list[str]:
    lines = []
    for title, members in groupby(figures, _title):
        lines += [title, *(_row(figure) for figure in members)]
    return lines


def _title(figure: Figure) -> str:
    if figure.class_id is not None:
        return f"class {figure.class_id} {figure.class_name or ''}".rstrip()
    kind = figure.name.split("_")[0]
    return {"gate": "gate, by picture", "verdict": "verdict, by picture"}.get(kind, "all classes")


def _row(figure: Figure) -> str:
    return _line(
        f"  {figure.name}",
        _value(figure.first),
        _value(figure.second),
        _change(figure.difference),
        _interval(figure) + _mark(figure),
    )


def _line(name: str, first: str, second: str, change: str, interval: str) -> str:
    return (
        f"{name:<{_NAME}}{first:>{_NUMBER}}{second:>{_NUMBER}}{change:>{_CHANGE}}  "
        f"{interval:<{_INTERVAL}}"
    ).rstrip()


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _change(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"


def _interval(figure: Figure) -> str:
    if figure.interval is None:
        return "-"
    return f"[{figure.interval[0]:+.4f}, {figure.interval[1]:+.4f}]"


def _mark(figure: Figure) -> str:
    """Return a mark for an interval that excludes 0."""
    outside = figure.interval is not None and (figure.interval[0] > 0 or figure.interval[1] < 0)
    return " *" if outside else ""

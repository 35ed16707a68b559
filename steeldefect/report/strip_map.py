"""The map of a coil: its pictures, defects and repeats, to scale, in rows of one length.

A coil is hundreds of times as long as it is wide. So the strip is cut into rows, as lines of a
text, which are drawn one below the other. The map is drawn as SVG by a template: it follows the
page's colours, and every mark has a name, which a chart library would not give it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steeldefect.report.answers import Row
from steeldefect.watch.facts import who

WIDTH = 1080.0
"""Width of a row in units of the drawing."""

_LOWEST = 34.0  # least height of a row in units
_MOST_ROWS = 24
_MOST_MARKS = 400
_LARGEST_SHOWN = 6.0  # units: a larger defect is drawn as its box, too


@dataclass(frozen=True)
class Rectangle:
    """A rectangle of the map, in units; `style` is its class in the style sheet."""

    x: float
    y: float
    width: float
    height: float
    style: str
    name: str = ""


@dataclass(frozen=True)
class Mark:
    """A defect on the map: its centre in units, its class, and what it says."""

    x: float
    y: float
    class_id: int
    name: str


@dataclass(frozen=True)
class Band:
    """One row of the map.

    Attributes:
        begin_mm, end_mm: part of the strip along which it lies.
        height: its height in units.
        pictures: pictures, and boxes of large defects.
        marks: defects.
        turns: places of a roll's turns in units, with the lane's top and bottom.
    """

    begin_mm: float
    end_mm: float
    height: float
    pictures: tuple[Rectangle, ...]
    marks: tuple[Mark, ...]
    turns: tuple[Rectangle, ...]


@dataclass(frozen=True)
class Surface:
    """The map of one camera's view of a coil.

    Attributes:
        name: camera and side.
        bands: its rows.
        stretched: how many times the scale across is that along; 1 if the map is to one scale.
        width_mm: width of what the camera sees.
        left_out: number of defects that are not drawn: the smallest.
    """

    name: str
    bands: tuple[Band, ...]
    stretched: float
    width_mm: float
    left_out: int


def surfaces_of(
    pictures: Sequence[Row], defects: Sequence[Row], repeats: Sequence[Row], along: str
) -> list[Surface]:
    """Return the maps of a coil: one for each camera and side.

    Args:
        pictures: its rows of `questions.COIL_PICTURES`.
        defects: its rows of `questions.COIL_MARKS`, the largest first.
        repeats: its rows of `questions.REPEATS`.
        along: axis of the pictures along the strip, `x` or `y`.
    """
    views: dict[tuple[str | None, str | None], list[Row]] = {}
    for row in pictures:
        if None not in (row["position_mm"], row["pixel_mm_x"], row["pixel_mm_y"]):
            views.setdefault((row["camera"], row["side"]), []).append(row)
    return [
        _surface(view, rows, _of_view(defects, view), _of_view(repeats, view), along)
        for view, rows in views.items()
    ]


def _of_view(rows: Sequence[Row], view: tuple[str | None, str | None]) -> list[Row]:
    camera, side = view
    return [one for one in rows if one["camera"] in (camera, None) and one["side"] in (side, None)]


def _surface(
    view: tuple[str | None, str | None],
    pictures: Sequence[Row],
    defects: Sequence[Row],
    repeats: Sequence[Row],
    along: str,
) -> Surface:
    spans = [_span(row, along) for row in pictures]
    begin, end = min(one[0] for one in spans), max(one[1] for one in spans)
    width = max(one[2] for one in spans)
    rows = _rows(end - begin, width)
    length = (end - begin) / rows
    scale = WIDTH / length
    stretched = max(_LOWEST / (width * scale), 1.0)
    placed = [one for one in defects if None not in (one["along_mm"], one["across_mm"])]
    extents = _extents(pictures, placed[:_MOST_MARKS], along)
    bands = []
    for number in range(rows):
        first = begin + number * length
        frame = _Frame(first, first + length, scale, scale * stretched)
        bands.append(
            Band(
                first,
                min(first + length, end),
                width * scale * stretched,
                tuple(_pictures(frame, pictures, spans)) + tuple(_boxes(frame, extents)),
                tuple(_marks(frame, placed[:_MOST_MARKS])),
                tuple(_turns(frame, repeats)),
            )
        )
    camera, side = view
    named = [camera and who(camera), side and f"{side} side"]
    name = ", ".join(filter(None, named)) or "camera unnamed"
    return Surface(name, tuple(bands), stretched, width, max(len(placed) - _MOST_MARKS, 0))


def _span(row: Row, along: str) -> tuple[float, float, float]:
    """Return begin and end of a picture along the strip, and its width across, in millimetres."""
    sides = row["width"] * row["pixel_mm_x"], row["height"] * row["pixel_mm_y"]
    length, width = sides if along == "x" else sides[::-1]
    return row["position_mm"], row["position_mm"] + length, width


def _rows(total: float, width: float) -> int:
    """Return the number of rows: so that they are high enough, and not too many."""
    longest = WIDTH / _LOWEST * width
    return min(max(math.ceil(total / longest), 1), _MOST_ROWS)


@dataclass(frozen=True)
class _Frame:
    """Part of the strip that a row shows, and its units for a millimetre along and across."""

    begin: float
    end: float
    along: float
    across: float

    def x(self, millimetres: float) -> float:
        return (min(max(millimetres, self.begin), self.end) - self.begin) * self.along


def _pictures(
    frame: _Frame, pictures: Sequence[Row], spans: Sequence[tuple[float, float, float]]
) -> list[Rectangle]:
    styles = {"defect": "found", "clean": "clean", "gated": "clean"}
    shown = []
    for row, (begin, end, width) in zip(pictures, spans, strict=True):
        if begin < frame.end and end > frame.begin:
            left, right = frame.x(begin), frame.x(end)
            shown.append(
                Rectangle(left, 0, right - left, width * frame.across, styles[row["verdict"]])
            )
    return shown


@dataclass(frozen=True)
class _Extent:
    """Where the box of a defect lies on the strip, in millimetres."""

    begin: float
    end: float
    top: float
    bottom: float
    class_id: int


def _extents(pictures: Sequence[Row], defects: Sequence[Row], along: str) -> list[_Extent]:
    """Return the boxes of defects, by the size of a pixel on their pictures."""
    sizes = {(one["source"], one["key"]): one for one in pictures}
    found = []
    for one in defects:
        picture = sizes.get((one["source"], one["key"]))
        if picture is None:
            continue
        sides = {
            "x": (one["box_left"], one["box_right"], one["centroid_x"], picture["pixel_mm_x"]),
            "y": (one["box_top"], one["box_bottom"], one["centroid_y"], picture["pixel_mm_y"]),
        }
        across = "y" if along == "x" else "x"
        begin, end = _ends(one["along_mm"], *sides[along])
        top, bottom = _ends(one["across_mm"], *sides[across])
        found.append(_Extent(begin, end, top, bottom, one["class_id"]))
    return found


def _ends(
    place: float, first: int, last: int, centre: float, pixel_mm: float
) -> tuple[float, float]:
    """Return where a box begins and ends on the strip, in millimetres.

    Args:
        place: place of the centroid on the strip.
        first: first pixel of the box.
        last: last pixel of the box plus 1.
        centre: pixel of the centroid.
        pixel_mm: size of a pixel.
    """
    return place + (first - 0.5 - centre) * pixel_mm, place + (last - 0.5 - centre) * pixel_mm


def _boxes(frame: _Frame, extents: Sequence[_Extent]) -> list[Rectangle]:
    """Return the boxes of large defects in a row, as they lie on the strip."""
    shown = []
    for one in extents:
        wide = (one.end - one.begin) * frame.along, (one.bottom - one.top) * frame.across
        if max(wide) > _LARGEST_SHOWN and one.begin < frame.end and one.end > frame.begin:
            left, right = frame.x(one.begin), frame.x(one.end)
            top = max(one.top * frame.across, 0.0)
            style = f"defect-{one.class_id}"
            shown.append(Rectangle(left, top, max(right - left, 1.0), max(wide[1], 1.0), style))
    return shown


def _marks(frame: _Frame, defects: Sequence[Row]) -> list[Mark]:
    return [
        Mark(
            frame.x(one["along_mm"]),
            one["across_mm"] * frame.across,
            one["class_id"],
            mark_text(one),
        )
        for one in defects
        if frame.begin <= one["along_mm"] < frame.end
    ]


def mark_text(row: Row) -> str:
    """Return what a defect on the map says."""
    length = row["length_mm"]
    size = f"{row['length']:,.0f} px long" if length is None else f"{length:,.0f} mm long"
    return (
        f"{row['class_name']}, {size}, at {row['along_mm'] / 1000:,.2f} m, "
        f"{row['across_mm']:,.0f} mm across"
    )


def _turns(frame: _Frame, repeats: Sequence[Row]) -> list[Rectangle]:
    """Return a box around each place at which a roll's mark is expected."""
    shown = []
    for one in repeats:
        if one["period_mm"] is None or one["kind"] == "harmonic":
            continue
        count = round((one["end_mm"] - one["begin_mm"]) / one["period_mm"])
        for turn in range(count + 1):
            place = one["begin_mm"] + turn * one["period_mm"]
            if frame.begin <= place < frame.end:
                half = max((one["lane_width_mm"] or 0.0) * frame.across / 2, 9.0)
                top = one["lane_mm"] * frame.across - half
                shown.append(Rectangle(frame.x(place) - 9, top, 18, 2 * half, "turn"))
    return shown

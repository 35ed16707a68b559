"""Signs of classes beside their colours, for readers who see no colours: lines, shapes, hatches."""

from __future__ import annotations

from steeldefect.pages.palette import class_colour

_DASHES: tuple[tuple[int, ...], ...] = (
    (),
    (12, 7),
    (3, 6),
    (14, 5, 3, 5),
    (20, 8),
    (3, 4, 3, 10),
    (8, 4, 8, 12),
)
_SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",  # circle
    "M-4.5-4.5h9v9h-9z",  # square
    "M0-5.5L5.5 4.5h-11z",  # triangle
    "M0-6L6 0 0 6-6 0z",  # diamond
    "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",  # cross
    "M0 5.5L5.5-4.5h-11z",  # triangle that stands on its tip
    "M-6-3L0-6 6-3V3L0 6-6 3z",  # hexagon
)
_HATCHES = ("", "//", "--", "xx", "||", "\\\\", "++")
_MARKERS = ("o", "s", "^", "D", "P", "v", "h")
_OTHER_DASHES = (5, 5)


def _place(class_id: int) -> int:
    return (class_id - 1) % len(_SHAPES)


def dashes_of(class_id: int) -> tuple[int, ...]:
    """Return the pattern of a class's outlines: pixels of dash and gap in turn; empty: no gaps.

    The id 0 stands for outlines of a second bundle.
    """
    return _DASHES[_place(class_id)] if class_id else _OTHER_DASHES


def shape_of(class_id: int) -> str:
    """Return the shape of a class on maps, as an SVG path about 12 pixels wide, centred at 0."""
    return _SHAPES[_place(class_id)]


def hatch_of(class_id: int) -> str:
    """Return the hatch of a class's bars, as Matplotlib names it."""
    return _HATCHES[_place(class_id)]


def marker_of(class_id: int) -> str:
    """Return the marker of a class's points, as Matplotlib names it."""
    return _MARKERS[_place(class_id)]


def sign(class_id: int) -> str:
    """Return the sign of a class in a legend, as inline SVG: its shape and its line, in its colour.

    It says nothing to screen readers: the class's name stands beside it.
    """
    dashes = " ".join(map(str, dashes_of(class_id)))
    line = f' stroke-dasharray="{dashes}"' if dashes else ""
    colour = class_colour(class_id)
    return (
        '<svg class="sign" viewBox="-8 -8 46 16" width="46" height="16" aria-hidden="true">'
        f'<path d="{shape_of(class_id)}" fill="{colour}" stroke="var(--edge)"/>'
        '<path d="M11 0h26" stroke="#000" stroke-width="4"/>'
        f'<path d="M11 0h26" stroke="{colour}" stroke-width="2"{line}/></svg>'
    )

"""Draw a picture with its numbered defects, a legend and a scale bar, for a person to look at.

The sheet is made to be read at its own size, about 1600 pixels wide, whatever the picture's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from steeldefect.analysis.drawings import Colour
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray
from steeldefect.review.drawing.canvas import Canvas, ClassMasks, draw_canvas
from steeldefect.review.drawing.legend import LINE, Legend, rgb
from steeldefect.review.drawing.lettering import (
    ALARM,
    INK,
    NUMBER,
    SOFT,
    TEXT,
    TITLE,
    font,
    shortened,
)
from steeldefect.review.drawing.scale_bar import choose_scale_bar
from steeldefect.review.drawing.tags import Labelled, Tag, place_tags
from steeldefect.review.history import BundleHistory, FoundRegion

_EDGE = 12  # pixels around everything
_NARROWEST = 900  # pixels, so that the captions have room
_PAPER = (255, 255, 255)
_REMOVED = "removed: smaller than a minimum area"


@dataclass(frozen=True)
class Captions:
    """The texts of a sheet.

    Attributes:
        title: name of the picture.
        lines: what the tables say of it.
        warning: what is wrong with the drawing; empty if nothing is.
    """

    title: str
    lines: Sequence[str]
    warning: str = ""


def draw_sheet(picture: Gray, found: BundleHistory, captions: Captions) -> Colour:
    """Return the sheet of a picture: uint8 (height, width, 3), blue green red.

    Defects have the numbers that they have in the tables. If the version that scored the picture
    measured no regions, the masks of the classes are drawn, without numbers.

    Args:
        picture: uint8 (height, width).
        found: what one bundle found on it.
        captions: texts above the picture.

    Raises:
        RunLengthError: a mask does not lie inside the picture.
    """
    canvas = draw_canvas(picture, _masks(found))
    height, width = canvas.pixels.shape[0], max(canvas.pixels.shape[1], _NARROWEST)
    legend = Legend(_classes(found), _REMOVED if found.rejected else "", width)
    legend_top = _EDGE + LINE * (1 + len(captions.lines) + bool(captions.warning))
    top = legend_top + legend.lines * LINE + _EDGE // 2
    size = width + 2 * _EDGE, top + height + LINE + 2 * _EDGE
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    _write_captions(pen, captions, width)
    legend.draw(pen, _EDGE, legend_top)
    body = Image.fromarray(np.ascontiguousarray(canvas.pixels[:, :, ::-1]))
    _write_numbers(ImageDraw.Draw(body), found.regions, picture.shape[0], canvas)
    sheet.paste(body, (_EDGE, top))
    _write_scale(pen, found, canvas, top + height + _EDGE)
    return np.asarray(sheet)[:, :, ::-1]


def _classes(found: BundleHistory) -> dict[int, str]:
    """Return the names of the classes on the drawing, by id."""
    named = {one.class_id: one.class_name for one in found.regions}
    named |= {one.class_id: one.class_name for one in found.classes}
    return dict(sorted(named.items()))


def _masks(found: BundleHistory) -> list[ClassMasks]:
    """Return the masks of each class, in the order of their ids."""
    if found.newest.regions is None:
        return [
            ClassMasks(one.class_id, [run_lengths.parse(one.run_lengths)], [])
            for one in found.classes
        ]
    masks = []
    for class_id in sorted({one.class_id for one in found.regions}):
        own = [one for one in found.regions if one.class_id == class_id]
        kept, rejected = (
            [run_lengths.parse(one.run_lengths) for one in own if one.kept is wanted]
            for wanted in (True, False)
        )
        masks.append(ClassMasks(class_id, kept, rejected))
    return masks


def _write_captions(pen: ImageDraw.ImageDraw, captions: Captions, width: int) -> None:
    face = font(TITLE, "-Bold")
    pen.text((_EDGE, _EDGE), shortened(captions.title, width, face), INK, face)
    lines = [(line, SOFT) for line in captions.lines]
    lines += [(captions.warning, ALARM)] if captions.warning else []
    for number, (line, colour) in enumerate(lines, start=1):
        face = font(TEXT)
        pen.text((_EDGE, _EDGE + number * LINE), shortened(line, width, face), colour, face)


def _write_numbers(
    pen: ImageDraw.ImageDraw, regions: Sequence[FoundRegion], height: int, canvas: Canvas
) -> None:
    """Write the number of each region beside it; defects choose their places first."""
    ordered = sorted(regions, key=lambda one: (not one.kept, one.area))
    face = font(NUMBER, "-Bold")
    labelled = [
        Labelled(
            run_lengths.parse(one.run_lengths),
            (round(face.getlength(str(one.number))) + 9, NUMBER + 6),
        )
        for one in ordered
    ]
    tags = place_tags(labelled, canvas.ink, height, canvas.scale)
    for one, tag in zip(ordered, tags, strict=True):
        _write_leader(pen, one, tag)
    for one, tag in zip(ordered, tags, strict=True):
        box = (tag.left, tag.top, tag.right - 1, tag.bottom - 1)
        pen.rectangle(box, fill=_PAPER, outline=rgb(one.class_id), width=2 if one.kept else 1)
        centre = (tag.left + tag.right) / 2, (tag.top + tag.bottom) / 2
        pen.text(centre, str(one.number), INK if one.kept else SOFT, face, anchor="mm")


def _write_leader(pen: ImageDraw.ImageDraw, region: FoundRegion, tag: Tag) -> None:
    centre = (tag.left + tag.right) // 2, (tag.top + tag.bottom) // 2
    pen.line((*centre, *tag.anchor), rgb(region.class_id), 2)


def _write_scale(pen: ImageDraw.ImageDraw, found: BundleHistory, canvas: Canvas, top: int) -> None:
    """Write the size of the drawing: a bar in millimetres if the size of a pixel is known."""
    face, pixel = font(TEXT), found.newest.pixel_mm
    size = f"{found.newest.width} x {found.newest.height} px"
    if canvas.scale != 1:
        size += f", drawn at {canvas.scale:.3g} : 1"
    if pixel is None:
        pen.text((_EDGE, top), size, SOFT, face)
        return
    bar = choose_scale_bar(pixel[0] / canvas.scale, canvas.pixels.shape[1] // 4)
    middle = top + 12
    pen.line((_EDGE, middle, _EDGE + bar.pixels, middle), INK, 3)
    for end in (_EDGE, _EDGE + bar.pixels):
        pen.line((end, middle - 7, end, middle + 7), INK, 3)
    text = f"{bar.millimetres:g} mm"
    if abs(pixel[0] - pixel[1]) > 0.005 * pixel[0]:
        text += f" along the rows; a pixel is {pixel[0]:g} x {pixel[1]:g} mm"
    pen.text((_EDGE + bar.pixels + 14, top), f"{text}; {size}", INK, face)

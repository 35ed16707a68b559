"""Draw one picture as a plate for the page: the whole picture, and its worst defect enlarged.

A plate is made on an executor, at the size at which the page shows it. Classes are told apart by
the colour and by the pattern of their outlines, defects by their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from steeldefect.analysis.drawings import Colour, Line, colour_of
from steeldefect.pages.marks import dashes_of
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray
from steeldefect.pictures.run_lengths import Mask
from steeldefect.review.drawing.lettering import INK, TEXT, font
from steeldefect.review.drawing.scale_bar import choose_scale_bar
from steeldefect.review.drawing.tags import Labelled, place_tags

WIDTH = 880
"""Width of a plate in pixels."""
QUALITY = 80
"""JPEG quality of a plate."""

_TALLEST = 640  # pixels of the whole picture
_ASPECT = 2.4  # width / height of the enlarged part
_ROOM = 1.6  # side of the enlarged part / side of the defect
_FINEST = 4.0  # pixels of the plate for one pixel of the picture
_NOTABLE = 0.3  # a defect of this share of the width needs no enlargement
_BAR, _GAP, _NUMBER = 30, 6, 15
_BETWEEN = (92, 86, 80)  # between the parts; blue, green, red
_PAPER = (255, 255, 255)
_OTHER = (255, 255, 255)  # outlines of the second bundle


@dataclass(frozen=True)
class Outline:
    """One mask to outline.

    Attributes:
        runs: run lengths, as in the table `defects`.
        class_id: id of its class; None for what a second bundle found.
        number: number beside it; None for none.
    """

    runs: str
    class_id: int | None
    number: int | None = None


@dataclass(frozen=True)
class Box:
    """A part of a picture in pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.bottom - self.top


def draw_plate(
    picture: Gray,
    outlines: Sequence[Outline],
    focus: Box | None,
    pixel_mm: tuple[float, float] | None,
) -> bytes:
    """Draw a plate, and return it as a JPEG file.

    Args:
        picture: uint8 (height, width).
        outlines: what is drawn on it.
        focus: box of the defect that is enlarged; None for none.
        pixel_mm: width and height of a pixel; None if unknown.

    Raises:
        RunLengthError: a mask does not lie inside the picture.
    """
    height, width = picture.shape
    masks = [run_lengths.decode(one.runs, (height, width)) for one in outlines]
    whole = Box(0, 0, width, height)
    scale = min(WIDTH / width, _TALLEST / height)
    near = None if focus is None else _part(focus, whole, scale)
    parts = [_drawn(picture, masks, outlines, whole, scale, numbered=near is None)]
    shown, its_scale = whole, scale
    if near is not None:
        _frame(parts[0], near, scale)
        shown, its_scale = near, WIDTH / near.width
        parts.append(_drawn(picture, masks, outlines, near, its_scale, numbered=True))
    if pixel_mm is not None:
        parts.append(_bar(pixel_mm, shown, its_scale))
    ok, encoded = cv2.imencode(".jpg", _stacked(parts), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not ok:
        raise ValueError("OpenCV cannot encode the drawing as JPEG")
    return bytes(encoded.tobytes())


def _part(focus: Box, whole: Box, scale: float) -> Box | None:
    """Return the part to enlarge; None if the whole picture shows the defect well."""
    if scale >= 1 and focus.width > _NOTABLE * whole.width:
        return None
    height = min(whole.height, max(focus.height * _ROOM, WIDTH / _FINEST / _ASPECT))
    width = min(whole.width, max(focus.width * _ROOM, height * _ASPECT, WIDTH / _FINEST))
    height = min(whole.height, max(height, width / _ASPECT))
    if width >= 0.9 * whole.width:
        return None
    left = _begin((focus.left + focus.right) / 2, width, whole.width)
    top = _begin((focus.top + focus.bottom) / 2, height, whole.height)
    return Box(left, top, left + round(width), top + round(height))


def _begin(centre: float, size: float, limit: int) -> int:
    return int(min(max(round(centre - size / 2), 0), limit - round(size)))


def _drawn(
    picture: Gray,
    masks: Sequence[Mask],
    outlines: Sequence[Outline],
    part: Box,
    scale: float,
    *,
    numbered: bool,
) -> Colour:
    """Draw a part of the picture with the outlines on it."""
    cut = np.s_[part.top : part.bottom, part.left : part.right]
    size = max(round(part.width * scale), 1), max(round(part.height * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    gray = cv2.resize(np.ascontiguousarray(picture[cut]), size, interpolation=how)
    pixels = np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), np.uint8)
    ink = np.zeros(pixels.shape[:2], bool)
    tagged: list[tuple[Outline, Mask]] = []
    for one, mask in zip(outlines, masks, strict=True):
        inside = mask[cut]
        if not inside.any():
            continue
        shown = cv2.resize(inside.astype(np.uint8) * np.uint8(255), size, interpolation=how) > 0
        _outline(pixels, np.asarray(shown, bool), one.class_id)
        ink |= shown
        if numbered and one.number is not None:
            tagged.append((one, inside))
    if not tagged:
        return pixels
    return _numbered(pixels, tagged, ink, scale)


def _outline(pixels: Colour, mask: Mask, class_id: int | None) -> None:
    """Draw a line around a mask: dark below, so that it stands out from any gray."""
    grown = cv2.dilate(np.pad(mask.astype(np.uint8), 3), np.ones((5, 5), np.uint8))
    found = cv2.findContours(grown, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[0]
    colour = _OTHER if class_id is None else colour_of(class_id)
    dashes = dashes_of(0) if class_id is None else dashes_of(class_id)
    for line in (one - 3 for one in found):
        cv2.polylines(pixels, [line], True, (0, 0, 0), 4, cv2.LINE_AA)
        for piece in _pieces(line, dashes):
            cv2.polylines(pixels, [piece], False, colour, 2, cv2.LINE_AA)


def _pieces(outline: Line, dashes: Sequence[int]) -> list[Line]:
    """Cut a closed outline by a pattern: lengths of dashes and gaps in turn; empty: no gap."""
    closed = np.concatenate([outline, outline[:1]])
    if not dashes:
        return [closed]
    pieces, place, turn = [], 0, 0
    while place < len(closed):
        step = dashes[turn % len(dashes)]
        if turn % 2 == 0:
            pieces.append(closed[place : place + step + 1])
        place, turn = place + step, turn + 1
    return pieces


def _numbered(
    pixels: Colour, tagged: Sequence[tuple[Outline, Mask]], ink: npt.NDArray[np.bool_], scale: float
) -> Colour:
    """Write the number of each defect beside it."""
    face = font(_NUMBER, "-Bold")
    labelled = [
        Labelled(
            run_lengths.parse(run_lengths.encode(mask)),
            (round(face.getlength(str(one.number))) + 9, _NUMBER + 6),
        )
        for one, mask in tagged
    ]
    tags = place_tags(labelled, ink, tagged[0][1].shape[0], scale)
    body = Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
    pen = ImageDraw.Draw(body)
    for (one, _), tag in zip(tagged, tags, strict=True):
        blue, green, red = _OTHER if one.class_id is None else colour_of(one.class_id)
        centre = (tag.left + tag.right) // 2, (tag.top + tag.bottom) // 2
        pen.line((*centre, *tag.anchor), (red, green, blue), 2)
        box = (tag.left, tag.top, tag.right - 1, tag.bottom - 1)
        pen.rectangle(box, fill=_PAPER, outline=(red, green, blue), width=2)
        pen.text(centre, str(one.number), INK, face, anchor="mm")
    return np.ascontiguousarray(np.asarray(body)[:, :, ::-1])


def _frame(pixels: Colour, part: Box, scale: float) -> None:
    """Mark on the whole picture which part is enlarged."""
    first = round(part.left * scale), round(part.top * scale)
    last = round(part.right * scale) - 1, round(part.bottom * scale) - 1
    cv2.rectangle(pixels, first, last, (0, 0, 0), 3)
    cv2.rectangle(pixels, first, last, _PAPER, 1)


def _bar(pixel_mm: tuple[float, float], part: Box, scale: float) -> Colour:
    """Draw a scale bar, in millimetres along the rows of the picture."""
    bar = choose_scale_bar(pixel_mm[0] / scale, WIDTH // 4)
    sheet = Image.new("RGB", (WIDTH, _BAR), _PAPER)
    pen = ImageDraw.Draw(sheet)
    middle = _BAR // 2
    pen.line((10, middle, 10 + bar.pixels, middle), INK, 3)
    for end in (10, 10 + bar.pixels):
        pen.line((end, middle - 6, end, middle + 6), INK, 3)
    text = f"{bar.millimetres:g} mm"
    if abs(pixel_mm[0] - pixel_mm[1]) > 0.005 * pixel_mm[0]:
        upright = bar.millimetres * pixel_mm[1] / pixel_mm[0]
        text += f" from left to right; the same length upright is {upright:.3g} mm"
    pen.text((22 + bar.pixels, middle), text, INK, font(TEXT - 2), anchor="lm")
    return np.ascontiguousarray(np.asarray(sheet)[:, :, ::-1])


def _stacked(parts: Sequence[Colour]) -> Colour:
    """Put parts below each other, on a ground as wide as a plate."""
    rows: list[Colour] = []
    for part in parts:
        if rows:
            rows.append(np.full((_GAP, WIDTH, 3), _BETWEEN, np.uint8))
        left = (WIDTH - part.shape[1]) // 2
        row = np.full((part.shape[0], WIDTH, 3), _BETWEEN, np.uint8)
        row[:, left : left + part.shape[1]] = part
        rows.append(row)
    return np.concatenate(rows)

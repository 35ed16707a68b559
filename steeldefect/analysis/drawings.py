"""Draw masks over a picture, and write PNG files with the mark of this program.

Drawings go into a folder that is new or empty, or that holds only drawings, which may be replaced.
No other file is ever overwritten or deleted.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from steeldefect.errors import AlreadyExistsError
from steeldefect.pages.palette import blue_green_red, class_colour
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.new_files import Existing, new_file

Colour = npt.NDArray[np.uint8]
Line = npt.NDArray[np.int32]
"""(n, 1, 2): column and row of each point, as OpenCV takes them."""

_CAPTION_HEIGHT = 30
_GAP = 6
_WHITE = (255, 255, 255)

_MARK, _MAKER = "Software", "steeldefect overlays"  # PNG's own keyword for who made a file
_NOT_IN_NAMES = re.compile(r"[^\w .,+()=@-]")
_LONGEST_NAME = 200  # bytes, with room for a number and an ending


@dataclass(frozen=True)
class Strip:
    """One copy of the picture with masks on it.

    Attributes:
        caption: text above the copy.
        masks: runs of the mask, by class id.
        names: name of the class, by class id.
    """

    caption: str
    masks: dict[int, run_lengths.Runs]
    names: dict[int, str]


def earlier_drawings(folder: Path) -> list[Path]:
    """List the drawings in a folder; the folder need not exist.

    Raises:
        AlreadyExistsError: the path is not a folder, or the folder holds a visible file that is
            not a drawing.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise AlreadyExistsError(f"{folder} is not a folder; name a new folder")
    found = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    for path in found:
        if not _is_drawing(path):
            raise AlreadyExistsError(
                f"{folder} holds {path.name}, which this command did not draw; name a new folder, "
                "or empty this one"
            )
    return found


def _is_drawing(path: Path) -> bool:
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            return bool(picture.info.get(_MARK) == _MAKER)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # no PNG, or damaged
        return False


def save_drawing(sheet: Colour, path: Path, existing: Existing) -> None:
    """Write a sheet as PNG, with this program's mark.

    Args:
        sheet: result of `sheet_of`, uint8 (rows, width, 3), blue green red.
        path: path of the file.
        existing: whether an existing file is replaced or kept.

    Raises:
        AlreadyExistsError: the file exists, and `existing` keeps it.
        OSError: the file cannot be written.
    """
    mark = PngInfo()
    mark.add_text(_MARK, _MAKER)
    with new_file(path, existing) as staged:
        Image.fromarray(sheet[:, :, ::-1]).save(staged, format="PNG", pnginfo=mark)


def free_path(folder: Path, key: str, taken: list[Path]) -> Path:
    """Return a path named after the picture; a number makes it differ from `taken`."""
    stem = _NOT_IN_NAMES.sub("_", Path(key).stem).lstrip(".") or "picture"
    stem = stem.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return next(path for name in _numbered(stem) if (path := folder / f"{name}.png") not in taken)


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    yield from (f"{stem}-{number}" for number in itertools.count(2))


def sheet_of(picture: Gray, strips: list[Strip]) -> Colour:
    """Return captioned copies of the picture, stacked: uint8 (rows, width, 3), blue green red."""
    width = max(picture.shape[1], 900)
    rows: list[Colour] = []
    for strip in strips:
        rows += [_caption(strip, width), _masked(picture, strip.masks, width)]
        rows.append(np.full((_GAP, width, 3), 255, np.uint8))
    return np.concatenate(rows)


def _masked(picture: Gray, masks: dict[int, run_lengths.Runs], width: int) -> Colour:
    """Tint all masks, then outline them and their holes: no tint may hide an outline."""
    drawn = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    full = {one: run_lengths.to_mask(runs, picture.shape) for one, runs in masks.items()}
    tint_masks(drawn, full, 0.35)
    for class_id, mask in full.items():
        cv2.drawContours(drawn, outlines_of(mask), -1, colour_of(class_id), 2)
    missing = width - drawn.shape[1]
    return np.pad(drawn, ((0, 0), (0, missing), (0, 0)), constant_values=255)


def tint_masks(drawn: Colour, masks: Mapping[int, run_lengths.Mask], strength: float) -> None:
    """Colour the masks of classes on a drawing.

    Args:
        drawn: uint8 (height, width, 3), blue green red; it is changed.
        masks: bool (height, width), by class id.
        strength: share of the colour, 0 to 1; the rest is the drawing as it was.
    """
    for class_id, mask in masks.items():
        tint = strength * np.array(colour_of(class_id))
        drawn[mask] = ((1 - strength) * drawn[mask] + tint).astype(np.uint8)


def outlines_of(mask: run_lengths.Mask) -> Sequence[Line]:
    """Return the border pixels of the regions of a mask, and of their holes, each in order."""
    found = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines: Sequence[Line] = found[0]
    return outlines


def _caption(strip: Strip, width: int) -> Colour:
    """Write the picture's name and verdict, then each class beside its colour."""
    caption = np.full((_CAPTION_HEIGHT, width, 3), _WHITE, np.uint8)
    left = _write(caption, strip.caption, 8)
    for class_id, name in strip.names.items():
        left += 24
        cv2.rectangle(caption, (left, 8), (left + 14, 22), colour_of(class_id), -1)
        left = _write(caption, name, left + 20)
    return caption


def _write(caption: Colour, text: str, left: int) -> int:
    """Write text into a caption, and return the column where it ends, in pixels."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.55
    cv2.putText(caption, text, (left, 21), font, size, (40, 40, 40), 1, cv2.LINE_AA)
    return left + int(cv2.getTextSize(text, font, size, 1)[0][0])


def colour_of(class_id: int) -> tuple[int, int, int]:
    """Return the colour of a class: blue, green, red."""
    return blue_green_red(class_colour(class_id))

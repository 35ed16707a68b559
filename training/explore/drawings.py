"""Draw the pictures of the page: samples of each class with outlines, and sets of duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.errors import StoreError
from steeldefect.pages.markup import Drawing
from steeldefect.pages.palette import blue_green_red, class_colour
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray
from training.explore.findings import Findings
from training.explore.masks import MaskFacts
from training.explore.pictures import read_picture

FOLDER = "pictures"

_WIDE = 2.0  # with at least this ratio of width to height, the outlines are below the picture
_GAP = 6
_TINT = 0.2
_QUANTILES = (0.1, 0.5, 0.9, 1.0)  # of the area: small, usual, large, the largest
_CLEAN_SAMPLES = 4
_SETS_SHOWN, _MEMBERS_SHOWN = 10, 6
_THUMBNAIL = 360

Colour = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Drawings:
    """All pictures of the page.

    Attributes:
        samples: pictures by class id.
        clean: clean pictures.
        duplicates: pictures of each set of duplicates.
    """

    samples: dict[int, list[Drawing]]
    clean: list[Drawing]
    duplicates: list[list[Drawing]]


def draw(findings: Findings, out: Path) -> Drawings:
    """Choose pictures and write them as JPEG files under `out/pictures`.

    Raises:
        StoreError: a file cannot be written.
        OSError: the folder cannot be created.
    """
    if not findings.pictures:
        return Drawings({}, [], [])
    (out / FOLDER).mkdir(exist_ok=True)
    return Drawings(
        samples={number: _samples(findings, number, out) for number in findings.class_names},
        clean=_clean_samples(findings, out),
        duplicates=_duplicate_sets(findings, out),
    )


def _samples(findings: Findings, class_id: int, out: Path) -> list[Drawing]:
    found = [one for one in findings.masks.sound if one.class_id == class_id]
    drawings = []
    for turn, mask in enumerate(_by_area([m for m in found if m.name in findings.pictures]), 1):
        gray = read_picture(findings.source.pictures[mask.name])
        others = findings.masks_by_picture[mask.name]
        names = [findings.class_names[number] for number in others if number != class_id]
        share = "" if mask.share is None else f", {100 * mask.share:.3g}% of the picture"
        beside = f"; with {', '.join(names)}" if names else ""
        drawings.append(
            _write(
                out,
                f"class_{class_id}_{turn}",
                _side_by_side(gray, _outlined(gray, others.values())),
                mask.name,
                f"{mask.area:,} pixels{share}{beside}",
            )
        )
    return drawings


def _by_area(masks: Sequence[MaskFacts]) -> list[MaskFacts]:
    """Choose masks at fixed quantiles of the area; equal masks give the same choice."""
    ordered = sorted(masks, key=lambda one: (one.area, one.name))
    places = {round(quantile * (len(ordered) - 1)) for quantile in _QUANTILES} if ordered else set()
    return [ordered[place] for place in sorted(places)]


def _clean_samples(findings: Findings, out: Path) -> list[Drawing]:
    clean = [name for name in findings.pictures if findings.verdicts[name].defective is False]
    chosen = clean[:: max(1, len(clean) // _CLEAN_SAMPLES)][:_CLEAN_SAMPLES]
    return [
        _write(out, f"clean_{turn}", read_picture(findings.source.pictures[name]), name, "")
        for turn, name in enumerate(chosen, 1)
    ]


def _duplicate_sets(findings: Findings, out: Path) -> list[list[Drawing]]:
    meaning = {True: "defective", False: "clean", None: "not stated"}
    sets = []
    for number, found in enumerate(findings.duplicates[:_SETS_SHOWN], 1):
        drawings = []
        for turn, name in enumerate(found.names[:_MEMBERS_SHOWN], 1):
            small = _shrunk(read_picture(findings.source.pictures[name]), _THUMBNAIL)
            caption = meaning[findings.verdicts[name].defective]
            drawings.append(_write(out, f"set_{number}_{turn}", small, name, caption))
        sets.append(drawings)
    return sets


def _outlined(gray: Gray, masks: Iterable[MaskFacts]) -> Colour:
    drawn: Colour = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    for mask in masks:
        inside = run_lengths.to_mask(mask.runs, (gray.shape[0], gray.shape[1]))
        colour = blue_green_red(class_colour(mask.class_id))
        tinted = (1 - _TINT) * drawn[inside] + _TINT * np.array(colour)
        drawn[inside] = tinted.astype(np.uint8)
        outlines = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[
            0
        ]
        cv2.drawContours(drawn, outlines, -1, colour, max(1, round(max(gray.shape) / 500)))
    return drawn


def _side_by_side(gray: Gray, outlined: Colour) -> Colour:
    plain = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    height, width = gray.shape
    if width >= _WIDE * height:
        gap = np.full((_GAP, width, 3), 255, np.uint8)
        return np.concatenate([plain, gap, outlined])
    gap = np.full((height, _GAP, 3), 255, np.uint8)
    return np.concatenate([plain, gap, outlined], axis=1)


def _shrunk(gray: Gray, longer_side: int) -> Gray:
    height, width = gray.shape
    scale = min(1.0, longer_side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk: Gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return shrunk


def _write(out: Path, stem: str, picture: Gray | Colour, name: str, caption: str) -> Drawing:
    relative = f"{FOLDER}/{stem}.jpg"
    if not cv2.imwrite(str(out / relative), picture, [cv2.IMWRITE_JPEG_QUALITY, 88]):
        raise StoreError(f"cannot write {out / relative}")
    height, width = picture.shape[:2]
    return Drawing(relative, name, caption, wide=width >= _WIDE * height)

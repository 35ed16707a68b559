"""Draw predicted masks over pictures, and true masks on a second copy, for people to look at.

Each drawing carries the mark of this program. The folder for drawings must be new or empty, or hold
nothing but drawings, which are replaced. Nothing else is ever overwritten or deleted.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from steeldefect.analysis.sql import choose_bundle, opened_database
from steeldefect.analysis.truth import match, pair_masks, read_predictions, read_truth
from steeldefect.errors import AlreadyExistsError, TableError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.new_files import Existing, new_file
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store

Colour = npt.NDArray[np.uint8]

# one colour for each class, distinct for colour-blind people too (Okabe and Ito, 2008); BGR order
_PALETTE = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)
_CAPTION_HEIGHT = 30
_GAP = 6
_WHITE = (255, 255, 255)

_MARK, _MAKER = "Software", "steeldefect overlays"  # PNG's keyword for the program that wrote it
_NOT_IN_NAMES = re.compile(r"[^\w .,+()=@-]")
_LONGEST_NAME = 200  # bytes; leaves room for a number and the ending


@dataclass(frozen=True)
class _Strip:
    """One copy of the picture with masks drawn on it."""

    caption: str
    masks: dict[int, run_lengths.Runs]
    names: dict[int, str]


def draw_overlays(
    store: Store,
    settings: ScoreSettings,
    truth_uri: str | None,
    folder: Path,
    count: int,
    bundle: str | None = None,
) -> list[Path]:
    """Draw the pictures with the largest masks, predicted or true, of each class in turn.

    Args:
        store: store that holds the tables.
        settings: how the pictures' store is reached, and the limits for decoding.
        truth_uri: address of the CSV of true masks, which are drawn on a second copy below the
            first; None to draw predicted masks only.
        folder: folder for the PNG files; drawings of an earlier call are replaced.
        count: largest number of pictures that are drawn.
        bundle: digest of a bundle, or the digest's first characters; None for the latest bundle
            that scored.

    Returns:
        Paths of the drawings.

    Raises:
        TableError: no picture has a mask.
        StoreError: a picture cannot be read, or a drawing cannot be written.
        AlreadyExistsError: the folder holds something that is not a drawing.
    """
    with opened_database(store) as connection:
        predictions = read_predictions(connection, choose_bundle(connection, bundle))
    pairs = _pairs(predictions.images, predictions.findings)
    if truth_uri is not None:
        truth = read_truth(truth_uri, None, settings.s3)
        pairs = pair_masks(match(predictions, truth), truth)
    chosen = _choose_pictures(pairs, count)
    if not chosen:
        raise TableError(f"no picture to draw at {store.uri}: no picture has a mask")
    earlier = _earlier_drawings(folder)
    paths: list[Path] = []
    for source, key in chosen:
        rows = pairs[(pairs["source"] == source) & (pairs["key"] == key)]
        data = open_store(source, settings.s3).read(key)
        picture = decode_gray(data, DecodeLimits(settings.max_picture_pixels))
        path = _free_path(folder, key, paths)
        _save(_sheet(picture, _strips(rows, predictions.classes, key)), path)
        paths.append(path)
    for path in earlier:
        if path not in paths:
            path.unlink(missing_ok=True)
    return paths


def _earlier_drawings(folder: Path) -> list[Path]:
    """List the drawings in a folder, which need not exist.

    Raises:
        AlreadyExistsError: the folder holds something else; hidden files do not count.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise AlreadyExistsError(f"{folder} is not a folder; name a new one")
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
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # not PNG, or damaged
        return False


def _save(sheet: Colour, path: Path) -> None:
    mark = PngInfo()
    mark.add_text(_MARK, _MAKER)
    with new_file(path, Existing.REPLACE) as staged:
        Image.fromarray(sheet[:, :, ::-1]).save(staged, format="PNG", pnginfo=mark)


def _free_path(folder: Path, key: str, taken: list[Path]) -> Path:
    """Return a path named after the picture; pictures of the same name are numbered."""
    stem = _NOT_IN_NAMES.sub("_", Path(key).stem).lstrip(".") or "picture"
    stem = stem.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return next(path for name in _numbered(stem) if (path := folder / f"{name}.png") not in taken)


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    yield from (f"{stem}-{number}" for number in itertools.count(2))


def _pairs(images: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    joined = images.merge(findings, on=["source", "key", "run_id"])
    return joined.rename(columns={"run_lengths": "found"})


def _choose_pictures(pairs: pd.DataFrame, count: int) -> list[tuple[str, str]]:
    """Return source and key of the pictures to draw: classes in turn, largest masks first."""
    columns = [name for name in ("found", "truth") if name in pairs]
    drawn = pairs[(pairs[columns] != "").any(axis=1)]
    drawn = drawn.assign(area=drawn[columns].map(_area).max(axis=1))
    drawn = drawn.sort_values("area", ascending=False)
    drawn = drawn.assign(turn=drawn.groupby("class_id").cumcount()).sort_values(
        "turn", kind="stable"
    )
    chosen = drawn.drop_duplicates(["source", "key"]).head(count)
    return list(zip(chosen["source"], chosen["key"], strict=True))


def _area(text: str) -> int:
    return run_lengths.area(run_lengths.parse(text))


def _strips(rows: pd.DataFrame, classes: dict[int, str], key: str) -> list[_Strip]:
    probability = rows["gate_probability"].iloc[0]
    verdict = rows["verdict"].iloc[0]
    gate = "" if pd.isna(probability) else f", gate {probability:.3f}"
    strips = []
    for column, what in (("found", "found"), ("truth", "truth")):
        if column not in rows:
            continue
        drawn = rows[rows[column] != ""]
        masks = {
            int(class_id): run_lengths.parse(text)
            for class_id, text in zip(drawn["class_id"], drawn[column], strict=True)
        }
        note = f" ({verdict}{gate})" if what == "found" else ""
        nothing = "" if masks else " nothing"
        names = {one: classes.get(one, f"class {one}") for one in masks}
        strips.append(_Strip(f"{key}: {what}{nothing}{note}", masks, names))
    return strips


def _sheet(picture: Gray, strips: list[_Strip]) -> Colour:
    """Stack copies of the picture with their captions: uint8 (rows, width, 3), BGR."""
    width = max(picture.shape[1], 900)
    rows: list[Colour] = []
    for strip in strips:
        rows += [_caption(strip, width), _masked(picture, strip.masks, width)]
        rows.append(np.full((_GAP, width, 3), 255, np.uint8))
    return np.concatenate(rows)


def _masked(picture: Gray, masks: dict[int, run_lengths.Runs], width: int) -> Colour:
    """Tint all masks, then draw all outlines (holes too), so that no mask hides an outline."""
    drawn = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    full = {one: run_lengths.to_mask(runs, picture.shape) for one, runs in masks.items()}
    for class_id, mask in full.items():
        tint = 0.35 * np.array(_colour(class_id))
        drawn[mask] = (0.65 * drawn[mask] + tint).astype(np.uint8)
    for class_id, mask in full.items():
        contours = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours[0], -1, _colour(class_id), 2)
    missing = width - drawn.shape[1]
    return np.pad(drawn, ((0, 0), (0, missing), (0, 0)), constant_values=255)


def _caption(strip: _Strip, width: int) -> Colour:
    """Draw the strip's caption, then each class beside its colour."""
    caption = np.full((_CAPTION_HEIGHT, width, 3), _WHITE, np.uint8)
    left = _write(caption, strip.caption, 8)
    for class_id, name in strip.names.items():
        left += 24
        cv2.rectangle(caption, (left, 8), (left + 14, 22), _colour(class_id), -1)
        left = _write(caption, name, left + 20)
    return caption


def _write(caption: Colour, text: str, left: int) -> int:
    """Write text into a caption, and return where it ends, in pixels from the left."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.55
    cv2.putText(caption, text, (left, 21), font, size, (40, 40, 40), 1, cv2.LINE_AA)
    return left + int(cv2.getTextSize(text, font, size, 1)[0][0])


def _colour(class_id: int) -> tuple[int, int, int]:
    return _PALETTE[(class_id - 1) % len(_PALETTE)]

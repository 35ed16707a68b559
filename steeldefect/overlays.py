"""Draws found masks (and true ones below) over pictures, for people to look at."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect import rle
from steeldefect.errors import StoreError, TableError
from steeldefect.imaging import DecodeLimits, decode_gray
from steeldefect.preprocessing import Gray
from steeldefect.query import choose_bundle, open_database
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store
from steeldefect.truth import match, pair_masks, read_answers, read_truth

Colour = npt.NDArray[np.uint8]

# one colour a class, told apart by colour-blind eyes too (Okabe and Ito, 2008); blue, green, red
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


@dataclass(frozen=True)
class _Strip:
    """One copy of the picture with masks on it."""

    caption: str
    masks: dict[int, rle.Runs]


def draw_overlays(
    store: Store, settings: ScoreSettings, truth_uri: str | None, folder: Path, count: int
) -> list[Path]:
    """Draw the pictures with the largest masks, and those whose masks the gate kept back.

    Args:
        store: the tables.
        settings: say how the pictures' own store is reached, and what is decoded.
        truth_uri: CSV of true masks; drawn as a second strip below the found ones.
        folder: PNG files go here.
        count: how many pictures.

    Raises:
        TableError: nothing to draw.
        StoreError: a picture cannot be read, or a drawing not be written.
    """
    connection = open_database(store)
    answers = read_answers(connection, choose_bundle(connection, None))
    pairs = _pairs(answers.images, answers.predictions)
    if truth_uri is not None:
        truth = read_truth(truth_uri, None, settings.s3)
        pairs = pair_masks(match(answers, truth), truth)
    shown = _most_telling(pairs, count)
    if not shown:
        raise TableError(f"no picture to draw at {store.uri}: nothing was found on any")
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for source, key in shown:
        rows = pairs[(pairs["source"] == source) & (pairs["key"] == key)]
        data = open_store(source, settings.s3).read(key)
        picture = decode_gray(data, DecodeLimits(settings.max_picture_pixels))
        path = _free_path(folder, Path(key).stem, paths)
        if not cv2.imwrite(str(path), _sheet(picture, _strips(rows, answers.classes, key))):
            raise StoreError(f"cannot write {path}")
        paths.append(path)
    return paths


def _free_path(folder: Path, stem: str, taken: list[Path]) -> Path:
    """Name a file after its picture; pictures of one name are numbered."""
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(path for name in names if (path := folder / f"{name}.png") not in taken)


def _pairs(images: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    joined = images.merge(predictions, on=["source", "key", "run_id"])
    return joined.rename(columns={"run_lengths": "found"})


def _most_telling(pairs: pd.DataFrame, count: int) -> list[tuple[str, str]]:
    """Choose pictures: every class in turn, those with the longest run lengths first."""
    columns = [name for name in ("found", "truth") if name in pairs]
    drawn = pairs[(pairs[columns] != "").any(axis=1)]
    drawn = drawn.assign(length=drawn[columns].apply(lambda column: column.str.len()).max(axis=1))
    drawn = drawn.sort_values("length", ascending=False)
    drawn = drawn.assign(turn=drawn.groupby("class_id").cumcount()).sort_values(
        "turn", kind="stable"
    )
    chosen = drawn.drop_duplicates(["source", "key"]).head(count)
    return list(zip(chosen["source"], chosen["key"], strict=True))


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
            int(class_id): rle.parse(text)
            for class_id, text in zip(drawn["class_id"], drawn[column], strict=True)
        }
        names = ", ".join(classes.get(one, f"class {one}") for one in masks) or "nothing"
        note = f" ({verdict}{gate})" if what == "found" else ""
        strips.append(_Strip(f"{key}: {what} {names}{note}", masks))
    return strips


def _sheet(picture: Gray, strips: list[_Strip]) -> Colour:
    """Stack captioned copies of the picture: uint8 (rows, width, 3), blue green red."""
    width = max(picture.shape[1], 900)
    rows: list[Colour] = []
    for strip in strips:
        rows += [_caption(strip, width), _masked(picture, strip.masks, width)]
        rows.append(np.full((_GAP, width, 3), 255, np.uint8))
    return np.concatenate(rows)


def _masked(picture: Gray, masks: dict[int, rle.Runs], width: int) -> Colour:
    drawn = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    for class_id, runs in masks.items():
        mask = rle.to_mask(runs, picture.shape).astype(np.uint8)
        colour = _PALETTE[(class_id - 1) % len(_PALETTE)]
        inside = mask == 1
        drawn[inside] = (0.65 * drawn[inside] + 0.35 * np.array(colour)).astype(np.uint8)
        outlines = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
        cv2.drawContours(drawn, outlines, -1, colour, 2)
    missing = width - drawn.shape[1]
    return np.pad(drawn, ((0, 0), (0, missing), (0, 0)), constant_values=255)


def _caption(strip: _Strip, width: int) -> Colour:
    caption = np.full((_CAPTION_HEIGHT, width, 3), _WHITE, np.uint8)
    left = 8
    for class_id in strip.masks:
        colour = _PALETTE[(class_id - 1) % len(_PALETTE)]
        cv2.rectangle(caption, (left, 8), (left + 14, 22), colour, -1)
        left += 20
    cv2.putText(
        caption,
        strip.caption,
        (left + 4, 21),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.55,
        (40, 40, 40),
        1,
        cv2.LINE_AA,
    )
    return caption

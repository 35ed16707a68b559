"""Kaggle: `train.csv` with run lengths, one row for each picture and class.

A row with an empty cell states that the class is absent, so clean pictures are in the file, too.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from steeldefect.errors import DataError
from steeldefect.labels.label_csv import EXCEL_CELL
from steeldefect.labels.label_files import MASKS_FILE, read_masks
from steeldefect.pictures import run_lengths
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats.exchange import (
    Drawing,
    Exported,
    Lost,
    ReadPicture,
    Shape,
    read_bytes,
    require_file,
)

FILE = MASKS_FILE


def write(folder: Path, pictures: Sequence[AnnotatedPicture], classes: Mapping[int, str]) -> Lost:
    """Write `train.csv`.

    Args:
        folder: folder of the export.
        pictures: the pictures with their masks.
        classes: class names, by id.

    Returns:
        Nothing is lost.
    """
    with (folder / FILE).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("ImageId", "ClassId", "EncodedPixels"))
        for picture in pictures:
            for class_id in sorted(classes):
                rows.writerow((picture.name, class_id, _cell(picture, class_id)))
    return Lost()


def read(path: Path, shapes: Mapping[str, Shape], classes: Mapping[int, str]) -> list[ReadPicture]:
    """Read a masks file; all pictures that it names are reviewed.

    Args:
        path: the file, or the folder of `train.csv`.
        shapes: height and width of the exported pictures, by name.
        classes: class names, by id.

    Raises:
        DataError: the file is not a masks file, or does not match the export.
    """
    file = require_file(path, FILE)
    exported = Exported(str(file), shapes, classes)
    pictures: dict[str, ReadPicture] = {}
    for row in read_masks(read_bytes(file), str(file)).itertuples():
        with exported.at(f"line {row.line}"):
            name, class_id = str(row.ImageId), int(str(row.ClassId))
            drawing = exported.open_drawing(name)
            _draw(class_id, str(row.EncodedPixels), drawing, classes)
        pictures[name] = _joined(pictures.get(name), drawing.finish())
    exported.refuse_twice(list(pictures.values()))
    return list(pictures.values())


def _draw(class_id: int, text: str, drawing: Drawing, classes: Mapping[int, str]) -> None:
    if class_id not in classes:
        known = ", ".join(map(str, classes))
        raise DataError(f"the class {class_id} is unknown; use one of {known}")
    runs = run_lengths.parse(text, drawing.shape)
    if len(runs):
        drawing.add(class_id, run_lengths.to_mask(runs, drawing.shape))


def _joined(before: ReadPicture | None, row: ReadPicture) -> ReadPicture:
    """Join the rows of a picture; each has a class of its own."""
    if before is None:
        return row
    masks = {**before.picture.masks, **row.picture.masks}
    return ReadPicture(replace(row.picture, masks=masks))


def _cell(picture: AnnotatedPicture, class_id: int) -> str:
    text = run_lengths.to_text(picture.masks[class_id]) if class_id in picture.masks else ""
    # a cell of exactly this length looks as if Excel had cut it
    return text.replace(" ", "  ", 1) if len(text) == EXCEL_CELL else text

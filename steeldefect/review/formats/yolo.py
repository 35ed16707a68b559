"""YOLO: one polygon for each region, in `labels/STEM.txt`, and `data.yaml` with the classes.

A polygon goes from pixel to pixel and belongs to the region itself. Readers multiply by the size of
the picture; then Ultralytics cuts the decimals off, and supervision rounds. A quarter of a pixel
behind each pixel's corner, both find the same pixel. Polygons lose holes: they come back filled.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from steeldefect.errors import DataError
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats.exchange import (
    Drawing,
    Exported,
    Lost,
    ReadPicture,
    Shape,
    read_bytes,
    shown,
    stem,
)
from steeldefect.review.formats.mask_regions import MaskRegion, regions_of
from steeldefect.review.formats.polygons import (
    Points,
    count_lost,
    fill_pixel_outline,
    pixel_outline,
)

DATA_FILE = "data.yaml"
FOLDER = "labels"

_BEHIND_CORNER = 0.25  # pixels
_INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)
_BOX_VALUES = 5  # class, centre, width and height


def write(folder: Path, pictures: Sequence[AnnotatedPicture], classes: Mapping[int, str]) -> Lost:
    """Write the polygons; a clean picture gets an empty file.

    Args:
        folder: folder of the export.
        pictures: the pictures with their masks.
        classes: class names, by id. YOLO numbers them anew, from 0.

    Returns:
        The holes, and the pixels in them.

    Raises:
        DataError: two pictures would get the same file.
    """
    _names_by_stem(one.name for one in pictures)
    indices = {class_id: index for index, class_id in enumerate(sorted(classes))}
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    names = {index: classes[class_id] for class_id, index in indices.items()}
    content = {"train": "images", "val": "images", "names": names}
    (folder / DATA_FILE).write_text(
        yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    lost = Lost()
    for picture in pictures:
        lines = [_line(region, picture, indices) for region in regions_of(picture)]
        file = folder / FOLDER / f"{stem(picture.name)}.txt"
        file.write_text("".join(lines), encoding="ascii")
        lost += count_lost(picture, _outline, fill_pixel_outline)
    return lost


def read(path: Path, shapes: Mapping[str, Shape], classes: Mapping[int, str]) -> list[ReadPicture]:
    """Read polygons; all pictures that have a file are reviewed, those with an empty one are clean.

    Args:
        path: folder of `data.yaml` and `labels`, which may have folders in it.
        shapes: height and width of the exported pictures, by name.
        classes: class names, by id.

    Raises:
        DataError: a file is not of this format, or does not match the export.
    """
    names = _class_names(path / DATA_FILE)
    if not (path / FOLDER).is_dir():
        raise DataError(f"{path} has no folder {FOLDER}; give the folder that the tool exported")
    names_by_stem = _names_by_stem(shapes)
    pictures = []
    for file in sorted((path / FOLDER).rglob("*.txt")):
        exported = Exported(str(file), shapes, classes)
        if file.stem not in names_by_stem:
            raise DataError(f"{file} is not of an exported picture; remove the file")
        name = names_by_stem[file.stem]
        drawing = Drawing(name, shapes[name])
        for number, line in _lines(file):
            with exported.at(f"line {number}"):
                _draw(line.split(), drawing, names, exported)
        pictures.append(drawing.finish())
    Exported(str(path / FOLDER), shapes, classes).refuse_twice(pictures)
    return pictures


def _names_by_stem(names: Iterable[str]) -> dict[str, str]:
    """Return the picture of each file of polygons, by the file's name without extension."""
    all_names = list(names)
    counts = Counter(stem(name).casefold() for name in all_names)
    for name in all_names:
        if counts[stem(name).casefold()] > 1:
            raise DataError(
                f"YOLO tells pictures apart by their names without extension, and {shown(name)} is "
                "not the only one with its name; choose another format, or rename the picture"
            )
    return {stem(name): name for name in all_names}


def _line(region: MaskRegion, picture: AnnotatedPicture, indices: Mapping[int, int]) -> str:
    points = _outline(region) / (picture.width, picture.height)
    numbers = " ".join(f"{one:.8f}" for one in points.ravel())
    return f"{indices[region.class_id]} {numbers}\n"


def _outline(region: MaskRegion) -> Points:
    """Return the outline of a region on its picture, in pixels."""
    corner = np.array((region.box.left, region.box.top)) + _BEHIND_CORNER
    return pixel_outline(region.pixels) + corner


def _class_names(file: Path) -> dict[int, str]:
    """Read the classes' names, by YOLO's own numbers."""
    problem = f"{file} has no list of class names"
    advice = "give the file data.yaml of the export"
    try:
        content: Any = yaml.safe_load(read_bytes(file))
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError):
        raise DataError(f"{file} is not YAML; {advice}") from None
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        raise DataError(f"{problem}; {advice}")
    if not all(isinstance(key, int) and isinstance(one, str | int) for key, one in names.items()):
        raise DataError(f"{problem} by whole numbers; {advice}")
    return {number: str(name) for number, name in names.items()}


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that are not blank, with their numbers."""
    try:
        text = read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{file} is not text; export the polygons again") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line


def _draw(
    values: Sequence[str], drawing: Drawing, names: Mapping[int, str], exported: Exported
) -> None:
    if not _INDEX.fullmatch(values[0]) or int(values[0]) not in names:
        raise DataError(f"{shown(values[0])} is no class of {DATA_FILE}; give one of {list(names)}")
    if len(values) == _BOX_VALUES:
        raise DataError("this is a box; draw a polygon")
    try:
        numbers = np.array([float(one) for one in values[1:]], np.float64)
    except ValueError as error:
        raise DataError(f"{error}; export the polygons again") from None
    if numbers.size % 2:
        raise DataError("the number of coordinates is odd; export the polygons again")
    height, width = drawing.shape
    outline = numbers.reshape(-1, 2) * (width, height)
    class_id = exported.class_of(names[int(values[0])])
    drawing.add_polygon(class_id, fill_pixel_outline(outline, drawing.shape))

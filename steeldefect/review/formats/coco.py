"""COCO: `annotations.json` with compressed run lengths, one annotation for each region.

Category ids are class ids. Tools that write COCO number the categories anew (CVAT does), so a
reader goes by their names. It accepts the three forms of a segmentation: compressed run lengths,
lists of counts, and polygons.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from steeldefect.errors import DataError
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats.counts import parse_compressed, to_pixels
from steeldefect.review.formats.exchange import (
    Drawing,
    Exported,
    Lost,
    ReadPicture,
    Shape,
    read_bytes,
    require_file,
    review_extra,
)
from steeldefect.review.formats.json_files import parse_json
from steeldefect.review.formats.mask_regions import regions_of
from steeldefect.review.formats.polygons import fill_edge_outline

FILE = "annotations.json"


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _RunLengths(_Strict):
    size: tuple[int, int]
    counts: str | list[int]


class _Annotation(_Strict):
    id: int
    image_id: int
    category_id: int
    segmentation: _RunLengths | list[list[float]] | None = None


class _Image(_Strict):
    id: int
    file_name: str
    width: int
    height: int


class _Category(_Strict):
    id: int
    name: str


class _Document(_Strict):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def write(folder: Path, pictures: Sequence[AnnotatedPicture], classes: Mapping[int, str]) -> Lost:
    """Write `annotations.json`.

    Args:
        folder: folder of the export.
        pictures: the pictures with their masks.
        classes: class names, by id.

    Returns:
        Nothing is lost.

    Raises:
        SettingsError: pycocotools is not installed.
    """
    document = {
        "info": {"description": "Pictures and masks of steeldefect"},
        "licenses": [],
        "images": [
            {"id": number, "file_name": one.name, "width": one.width, "height": one.height}
            for number, one in enumerate(pictures, 1)
        ],
        "annotations": [
            {"id": number, **annotation}
            for number, annotation in enumerate(_annotations(pictures), 1)
        ],
        "categories": [
            {"id": class_id, "name": name, "supercategory": "defect"}
            for class_id, name in sorted(classes.items())
        ],
    }
    (folder / FILE).write_text(json.dumps(document), encoding="utf-8")
    return Lost()


def read(path: Path, shapes: Mapping[str, Shape], classes: Mapping[int, str]) -> list[ReadPicture]:
    """Read a COCO file; all pictures that it lists are reviewed.

    Args:
        path: the file, or the folder of `annotations.json`.
        shapes: height and width of the exported pictures, by name.
        classes: class names, by id.

    Raises:
        DataError: the file is not COCO, or does not match the export.
        SettingsError: the file has polygons, and pycocotools is not installed.
    """
    file = require_file(path, FILE)
    exported = Exported(str(file), shapes, classes)
    document = parse_json(_Document, read_bytes(file), f"{file} is not COCO")
    categories = _names_by_id(document, exported)
    annotations = _by_image(document, exported)
    pictures = []
    for image in document.images:
        with exported.at(f"image {image.id}"):
            drawing = exported.open_drawing(image.file_name, (image.height, image.width))
        for annotation in annotations[image.id]:
            with exported.at(f"annotation {annotation.id}"):
                _draw(annotation, drawing, categories, exported)
        pictures.append(drawing.finish())
    exported.refuse_twice(pictures)
    return pictures


def _annotations(pictures: Sequence[AnnotatedPicture]) -> Iterator[dict[str, Any]]:
    with review_extra():
        from pycocotools import mask as coco_masks
    for number, picture in enumerate(pictures, 1):
        for region in regions_of(picture):
            encoded = coco_masks.encode(
                np.asfortranarray(region.on_picture(picture.shape), np.uint8)
            )
            top, left, bottom, right = region.box
            yield {
                "image_id": number,
                "category_id": region.class_id,
                "segmentation": {
                    "size": list(picture.shape),
                    "counts": encoded["counts"].decode("ascii"),
                },
                "area": int(region.pixels.sum()),
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": 0,
            }


def _names_by_id(document: _Document, exported: Exported) -> dict[int, str]:
    names: dict[int, str] = {}
    for category in document.categories:
        with exported.at(f"category {category.id}"):
            if category.id in names:
                raise DataError("two categories have this id; export the annotations again")
        names[category.id] = category.name
    return names


def _by_image(document: _Document, exported: Exported) -> dict[int, list[_Annotation]]:
    """Return the annotations of each image, by the image's id."""
    annotations: dict[int, list[_Annotation]] = {}
    for image in document.images:
        with exported.at(f"image {image.id}"):
            if image.id in annotations:
                raise DataError("two images have this id; export the annotations again")
        annotations[image.id] = []
    for annotation in document.annotations:
        with exported.at(f"annotation {annotation.id}"):
            if annotation.image_id not in annotations:
                raise DataError(
                    f"there is no image {annotation.image_id}; export the annotations again"
                )
        annotations[annotation.image_id].append(annotation)
    return annotations


def _draw(
    annotation: _Annotation, drawing: Drawing, categories: Mapping[int, str], exported: Exported
) -> None:
    if annotation.category_id not in categories:
        raise DataError(
            f"there is no category {annotation.category_id}; export the annotations again"
        )
    class_id = exported.class_of(categories[annotation.category_id])
    segmentation = annotation.segmentation
    if not segmentation:
        raise DataError("it has no segmentation; draw a mask or a polygon, a box is not enough")
    if isinstance(segmentation, list):
        for polygon in segmentation:
            if len(polygon) % 2:
                raise DataError("a polygon has an odd number of coordinates; draw it again")
            points = np.array(polygon, np.float64).reshape(-1, 2)
            drawing.add_polygon(class_id, fill_edge_outline(points, drawing.shape))
        return
    exported.check_size(drawing.name, segmentation.size)
    counts = segmentation.counts
    height, width = drawing.shape
    numbers = parse_compressed(counts) if isinstance(counts, str) else counts
    drawing.add(class_id, to_pixels(numbers, height * width).reshape(width, height).T)

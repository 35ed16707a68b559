"""Annotation files as the formats' own libraries read them, and masks to write."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from defusedxml import ElementTree as Xml
from label_studio_converter import brush
from PIL import Image
from scipy import ndimage

from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats import Format

CLASSES = {1: "scale & 'rust'", 3: "Kratzer <quer>", 12: "inclusion"}

Masks = dict[int, Mask]
"""Masks of a picture that are not empty, by class id."""


def annotated(name: str, shape: tuple[int, int], masks: Mapping[int, Mask]) -> AnnotatedPicture:
    """Return a picture with masks; empty ones are left out."""
    runs = {number: run_lengths.from_mask(mask) for number, mask in masks.items() if mask.any()}
    return AnnotatedPicture(name, shape[1], shape[0], runs)


def masks_of(picture: AnnotatedPicture) -> Masks:
    """Return the masks of a picture."""
    return {
        number: run_lengths.to_mask(runs, picture.shape) for number, runs in picture.masks.items()
    }


def as_lists(masks: Mapping[str, Mapping[int, Mask]]) -> dict[str, dict[int, list[list[int]]]]:
    """Return masks in a form that tests can compare."""
    return {
        name: {number: mask.astype(int).tolist() for number, mask in sorted(own.items())}
        for name, own in masks.items()
    }


def regions(mask: Mask) -> list[Mask]:
    """Return the 8-connected regions of a mask, as SciPy finds them."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return [labels == number for number in range(1, count + 1)]


def filled(mask: Mask) -> Mask:
    """Return a mask whose regions have no holes."""
    return np.any([ndimage.binary_fill_holes(one) for one in regions(mask)], axis=0)


def count_holes(mask: Mask) -> int:
    """Count the holes of all regions of a mask."""
    return sum(ndimage.label(ndimage.binary_fill_holes(one) & ~one)[1] for one in regions(mask))


def review_in_label_studio(folder: Path, **stated: Any) -> None:
    """Turn the predictions of `tasks.json` into annotations, as a reviewer does."""
    file = folder / "tasks.json"
    tasks = json.loads(file.read_text(encoding="utf-8"))
    for number, task in enumerate(tasks, 1):
        result = task["predictions"][0]["result"]
        task["id"] = number
        task["annotations"] = [{"id": 10 * number, "result": result, **stated}]
    file.write_text(json.dumps(tasks), encoding="utf-8")


def read_by_own_library(
    format: Format, folder: Path, pictures: Sequence[AnnotatedPicture]
) -> dict[str, Masks]:
    """Read annotations with the format's own library.

    Args:
        format: format of the files.
        folder: folder of the export.
        pictures: the pictures that were written: their names and sizes.
    """
    return {
        name: {number: mask for number, mask in masks.items() if mask.any()}
        for name, masks in _READERS[format](folder, pictures).items()
    }


def _coco(folder: Path, pictures: Sequence[AnnotatedPicture]) -> dict[str, Masks]:
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(folder / "annotations.json")
    found: dict[str, Masks] = {one["file_name"]: {} for one in coco.imgs.values()}
    for annotation in coco.anns.values():
        assert coco.cats[annotation["category_id"]]["name"] == CLASSES[annotation["category_id"]]
        mask = coco.annToMask(annotation).astype(bool)
        assert annotation["area"] == mask.sum()
        assert annotation["bbox"] == list(cv2.boundingRect(mask.astype(np.uint8)))
        name = coco.imgs[annotation["image_id"]]["file_name"]
        _join(found[name], annotation["category_id"], mask)
    return found


def _cvat(folder: Path, pictures: Sequence[AnnotatedPicture]) -> dict[str, Masks]:
    from cvat_sdk.masks import decode_mask, encode_mask

    found: dict[str, Masks] = {}
    for image in Xml.parse(folder / "annotations.xml").getroot().findall("image"):
        masks = found.setdefault(image.attrib["name"], {})
        for element in image.findall("mask"):
            left, top, width, height = (
                int(element.attrib[name]) for name in ("left", "top", "width", "height")
            )
            counts = list(map(int, element.attrib["rle"].split(",")))
            points = [*counts, left, top, left + width - 1, top + height - 1]
            mask = decode_mask(
                points,
                image_width=int(image.attrib["width"]),
                image_height=int(image.attrib["height"]),
            )
            assert encode_mask(mask) == points
            _join(masks, _class_id(element.attrib["label"]), mask)
    return found


def _label_studio(folder: Path, pictures: Sequence[AnnotatedPicture]) -> dict[str, Masks]:
    labels = Xml.parse(folder / "config.xml").getroot().iter("Label")
    assert [one.attrib["value"] for one in labels] == [CLASSES[one] for one in sorted(CLASSES)]
    found = {}
    for task in json.loads((folder / "tasks.json").read_text(encoding="utf-8")):
        masks = found.setdefault(task["data"]["name"], {})
        for result in task["predictions"][0]["result"]:
            flat = {**result, **result["value"]}
            layers = brush.decode_from_annotation("mask", [flat])
            _join(masks, _class_id(flat["brushlabels"][0]), next(iter(layers.values())) == 255)
    return found


def _label_maps(folder: Path, pictures: Sequence[AnnotatedPicture]) -> dict[str, Masks]:
    found: dict[str, Masks] = {}
    for picture in pictures:
        masks = found.setdefault(picture.name, {})
        for file in (folder / "masks").glob(f"{picture.name.rpartition('.')[0]}.*"):
            with Image.open(file) as image:
                pixels = np.asarray(image)
            for number in np.unique(pixels[pixels > 0]).tolist():
                _join(masks, number, pixels == number)
    return found


def _kaggle(folder: Path, pictures: Sequence[AnnotatedPicture]) -> dict[str, Masks]:
    shapes = {one.name: one.shape for one in pictures}
    found: dict[str, Masks] = {}
    for row in pd.read_csv(folder / "train.csv", keep_default_na=False).itertuples():
        height, width = shapes[row.ImageId]
        flat = np.zeros(height * width, bool)
        numbers = list(map(int, row.EncodedPixels.split()))
        for start, length in zip(numbers[::2], numbers[1::2], strict=True):
            flat[start - 1 : start - 1 + length] = True
        _join(found.setdefault(row.ImageId, {}), row.ClassId, flat.reshape(width, height).T)
    return found


def _yolo(folder: Path, pictures: Sequence[AnnotatedPicture]) -> dict[str, Masks]:
    from supervision import DetectionDataset

    (folder / "images").mkdir(exist_ok=True)
    for picture in pictures:
        Image.new("L", picture.shape[::-1]).save(folder / "images" / picture.name)
    dataset = DetectionDataset.from_yolo(
        str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml"), force_masks=True
    )
    found: dict[str, Masks] = {}
    for path, _, detections in dataset:
        masks = found.setdefault(Path(path).name, {})
        for index, number in enumerate(detections.class_id):
            _join(masks, _class_id(dataset.classes[number]), np.asarray(detections.mask[index]))
    return found


def _join(masks: Masks, class_id: int, mask: Mask) -> None:
    masks[class_id] = masks.get(class_id, np.zeros_like(mask)) | mask


def _class_id(name: str) -> int:
    return next(number for number, known in CLASSES.items() if known == name)


_READERS: dict[Format, Callable[[Path, Sequence[AnnotatedPicture]], dict[str, Masks]]] = {
    Format.COCO: _coco,
    Format.CVAT: _cvat,
    Format.LABEL_STUDIO: _label_studio,
    Format.MASKS: _label_maps,
    Format.KAGGLE: _kaggle,
    Format.YOLO: _yolo,
}

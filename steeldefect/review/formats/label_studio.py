"""Label Studio: `tasks.json` with a brush mask for each region, and the project's `config.xml`.

Pictures are served by Label Studio's local storage, below the export's folder: start it with
`LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true` and `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT` set to
that folder. Masks are predictions: a person takes them over with one click, and edits them. What
comes back is the tool's own export in its format JSON. A task without annotations has not been
reviewed; an annotation that was cancelled does not count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.etree import ElementTree as Xml

from pydantic import BaseModel, ConfigDict

from steeldefect.errors import DataError
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats.brush import decode, encode
from steeldefect.review.formats.exchange import (
    Drawing,
    Exported,
    Lost,
    ReadPicture,
    Shape,
    read_bytes,
    require_file,
    shown,
)
from steeldefect.review.formats.json_files import parse_json
from steeldefect.review.formats.mask_regions import regions_of

FILE = "tasks.json"
CONFIG_FILE = "config.xml"

_IMAGE = "image"  # name of the picture's tag in the configuration
_BRUSH = "mask"  # name of the brush's tag


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Value(_Strict):
    rle: list[int] = []
    brushlabels: list[str] = []


class _Result(_Strict):
    type: str
    value: _Value = _Value()
    original_width: int = 0
    original_height: int = 0
    image_rotation: float = 0


class _User(_Strict):
    email: str


class _Annotation(_Strict):
    id: int
    result: list[_Result]
    was_cancelled: bool = False
    ground_truth: bool = False
    completed_by: _User | int | None = None
    updated_at: datetime | None = None


class _Data(_Strict):
    image: str
    name: str | None = None


class _Task(_Strict):
    id: int | None = None
    data: _Data
    annotations: list[_Annotation] = []


def write(folder: Path, pictures: Sequence[AnnotatedPicture], classes: Mapping[int, str]) -> Lost:
    """Write `tasks.json` and `config.xml`.

    Args:
        folder: folder of the export.
        pictures: the pictures with their masks.
        classes: class names, by id.

    Returns:
        Nothing is lost.
    """
    tasks = [_task(picture, classes) for picture in pictures]
    (folder / FILE).write_text(json.dumps(tasks), encoding="utf-8")
    view = Xml.Element("View")
    Xml.SubElement(view, "Image", {"name": _IMAGE, "value": "$image", "zoom": "true"})
    brush = Xml.SubElement(view, "BrushLabels", {"name": _BRUSH, "toName": _IMAGE})
    for _, name in sorted(classes.items()):
        Xml.SubElement(brush, "Label", {"value": name})
    Xml.indent(view)
    Xml.ElementTree(view).write(folder / CONFIG_FILE, encoding="utf-8")
    return Lost()


def read(path: Path, shapes: Mapping[str, Shape], classes: Mapping[int, str]) -> list[ReadPicture]:
    """Read what Label Studio exports as JSON; pictures without annotations are left out.

    Args:
        path: the file, or the folder of `tasks.json`.
        shapes: height and width of the exported pictures, by name.
        classes: class names, by id.

    Raises:
        DataError: the file is not such an export, or does not match the export to Label Studio.
    """
    file = require_file(path, FILE)
    exported = Exported(str(file), shapes, classes)
    tasks = parse_json(list[_Task], read_bytes(file), f"{file} is not Label Studio's JSON")
    pictures = []
    for number, task in enumerate(tasks, 1):
        place = f"task {number if task.id is None else task.id}"
        with exported.at(place):
            drawing = exported.open_drawing(_name(task.data))
            annotation = _valid(task.annotations)
        if annotation is None:
            continue
        for position, result in enumerate(annotation.result, 1):
            with exported.at(f"{place}, annotation {annotation.id}, result {position}"):
                _draw(result, drawing, exported)
        picture = drawing.finish().picture
        pictures.append(ReadPicture(picture, _reviewer(annotation), annotation.updated_at))
    exported.refuse_twice(pictures)
    return pictures


def _task(picture: AnnotatedPicture, classes: Mapping[int, str]) -> dict[str, Any]:
    results = [
        {
            "id": str(number),
            "type": "brushlabels",
            "from_name": _BRUSH,
            "to_name": _IMAGE,
            "original_width": picture.width,
            "original_height": picture.height,
            "image_rotation": 0,
            "value": {
                "format": "rle",
                "rle": encode(region.on_picture(picture.shape)),
                "brushlabels": [classes[region.class_id]],
            },
        }
        for number, region in enumerate(regions_of(picture), 1)
    ]
    url = f"/data/local-files/?d=images/{quote(picture.name)}"
    return {
        "data": {"image": url, "name": picture.name},
        "predictions": [{"model_version": "steeldefect", "result": results}],
    }


def _name(data: _Data) -> str:
    """Return the picture's name; a task that a person made by hand has only its address."""
    if data.name is not None:
        return data.name
    try:
        address = urlsplit(data.image)
    except ValueError:
        raise DataError(f"{shown(data.image)} is no address of a picture") from None
    return parse_qs(address.query).get("d", [address.path])[-1]


def _valid(annotations: Sequence[_Annotation]) -> _Annotation | None:
    """Return the annotation that counts; None if nobody has reviewed the picture."""
    finished = [one for one in annotations if not one.was_cancelled]
    chosen = [one for one in finished if one.ground_truth] or finished
    if len(chosen) > 1:
        raise DataError(
            f"{len(chosen)} annotations are there; mark one of them as ground truth, or delete the "
            "others"
        )
    return chosen[0] if chosen else None


def _reviewer(annotation: _Annotation) -> str | None:
    by = annotation.completed_by
    if by is None:
        return None
    return by.email if isinstance(by, _User) else f"user {by}"


def _draw(result: _Result, drawing: Drawing, exported: Exported) -> None:
    if result.type != "brushlabels":
        raise DataError(
            f"only brush masks are read, this is of type {result.type}; draw it with the brush, or "
            "delete it"
        )
    if result.image_rotation:
        raise DataError("the picture was rotated; rotate it back")
    exported.check_size(drawing.name, (result.original_height, result.original_width))
    if len(result.value.brushlabels) != 1:
        raise DataError("the mask does not have one class; choose one")
    class_id = exported.class_of(result.value.brushlabels[0])
    drawing.add(class_id, decode(result.value.rle, drawing.shape))

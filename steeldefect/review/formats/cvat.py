"""CVAT for images 1.1: `annotations.xml`, one `mask` or `polygon` for each region.

The run lengths of a `mask` alternate, go along the rows of the mask's box, and begin with pixels
outside the mask. Source: `cvat/apps/dataset_manager/formats/cvat.py` and `cvat_sdk/masks.py` of
CVAT. The points of a polygon lie on the edges of pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np

from steeldefect.errors import DataError
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats.counts import to_counts, to_pixels
from steeldefect.review.formats.exchange import (
    Drawing,
    Exported,
    Lost,
    ReadPicture,
    Shape,
    read_bytes,
    require_file,
    review_extra,
    shown,
)
from steeldefect.review.formats.mask_regions import MaskRegion, regions_of
from steeldefect.review.formats.polygons import (
    Points,
    count_lost,
    edge_outline,
    fill_edge_outline,
)

FILE = "annotations.xml"

_VERSION = "1.1"
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_NUMBERS = re.compile(r"\s*[0-9]{1,9}\s*(,\s*[0-9]{1,9}\s*)*", re.ASCII)


class Shapes(str, Enum):
    """What regions become in CVAT.

    `masks` are exact, and a brush edits them. `polygons` are edited point by point; they lose
    holes.
    """

    MASKS = "masks"
    POLYGONS = "polygons"


def write(
    folder: Path,
    pictures: Sequence[AnnotatedPicture],
    classes: Mapping[int, str],
    shapes: Shapes = Shapes.MASKS,
) -> Lost:
    """Write `annotations.xml`.

    Args:
        folder: folder of the export.
        pictures: the pictures with their masks.
        classes: class names, by id.
        shapes: what regions become.

    Returns:
        What polygons lose; masks lose nothing.

    Raises:
        SettingsError: polygons are asked for, and pycocotools is not installed.
    """
    root = Xml.Element("annotations")
    Xml.SubElement(root, "version").text = _VERSION
    _write_task(Xml.SubElement(Xml.SubElement(root, "meta"), "task"), len(pictures), classes)
    lost = Lost()
    for number, picture in enumerate(pictures):
        size = {"width": str(picture.width), "height": str(picture.height)}
        image = Xml.SubElement(root, "image", {"id": str(number), "name": picture.name, **size})
        for region in regions_of(picture):
            common = {"label": classes[region.class_id], "source": "auto", "occluded": "0"}
            own = _mask(region) if shapes is Shapes.MASKS else _polygon(region)
            tag = "mask" if shapes is Shapes.MASKS else "polygon"
            Xml.SubElement(image, tag, {**common, **own, "z_order": "0"})
        if shapes is Shapes.POLYGONS:
            lost += count_lost(picture, _outline, fill_edge_outline)
    Xml.indent(root)
    Xml.ElementTree(root).write(folder / FILE, encoding="utf-8", xml_declaration=True)
    return lost


def read(path: Path, shapes: Mapping[str, Shape], classes: Mapping[int, str]) -> list[ReadPicture]:
    """Read a CVAT file; all pictures that it lists are reviewed.

    Args:
        path: the file, or the folder of `annotations.xml`.
        shapes: height and width of the exported pictures, by name.
        classes: class names, by id.

    Raises:
        DataError: the file is not CVAT for images 1.1, or does not match the export.
        SettingsError: a package of the extra `review` is not installed.
    """
    file = require_file(path, FILE)
    exported = Exported(str(file), shapes, classes)
    pictures = []
    for image in _images(file):
        with exported.at(f"image {shown(image.get('name', ''))}"):
            size = _number(image, "height"), _number(image, "width")
            drawing = exported.open_drawing(image.get("name", ""), size)
        for number, element in enumerate(image, 1):
            with exported.at(f"image {shown(drawing.name)}: {element.tag} {number}"):
                _draw(element, drawing, exported)
        pictures.append(drawing.finish())
    exported.refuse_twice(pictures)
    return pictures


def _write_task(task: Xml.Element, count: int, classes: Mapping[int, str]) -> None:
    Xml.SubElement(task, "name").text = "steeldefect"
    Xml.SubElement(task, "size").text = str(count)
    Xml.SubElement(task, "mode").text = "annotation"
    labels = Xml.SubElement(task, "labels")
    for _, name in sorted(classes.items()):
        label = Xml.SubElement(labels, "label")
        Xml.SubElement(label, "name").text = name
        Xml.SubElement(label, "attributes")


def _mask(region: MaskRegion) -> dict[str, str]:
    height, width = region.pixels.shape
    return {
        "rle": ", ".join(map(str, to_counts(region.pixels.ravel()))),
        "left": str(region.box.left),
        "top": str(region.box.top),
        "width": str(width),
        "height": str(height),
    }


def _polygon(region: MaskRegion) -> dict[str, str]:
    return {"points": ";".join(f"{x:.2f},{y:.2f}" for x, y in _outline(region))}


def _outline(region: MaskRegion) -> Points:
    return np.add(edge_outline(region.pixels), (region.box.left, region.box.top))


def _images(file: Path) -> Iterator[Xml.Element]:
    """Yield the `image` elements of a CVAT file."""
    with review_extra():
        from defusedxml import DefusedXmlException
        from defusedxml import ElementTree as SafeXml
    wanted = f"{file} is not 'CVAT for images {_VERSION}'"
    advice = "choose this format in CVAT, and unpack what it exports"
    try:
        root = SafeXml.fromstring(read_bytes(file), forbid_dtd=True)
    except (Xml.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(f"{wanted}: {type(error).__name__}, {error}; {advice}") from None
    if root.tag != "annotations" or root.findtext("version") != _VERSION:
        raise DataError(f"{wanted}; {advice}")
    for element in root:
        if element.tag == "image":
            yield element
        elif element.tag not in ("version", "meta"):
            raise DataError(f"{wanted}: it has the element {shown(element.tag)}; {advice}")


def _draw(element: Xml.Element, drawing: Drawing, exported: Exported) -> None:
    if element.tag not in ("mask", "polygon"):
        raise DataError("only masks and polygons are read; draw it as one of them, or delete it")
    class_id = exported.class_of(element.get("label", ""))
    if element.tag == "polygon":
        drawing.add_polygon(class_id, fill_edge_outline(_points(element), drawing.shape))
        return
    left, top = _number(element, "left"), _number(element, "top")
    width, height = _number(element, "width"), _number(element, "height")
    if left + width > drawing.shape[1] or top + height > drawing.shape[0]:
        raise DataError(
            f"the mask at ({left}, {top}) of {width}x{height} pixels lies outside its picture; "
            "draw it again"
        )
    text = element.get("rle", "")
    if not _NUMBERS.fullmatch(text):
        raise DataError(f"malformed run lengths {shown(text)}; draw the mask again")
    pixels = to_pixels([int(one) for one in text.split(",")], width * height)
    drawing.add(class_id, pixels.reshape(height, width), top, left)


def _number(element: Xml.Element, name: str) -> int:
    text = element.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise DataError(
            f"{name} is {shown(text)}, expected a whole number from 0; draw the object again"
        )
    return int(text)


def _points(element: Xml.Element) -> Points:
    text = element.get("points", "")
    try:
        pairs = [[float(one) for one in pair.split(",")] for pair in text.split(";")]
        return np.array(pairs, np.float64).reshape(len(pairs), 2)
    except ValueError:
        raise DataError(
            f"the points {shown(text)} are not pairs of numbers; draw the polygon again"
        ) from None

"""Label maps: one gray PNG for each picture, whose values are class ids; 0 is no defect.

A pixel that several classes cover has the lowest class id in `masks/STEM.png`; the next one lies
in a further layer, `masks/STEM.2.png`, and so on. All maps of an export have 16 bits if a class id
is above 255.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.errors import DataError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.formats.png import SIGNATURE
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

FOLDER = "masks"

_LAYER = re.compile(r"\.[0-9]+$")
_HEADER = struct.Struct(">8x4x4sIIBB")  # of a PNG: name of the chunk, width, height, bits, colour
_GRAY = 0
_LARGEST_ID = 65535
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}

LabelMap = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def write(folder: Path, pictures: Sequence[AnnotatedPicture], classes: Mapping[int, str]) -> Lost:
    """Write the label maps; a clean picture gets one, too.

    Args:
        folder: folder of the export.
        pictures: the pictures with their masks.
        classes: class names, by id.

    Returns:
        Nothing is lost.

    Raises:
        DataError: a class id is above 65,535, or two pictures would get the same file.
    """
    largest = max(classes, default=0)
    if largest > _LARGEST_ID:
        raise DataError(f"class {largest}: PNG holds ids up to {_LARGEST_ID:,}; choose a format")
    stems = _stems(one.name for one in pictures)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        for number, layer in enumerate(_layers(picture), 1):
            pixels = layer.astype(np.uint8 if largest < 256 else np.uint16)
            content = cv2.imencode(".png", pixels)[1].tobytes()
            (folder / FOLDER / _file_name(stems[picture.name], number)).write_bytes(content)
    return Lost()


def read(path: Path, shapes: Mapping[str, Shape], classes: Mapping[int, str]) -> list[ReadPicture]:
    """Read label maps; all pictures that have one are reviewed.

    Args:
        path: folder of the export, or its folder `masks`.
        shapes: height and width of the exported pictures, by name.
        classes: class names, by id.

    Raises:
        DataError: a file is no gray PNG, or does not match the export.
    """
    folder = path / FOLDER if (path / FOLDER).is_dir() else path
    if not folder.is_dir():
        raise DataError(f"{path} is not a folder of label maps; give the folder of the export")
    left = {one.name for one in folder.iterdir() if not _is_systems_own(one.name)}
    pictures = []
    for name, own in _stems(shapes).items():
        drawing = Drawing(name, shapes[name])
        number = 1
        while (file := _file_name(own, number)) in left:
            left.remove(file)
            exported = Exported(str(folder / file), shapes, classes)
            with exported.at(f"picture {shown(name)}"):
                _draw(folder / file, drawing, exported)
            number += 1
        if number > 1:
            pictures.append(drawing.finish())
    if left:
        raise DataError(
            f"{folder / min(left)} is not the label map of an exported picture; give it the "
            "picture's name with the extension .png, and number layers from 2 without a gap"
        )
    return pictures


def _stems(names: Iterable[str]) -> dict[str, str]:
    """Choose how the files of each picture begin.

    That is the picture's name without its extension; with the extension where another picture's
    files would begin alike (`a.jpg` and `a.png`, or `a.jpg` and `a.2.jpg`).
    """
    short = {name: stem(name) for name in names}
    counts = Counter(one.casefold() for one in short.values())
    chosen = {
        name: own if counts[own.casefold()] == 1 and not _is_layer_of(own, counts) else name
        for name, own in short.items()
    }
    counts = Counter(one.casefold() for one in chosen.values())
    for name, own in chosen.items():
        if counts[own.casefold()] > 1 or _is_layer_of(own, counts):
            raise DataError(
                f"the label map of {shown(name)} would have the name of another picture's; rename "
                "the picture"
            )
    return chosen


def _is_layer_of(own: str, counts: Mapping[str, int]) -> bool:
    without = _LAYER.sub("", own).casefold()
    return without != own.casefold() and without in counts


def _file_name(own: str, layer: int) -> str:
    return f"{own}.png" if layer == 1 else f"{own}.{layer}.png"


def _is_systems_own(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def _layers(picture: AnnotatedPicture) -> Iterator[npt.NDArray[np.int64]]:
    """Yield label maps that together hold all masks; the first one even if there is no mask."""
    left = {
        class_id: run_lengths.to_mask(runs, picture.shape)
        for class_id, runs in sorted(picture.masks.items())
    }
    while True:
        layer = np.zeros(picture.shape, np.int64)
        for class_id, mask in left.items():
            fits = mask & (layer == 0)
            layer[fits] = class_id
            left[class_id] = mask & ~fits
        yield layer
        left = {class_id: mask for class_id, mask in left.items() if mask.any()}
        if not left:
            return


def _draw(file: Path, drawing: Drawing, exported: Exported) -> None:
    layer = _decode(read_bytes(file), drawing, exported)
    for value in np.unique(layer):
        if value == 0:
            continue
        if value not in exported.classes:
            known = ", ".join(map(str, exported.classes))
            raise DataError(f"the value {value} is no class id; use one of {known}, or 0 for none")
        drawing.add(int(value), layer == value)


def _decode(content: bytes, drawing: Drawing, exported: Exported) -> LabelMap:
    advice = "save it as PNG in 8-bit or 16-bit gray, without colours or transparency"
    if not content.startswith(SIGNATURE) or len(content) < _HEADER.size:
        raise DataError(f"the file is not PNG; {advice}")
    _, width, height, bits, colour = _HEADER.unpack_from(content)
    exported.check_size(drawing.name, (height, width))
    if bits not in (8, 16) or colour != _GRAY:
        raise DataError(f"the PNG is not plain gray; {advice}")
    # not Pillow: it leaves missing rows black
    pixels: LabelMap | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != drawing.shape:
        raise DataError("the PNG is damaged; save it again")
    return pixels

"""The manifest of an export, `export.json`: which pictures were shown, with which masks.

An import compares what comes back with it. So nobody has to keep the queue, and a mask that nobody
changed is told from one that was corrected. The folder has been with other people: everything in it
is checked again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from steeldefect.errors import DataError
from steeldefect.pictures import run_lengths
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats import Format
from steeldefect.review.formats.exchange import read_bytes

FILE = "export.json"
IMAGES = "images"
_VERSION = 1

ClassId = Annotated[int, Field(ge=1, lt=2**31)]
Pixels = Annotated[int, Field(ge=1, lt=2**31)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExportedPicture(_Part):
    """One picture of an export.

    Attributes:
        name: name of its file in the folder `images`.
        sha256: hash of this file.
        source, key, image_id, etag: columns of its row of `images`.
        run_id: id of the run whose masks are shown.
        width, height: size in pixels.
        masks: run lengths of the masks of the bundle, by class id.
    """

    name: str = Field(pattern=r"^[^/\\\x00-\x1f]+$")
    sha256: str
    source: str
    key: str
    image_id: str
    etag: str
    run_id: str
    width: Pixels
    height: Pixels
    masks: dict[ClassId, str]

    @model_validator(mode="after")
    def _sound(self) -> ExportedPicture:
        if self.name in (".", ".."):
            raise ValueError("name: not the name of a file")
        for text in self.masks.values():
            run_lengths.parse(text, (self.height, self.width))
        return self

    def annotated(self) -> AnnotatedPicture:
        """Return the picture with its masks."""
        masks = {one: run_lengths.parse(text) for one, text in self.masks.items()}
        return AnnotatedPicture(self.name, self.width, self.height, masks)


class Manifest(_Part):
    """The content of `export.json`.

    Attributes:
        version: version of this form.
        id: id of the export.
        output: address of the tables.
        bundle: digest of the bundle whose masks are shown.
        format: format of the annotations.
        classes: class names, by id.
        pictures: the pictures.
    """

    version: int = _VERSION
    id: str
    output: str
    bundle: str
    format: Format
    classes: dict[ClassId, str]
    pictures: tuple[ExportedPicture, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        names = [one.name for one in self.pictures]
        if len(set(names)) < len(names):
            raise ValueError("pictures: two have the same name")
        if any(set(one.masks) - set(self.classes) for one in self.pictures):
            raise ValueError("pictures: a mask has a class that is not in classes")
        return self


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an export.

    Raises:
        DataError: the folder is no export, was altered, or was written by a newer version.
    """
    path = folder / FILE
    if not path.exists():
        raise DataError(
            f"{path} is missing; --export is the folder that `steeldefect review export` wrote"
        )
    content = read_bytes(path)
    try:
        stated = json.loads(content)
    except ValueError:
        raise DataError(f"{path} is no manifest of an export: it is not JSON") from None
    version = stated.get("version") if isinstance(stated, dict) else None
    if version not in (None, _VERSION):
        raise DataError(f"{path} has version {version}; this program reads {_VERSION}")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{path} is no manifest of an export: {place}: {first['msg']}") from None


def read_picture(folder: Path, picture: ExportedPicture) -> bytes:
    """Read the file of an exported picture.

    Raises:
        DataError: the file is missing, or is not the one that was exported.
    """
    path = folder / IMAGES / picture.name
    content = read_bytes(path)
    if hashlib.sha256(content).hexdigest() != picture.sha256:
        raise DataError(f"{path} is not the file that was exported; export again")
    return content

"""The manifest of an export, `export.json`: which pictures were shown, with which masks.

An import compares what comes back with it. So nobody has to keep the queue, and a mask that nobody
changed is told from one that was corrected.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from steeldefect.errors import DataError
from steeldefect.pictures import run_lengths
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats import Format

FILE = "export.json"
IMAGES = "images"
_VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExportedPicture(_Part):
    """One picture of an export.

    Attributes:
        name: name of its file in the folder `images`.
        source, key, image_id, etag: columns of its row of `images`.
        run_id: id of the run whose masks are shown.
        width, height: size in pixels.
        masks: run lengths of the masks of the bundle, by class id.
        returned: what the format gives back for these masks, if that differs.
    """

    name: str
    source: str
    key: str
    image_id: str
    etag: str
    run_id: str
    width: int
    height: int
    masks: dict[int, str]
    returned: dict[int, str] | None = None

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
    classes: dict[int, str]
    pictures: tuple[ExportedPicture, ...]


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an export.

    Raises:
        DataError: the folder is no export, or was written by a newer version.
    """
    path = folder / FILE
    try:
        found = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); --export is the folder that "
            "`steeldefect review export` wrote"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{path} is no manifest of an export: {place}: {first['msg']}") from None
    if found.version != _VERSION:
        raise DataError(f"{path} has version {found.version}; this program reads {_VERSION}")
    return found

"""Annotation formats: pictures and masks, as annotation tools exchange them.

The pictures' own files lie in `images` beside what these functions write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path

from steeldefect.errors import SettingsError
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats import coco, cvat, kaggle, label_maps, label_studio, yolo
from steeldefect.review.formats.cvat import Shapes
from steeldefect.review.formats.exchange import Lost, ReadPicture, Shape, check_pictures

__all__ = ["Format", "Lost", "ReadPicture", "Shapes", "read_annotations", "write_annotations"]


class Format(str, Enum):
    """A format of annotations.

    `yolo` loses holes. All others hold every mask to the pixel.
    """

    COCO = "coco"
    CVAT = "cvat"
    LABEL_STUDIO = "labelstudio"
    MASKS = "masks"
    KAGGLE = "kaggle"
    YOLO = "yolo"


_WRITERS: dict[Format, Callable[[Path, Sequence[AnnotatedPicture], Mapping[int, str]], Lost]] = {
    Format.COCO: coco.write,
    Format.CVAT: cvat.write,
    Format.LABEL_STUDIO: label_studio.write,
    Format.MASKS: label_maps.write,
    Format.KAGGLE: kaggle.write,
    Format.YOLO: yolo.write,
}
_READERS: dict[
    Format, Callable[[Path, Mapping[str, Shape], Mapping[int, str]], list[ReadPicture]]
] = {
    Format.COCO: coco.read,
    Format.CVAT: cvat.read,
    Format.LABEL_STUDIO: label_studio.read,
    Format.MASKS: label_maps.read,
    Format.KAGGLE: kaggle.read,
    Format.YOLO: yolo.read,
}


def write_annotations(
    format: Format,
    folder: Path,
    pictures: Sequence[AnnotatedPicture],
    classes: Mapping[int, str],
    shapes: Shapes = Shapes.MASKS,
) -> Lost:
    """Write the masks of pictures.

    Args:
        format: format of the files.
        folder: folder of the export; it is there, and the pictures lie in its folder `images`.
        pictures: the pictures with their masks.
        classes: class names, by id.
        shapes: what regions become in CVAT.

    Returns:
        What the format could not hold.

    Raises:
        DataError: a name or a mask cannot be written; see `check_pictures`.
        SettingsError: a package of the extra `review` is not installed, or `shapes` asks for
            polygons in another format than CVAT.
    """
    check_pictures(pictures, classes)
    if format is Format.CVAT:
        return cvat.write(folder, pictures, classes, shapes)
    if shapes is not Shapes.MASKS:
        raise SettingsError(f"{format.value}: polygons instead of masks; only cvat has this choice")
    return _WRITERS[format](folder, pictures, classes)


def read_annotations(
    format: Format,
    path: Path,
    pictures: Mapping[str, Shape],
    classes: Mapping[int, str],
) -> list[ReadPicture]:
    """Read the masks that a tool gives back.

    Args:
        format: format of the files.
        path: the file that the tool exported, or its folder.
        pictures: height and width of the exported pictures, by name.
        classes: class names, by id.

    Returns:
        The pictures that were reviewed. Where the format states no reviews, these are all pictures
        that the files name.

    Raises:
        DataError: a file is missing, is not of this format, or does not match the export: a name,
            a class or a size that was not exported, malformed run lengths, an object outside its
            picture. The message has the file and the place in it.
        SettingsError: a package of the extra `review` is not installed.
    """
    return _READERS[format](path, pictures, classes)

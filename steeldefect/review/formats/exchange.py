"""What all annotation formats share: what is lost, what is read, and the checks of both ways.

Files that come back from annotation tools are not trusted. A reader compares every name, size and
class with what the export wrote, and never skips an object that it does not understand.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from steeldefect.errors import DataError, RunLengthError, SettingsError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask, Runs
from steeldefect.review.annotated import AnnotatedPicture

Shape = tuple[int, int]
"""Height and width of a picture, in pixels."""

_LARGEST_FILE = 2**29  # bytes; a hundred thousand masks need less
_LONGEST_SHOWN = 80
# control characters, line separators, halves of surrogate pairs, and what XML cannot hold
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Lost:
    """What a format could not hold.

    Attributes:
        holes: number of holes of regions that come back filled.
        pixels: number of pixels of masks that differ when the file is read again.
    """

    holes: int = 0
    pixels: int = 0

    def __add__(self, other: Lost) -> Lost:
        """Return the sum of both."""
        return Lost(self.holes + other.holes, self.pixels + other.pixels)


@dataclass(frozen=True)
class ReadPicture:
    """A picture that came back from a tool.

    Attributes:
        picture: the picture with the masks that the tool states; no mask: a clean picture.
        reviewer: who reviewed it; None if the format does not say.
        reviewed_at: when; None if the format does not say.
        outlined: ids of the classes with an object that came as a polygon: it has lost its holes.
    """

    picture: AnnotatedPicture
    reviewer: str | None = None
    reviewed_at: datetime | None = None
    outlined: frozenset[int] = frozenset()


class Drawing:
    """The masks of one picture while its objects are read; objects of a class are joined."""

    def __init__(self, name: str, shape: Shape) -> None:
        self.name = name
        self.shape = shape
        self.outlined: set[int] = set()  # classes with an object that came as a polygon
        self._masks: dict[int, Mask] = {}

    def add(self, class_id: int, pixels: Mask, top: int = 0, left: int = 0) -> None:
        """Add an object.

        Args:
            class_id: class of the object.
            pixels: bool (h, w), a part of the picture.
            top: row of the picture at which `pixels` begins.
            left: column of the picture at which `pixels` begins.

        Raises:
            DataError: the object has no pixel.
        """
        if not pixels.any():
            raise DataError("the object covers no pixel; delete it, or draw it larger")
        whole = self._masks.setdefault(class_id, np.zeros(self.shape, bool))
        height, width = pixels.shape
        whole[top : top + height, left : left + width] |= pixels

    def add_polygon(self, class_id: int, pixels: Mask) -> None:
        """Add an object that came as a polygon, bool (height, width); see `add`."""
        self.add(class_id, pixels)
        self.outlined.add(class_id)

    def finish(self) -> ReadPicture:
        """Return the picture with all that was added."""
        masks = {one: run_lengths.from_mask(self._masks[one]) for one in sorted(self._masks)}
        picture = AnnotatedPicture(self.name, self.shape[1], self.shape[0], masks)
        return ReadPicture(picture, outlined=frozenset(self.outlined))


@dataclass(frozen=True)
class Exported:
    """What the export wrote; a reader checks a file against it.

    Attributes:
        file: name of the file that is read, for messages.
        shapes: height and width of each exported picture, by name.
        classes: class names, by id.
    """

    file: str
    shapes: Mapping[str, Shape]
    classes: Mapping[int, str]

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Add the file and the place in it to the message of a DataError.

        Args:
            place: where the file is read, such as `annotation 7`.

        Raises:
            DataError: the error, with file and place.
        """
        try:
            yield
        except RunLengthError as error:
            raise DataError(f"{self.file}: {place}: {error}; draw the mask again") from None
        except DataError as error:
            raise DataError(f"{self.file}: {place}: {error}") from None

    def open_drawing(self, name: str, size: Shape | None = None) -> Drawing:
        """Begin a picture that the file names.

        Args:
            name: name of the picture in the file; leading folders are ignored.
            size: height and width that the file states; None if it states none.

        Raises:
            DataError: the picture was not exported, or had another size.
        """
        own = name if name in self.shapes else re.split(r"[/\\]", name)[-1]
        if own not in self.shapes:
            raise DataError(
                f"the picture {shown(name)} is not one of this export; give the annotations of "
                "this export alone"
            )
        self.check_size(own, size)
        return Drawing(own, self.shapes[own])

    def check_size(self, name: str, size: Shape | None) -> None:
        """Check the size that a file states of an exported picture.

        Raises:
            DataError: the size differs.
        """
        height, width = self.shapes[name]
        if size is not None and size != (height, width):
            raise DataError(
                f"the picture {shown(name)} has {size[1]}x{size[0]} pixels here and was exported "
                f"with {width}x{height}; annotate the exported picture itself"
            )

    def class_of(self, name: str) -> int:
        """Return the id of a class.

        Raises:
            DataError: no class has this name.
        """
        for class_id, known in self.classes.items():
            if known == name:
                return class_id
        raise DataError(
            f"the class {shown(name)} is unknown; use one of {', '.join(self.classes.values())}"
        )

    def refuse_twice(self, pictures: Sequence[ReadPicture]) -> None:
        """Check that the file does not have a picture twice.

        Raises:
            DataError: it does.
        """
        for name, count in Counter(one.picture.name for one in pictures).items():
            if count > 1:
                raise DataError(
                    f"{self.file}: the picture {shown(name)} is there {count} times; keep one"
                )


def check_pictures(pictures: Sequence[AnnotatedPicture], classes: Mapping[int, str]) -> None:
    """Check that pictures can be written in every format.

    Raises:
        DataError: the name of a picture or class is empty, used twice, or has characters that a
            format cannot hold; a class id is below 1; or a mask is empty, malformed, or of a class
            that is not in `classes`.
    """
    _check_names("picture", [one.name for one in pictures])
    _check_names("class", list(classes.values()))
    if min(classes, default=1) < 1:
        raise DataError(f"class {min(classes)}: class ids begin at 1; give other ids")
    for picture in pictures:
        if re.search(r"[/\\]", picture.name) or picture.name in (".", ".."):
            raise DataError(f"{shown(picture.name)} is no file name; give names without folders")
        for class_id, runs in picture.masks.items():
            _check_mask(picture, class_id, runs, classes)


def require_file(path: Path, name: str) -> Path:
    """Return the file to read: `path`, or the file `name` if `path` is a folder."""
    return path / name if path.is_dir() else path


def read_bytes(path: Path) -> bytes:
    """Read a file that a tool wrote; a link is followed, a pipe or device is not read.

    Raises:
        DataError: the file is missing, is not a regular file, cannot be read, or is larger than any
            annotations are.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DataError(f"{path} is not a regular file; give the file that the tool wrote")
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); give the file, or the folder, that the "
            "annotation tool exported"
        ) from None
    if len(content) > _LARGEST_FILE:
        raise DataError(f"{path} has more than {_LARGEST_FILE:,} bytes; import it in parts")
    return content


@contextmanager
def review_extra() -> Iterator[None]:
    """Explain a missing package of the extra `review`.

    Raises:
        SettingsError: a package could not be imported.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        raise SettingsError(
            f"{package} is not installed; install steeldefect with its extra `review`"
        ) from None


def stem(name: str) -> str:
    """Return the name of a picture's file without its extension, as readers of YOLO do."""
    return os.path.splitext(name)[0]


def shown(text: str) -> str:
    """Return text of a file in quotes, and cut a long one."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")


def _check_names(what: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"two have the {what} name {shown(name)}; rename one of them")
        if not name.strip() or name != name.strip() or _UNWRITABLE.search(name):
            raise DataError(
                f"the {what} name {shown(name)} is empty, has white space around it, or has "
                "characters that formats cannot hold; rename it"
            )
        seen.add(name)


def _check_mask(
    picture: AnnotatedPicture, class_id: int, runs: Runs, classes: Mapping[int, str]
) -> None:
    place = f"picture {shown(picture.name)}, class {class_id}"
    if class_id not in classes:
        raise DataError(f"{place}: the class has no name; add it to the classes")
    if len(runs) == 0:
        raise DataError(f"{place}: the mask is empty; leave it out")
    try:
        run_lengths.validate(runs, picture.shape)
    except RunLengthError as error:
        raise DataError(f"{place}: {error}") from None

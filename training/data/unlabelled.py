"""Read a folder of pictures that nobody has labelled."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from steeldefect.errors import DataError
from training.data.dataset import LabelledPicture, read_picture
from training.data.picture_files import find_pictures

_READERS = 4


def unlabelled_pictures(folder: Path, label: str, asked: str) -> Iterator[LabelledPicture]:
    """Decode every picture of a folder once, and yield it as a clean one, in a group of its own.

    Args:
        folder: folder of pictures, or one with a folder `images` of pictures.
        label: the names of the pictures begin with it and `/`.
        asked: option or setting that names the folder, for messages.

    Raises:
        DataError: there is no such folder, it holds no picture, or one cannot be read.
    """
    inner = folder / "images"
    images = inner if inner.is_dir() else folder
    if not images.is_dir():
        raise DataError(f"no such folder: {folder}; {asked} names a folder of pictures")
    paths = find_pictures(images).paths
    if not paths:
        raise DataError(f"{images} holds no picture; {asked} names a folder of pictures")
    with ThreadPoolExecutor(_READERS) as pool:
        shapes = pool.map(lambda path: read_picture(path).shape, paths.values())
        for (name, path), shape in zip(paths.items(), shapes, strict=True):
            full = f"{label}/{name}"
            size = (shape[0], shape[1])
            yield LabelledPicture(full, path, size, defective=False, runs={}, group=full)

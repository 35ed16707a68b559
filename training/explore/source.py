"""Read the files of a data folder without checking their rows.

The folder has the layout of `data.dataset`. Parts may be missing, but not all. Wrong rows become
faults later. A file that cannot be read, or that lacks a column, raises an error here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from steeldefect.errors import DataError, SettingsError
from steeldefect.labels.label_files import (
    LABELS_FILES,
    MASKS_FILE,
    mask_columns,
    read_csv,
    require_columns,
)
from training.data.labels import GROUPS_FILE, read_class_names, read_file
from training.data.picture_files import PictureFiles, find_pictures
from training.data.picture_names import Naming


@dataclass(frozen=True)
class ExploreOptions:
    """Which files to explore.

    Attributes:
        folder: the data folder.
        masks: name of the masks file in the folder, or its path; None for `train.csv`.
        labels: name of the labels file in the folder, or its path; None for the usual names.
        shape: (height, width) in pixels of missing pictures; None if unknown.
    """

    folder: Path
    masks: Path | None = None
    labels: Path | None = None
    shape: tuple[int, int] | None = None


@dataclass(frozen=True)
class Table:
    """A label file.

    Attributes:
        path: path of the file.
        rows: cells as text, with the `line` of each row. ImageId is the name of the picture
            found, or the text of the file if no picture is found.
        hints: suggestion of similar picture names, by name without a picture; may be empty.
        doubtful: names of pictures that rows without a picture may refer to.
    """

    path: Path
    rows: pd.DataFrame
    hints: dict[str, str]
    doubtful: frozenset[str]


@dataclass(frozen=True)
class Source:
    """All files of a folder; a missing file is None.

    Attributes:
        options: options of the exploration.
        pictures: paths of the pictures by name; empty if there are none.
        strays: reason why an entry of `images/` is not a picture, by name.
        unnameable: pictures whose names are not UTF-8.
        masks: masks file, columns ImageId, ClassId, EncodedPixels.
        labels: labels file, columns ImageId, label.
        ignored_labels: second labels file, which is not read.
        groups: groups file, columns ImageId, group.
        class_names: names of classes.json by id.
    """

    options: ExploreOptions
    pictures: dict[str, Path]
    strays: dict[str, str]
    unnameable: tuple[str, ...]
    masks: Table | None
    labels: Table | None
    ignored_labels: Path | None
    groups: Table | None
    class_names: dict[int, str] | None


def read_source(options: ExploreOptions) -> Source:
    """Find and read the files.

    Raises:
        DataError: no such folder or file, nothing in the folder to explore, or a file that is not
            CSV or lacks a column.
    """
    folder = options.folder
    if not folder.is_dir():
        raise DataError(f"no such folder: {folder}; --data takes the folder of labelled pictures")
    found = _find_pictures(folder / "images")
    pictures = found.paths
    masks = _choose(folder, options.masks, [MASKS_FILE])
    labels = _choose(folder, options.labels, LABELS_FILES)
    if not (pictures or masks or labels):
        raise DataError(
            f"{folder} holds neither images/ nor {MASKS_FILE} nor {' nor '.join(LABELS_FILES)}; "
            "give label files of other names by --masks FILE and --labels FILE"
        )
    groups = _choose(folder, None, [GROUPS_FILE])
    naming = Naming(pictures)
    return Source(
        options=options,
        pictures=pictures,
        strays=found.passed_over,
        unnameable=found.unnameable,
        masks=_read_masks(masks[0], naming) if masks else None,
        labels=_read_pairs(labels[0], "label", naming) if labels else None,
        ignored_labels=labels[1] if len(labels) > 1 else None,
        groups=_read_pairs(groups[0], "group", naming) if groups else None,
        class_names=read_class_names(folder),
    )


def read_shape(text: str) -> tuple[int, int]:
    """Read `WIDTHxHEIGHT` and return (height, width).

    Raises:
        SettingsError: the text is not two whole numbers above 0.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", text)
    if found is None:
        raise SettingsError(f"--picture-size takes WIDTHxHEIGHT, such as 1600x256; got {text!r}")
    return int(found[2]), int(found[1])


def _find_pictures(images: Path) -> PictureFiles:
    return find_pictures(images) if images.is_dir() else PictureFiles({}, (), {})


def _choose(folder: Path, named: Path | None, usual: Sequence[str]) -> list[Path]:
    """Return the named file, or the existing files of the usual names."""
    if named is None:
        return [folder / name for name in usual if (folder / name).is_file()]
    for path in (folder / named, named):
        if path.is_file():
            return [path]
    raise DataError(f"no such file: {named}; it is neither in {folder} nor a path")


def _read_masks(path: Path, naming: Naming) -> Table:
    return _table(path, mask_columns(read_csv(read_file(path), str(path)), str(path)), naming)


def _read_pairs(path: Path, value: str, naming: Naming) -> Table:
    table = read_csv(read_file(path), str(path))
    require_columns(table, ("imageid", value), str(path))
    rows = table[["imageid", value]].rename(columns={"imageid": "ImageId"})
    return _table(path, rows.assign(line=table.index).reset_index(drop=True), naming)


def _table(path: Path, rows: pd.DataFrame, naming: Naming) -> Table:
    matches = naming.match(rows)
    absent = [name for name in rows["ImageId"].unique() if name not in matches.pictures]
    return Table(
        path,
        rows.assign(ImageId=naming.renamed(rows["ImageId"], matches)),
        {name: naming.explain(matches, name) for name in absent},
        frozenset(naming.doubtful(matches)),
    )

"""The files of a data folder, read without judging their rows.

The folder is that of `data.dataset`; any part of it may be missing, as long as something is
there. What a row says is checked later and becomes a fault; only a file that cannot be read at
all, or lacks a column, ends here.
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
        masks: name of the masks file in the folder, or a path; None for `train.csv`, if there.
        labels: the same for the labels file; None for `labels.csv` and its other name.
        shape: (height, width) in pixels of pictures that are not there, where they are known.
    """

    folder: Path
    masks: Path | None = None
    labels: Path | None = None
    shape: tuple[int, int] | None = None


@dataclass(frozen=True)
class Table:
    """A label file.

    Attributes:
        rows: cells as text, each row with its `line` in the file; ImageId is the picture's own
            name, or what the file says where no picture is found.
        hints: by name without picture, which pictures resemble it; empty where none does.
        doubtful: names of the pictures that rows without picture may mean.
    """

    path: Path
    rows: pd.DataFrame
    hints: dict[str, str]
    doubtful: frozenset[str]


@dataclass(frozen=True)
class Source:
    """All files of a folder; None for those that are not there.

    Attributes:
        pictures: by name; empty where the folder holds none.
        strays: why an entry of `images/` is not a picture, by name.
        unnameable: pictures whose names are not UTF-8.
        masks: rows ImageId, ClassId, EncodedPixels.
        labels: rows ImageId, label.
        ignored_labels: a second labels file, which was not read.
        groups: rows ImageId, group.
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
            "label files of other names are given by --masks FILE and --labels FILE"
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
    """Read `WIDTHxHEIGHT`; gives (height, width).

    Raises:
        SettingsError: it is not two whole numbers above 0.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", text)
    if found is None:
        raise SettingsError(f"--picture-size takes WIDTHxHEIGHT, such as 1600x256; got {text!r}")
    return int(found[2]), int(found[1])


def _find_pictures(images: Path) -> PictureFiles:
    return find_pictures(images) if images.is_dir() else PictureFiles({}, (), {})


def _choose(folder: Path, named: Path | None, usual: Sequence[str]) -> list[Path]:
    """Give the file that was named, or those that are there of the usual names."""
    if named is None:
        return [folder / name for name in usual if (folder / name).is_file()]
    for path in (folder / named, named):
        if path.is_file():
            return [path]
    raise DataError(f"no such file: {named}; neither in {folder} nor as a path of its own")


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

"""Read the label files of a data folder; `steeldefect.labels.label_files` parses their content.

This module raises errors about single files. `training.data.dataset` checks that the files agree
with each other and with the pictures.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

from steeldefect.errors import DataError
from steeldefect.labels import label_files
from steeldefect.labels.label_files import LABELS_FILES, MASKS_FILE, listed

GROUPS_FILE = "groups.csv"
WEIGHTS_FILE = "weights.csv"
CLASSES_FILE = "classes.json"

_CLASS_ID = re.compile(r"0*[1-9][0-9]{0,8}", re.ASCII)

__all__ = [
    "CLASSES_FILE",
    "GROUPS_FILE",
    "LABELS_FILES",
    "MASKS_FILE",
    "WEIGHTS_FILE",
    "listed",
    "read_class_names",
    "read_file",
    "read_groups",
    "read_labels",
    "read_masks",
]


def read_masks(path: Path) -> pd.DataFrame:
    """Read run lengths in either of Kaggle's two forms; see `label_files.read_masks`.

    Raises:
        DataError: the file is missing or malformed; the message names the line.
    """
    return label_files.read_masks(read_file(path), str(path))


def read_labels(folder: Path) -> tuple[str, pd.DataFrame] | None:
    """Read which pictures are defective; see `steeldefect.labels.label_files.read_label_rows`.

    Returns:
        Name of the labels file and its rows; None if the folder has no labels file.

    Raises:
        DataError: there are two labels files, or the file is malformed; the message names the
            line.
    """
    present = [folder / name for name in LABELS_FILES if (folder / name).exists()]
    if not present:
        return None
    if len(present) > 1:
        raise DataError(f"{folder} has both {' and '.join(LABELS_FILES)}; keep one of them")
    return present[0].name, label_files.read_label_rows(read_file(present[0]), str(present[0]))


def read_groups(folder: Path) -> pd.DataFrame:
    """Read which pictures belong together; see `steeldefect.labels.label_files.read_pairs`.

    Returns:
        Columns ImageId, group (text; empty for a picture without a group), line (int). The table
        is empty if the folder has no groups file.

    Raises:
        DataError: the file is malformed, or has two groups for one picture; the message names
            the line.
    """
    path = folder / GROUPS_FILE
    if not path.exists():
        return pd.DataFrame({"ImageId": [], "group": [], "line": []}, dtype=object)
    return label_files.read_pairs(read_file(path), str(path), "group")


def read_class_names(folder: Path) -> dict[int, str] | None:
    """Read the names of the classes by id, ascending; None if the folder has no classes file.

    Raises:
        DataError: the file is not a JSON mapping of whole numbers above 0 to names, or it has two
            names for one id.
    """
    path = folder / CLASSES_FILE
    if not path.exists():
        return None
    expected = f'{path}: expected class names by id, such as {{"1": "scratch"}}'
    try:
        content = json.loads(read_file(path), object_pairs_hook=list)
    except ValueError as error:
        raise DataError(f"{expected}; it is not JSON: {error}") from None
    names: dict[int, str] = {}
    for entry in content if isinstance(content, list) else [None]:
        number, name = entry if isinstance(entry, tuple) else (str(entry), None)
        if not _CLASS_ID.fullmatch(number) or not isinstance(name, str) or not name:
            raise DataError(f"{expected}; received {number!r}: {name!r}")
        if int(number) in names:
            raise DataError(f"{path} names class {int(number)} twice")
        names[int(number)] = name
    if not names:
        raise DataError(expected)
    return dict(sorted(names.items()))


def read_file(path: Path) -> bytes:
    """Read a label file.

    Raises:
        DataError: the file is missing, is not a regular file, or cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"cannot read {path}: not a regular file")
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"no such file: {path}; the data folder needs it") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None

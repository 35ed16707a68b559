"""The label files of a data folder; how each is read is in `steeldefect.labels`.

A file as such that cannot be read is an error here; whether the files agree with each other and
with the pictures is for `training.dataset`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from steeldefect import labels
from steeldefect.errors import DataError
from steeldefect.labels import LABELS_FILES, MASKS_FILE, listed

GROUPS_FILE = "groups.csv"
CLASSES_FILE = "classes.json"

__all__ = [
    "CLASSES_FILE",
    "GROUPS_FILE",
    "LABELS_FILES",
    "MASKS_FILE",
    "listed",
    "read_class_names",
    "read_groups",
    "read_labels",
    "read_masks",
]


def read_masks(path: Path) -> pd.DataFrame:
    """Read run lengths, in either of Kaggle's forms; see `steeldefect.labels.read_masks`.

    Raises:
        DataError: missing file or columns, or class ids that are not whole numbers above 0.
    """
    return labels.read_masks(_read(path), str(path))


def read_labels(folder: Path) -> dict[str, bool] | None:
    """Read which pictures are defective; None where the folder has no labels file.

    Raises:
        DataError: two labels files, missing columns, a label that is neither 0 nor 1, or two
            labels for one picture.
    """
    present = [folder / name for name in LABELS_FILES if (folder / name).exists()]
    if not present:
        return None
    if len(present) > 1:
        raise DataError(f"{folder} has both {' and '.join(LABELS_FILES)}; keep one of them")
    return labels.read_labels(_read(present[0]), str(present[0]))


def read_groups(folder: Path) -> dict[str, str]:
    """Read which pictures belong together; empty where the folder has no groups file.

    Raises:
        DataError: missing columns, or two groups for one picture.
    """
    path = folder / GROUPS_FILE
    if not path.exists():
        return {}
    table = labels.read_pairs(_read(path), str(path), "group")
    return dict(zip(table["imageid"], table["group"], strict=True))


def read_class_names(folder: Path) -> dict[int, str] | None:
    """Read the classes' names by their id, ascending; None where the folder has no classes file.

    Raises:
        DataError: not a JSON mapping of whole numbers above 0 to names.
    """
    path = folder / CLASSES_FILE
    if not path.exists():
        return None
    try:
        content = json.loads(_read(path))
        names = {int(number): name for number, name in content.items()}
        sound = all(isinstance(name, str) and name for name in names.values())
    except (ValueError, AttributeError):
        sound = False
    if not sound or not names or min(names) < 1:
        raise DataError(f'{path}: expected class names by id, such as {{"1": "scratch"}}')
    return dict(sorted(names.items()))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"no such file: {path}; the data folder needs it") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}") from None

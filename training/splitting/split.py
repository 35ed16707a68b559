"""One split for both models: by picture, groups and near-duplicates kept whole, strata even.

The validation part steers early stopping; the test part is only ever measured on. A split is
made anew from its seed, or once for many fits: `python -m training split` writes it to a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steeldefect.errors import DataError
from steeldefect.program.progress import warn
from training.data.dataset import DataSet, LabelledPicture
from training.recipe import NearDuplicates, Split
from training.splitting.division import divide_into_folds, split_pictures, stratum_of
from training.splitting.duplicates import DuplicateSet
from training.splitting.files import read_origin, read_split, refuse_existing, write_split
from training.splitting.origin import Origin
from training.splitting.overlap import check_parts
from training.splitting.parts import SPLIT_NAME, Folds, Parts, regrouped
from training.splitting.views import find_near_duplicates, join_groups

__all__ = [
    "SPLIT_NAME",
    "Folds",
    "Origin",
    "Parts",
    "SplitMade",
    "check_parts",
    "make_split",
    "parts_for",
    "read_split",
    "split_pictures",
    "stratum_of",
    "write_split",
]


@dataclass(frozen=True)
class SplitMade:
    """A split that was written to a file.

    Attributes:
        groups_before: how many groups the data set states; ungrouped pictures are one each.
        groups: how many are left after near-duplicates were joined.
        largest_group: how many pictures it has.
    """

    division: Parts | Folds
    groups_before: int
    groups: int
    largest_group: int


def parts_for(
    dataset: DataSet, shares: Split, seed: int, split_file: Path | None, fold: int | None
) -> Parts:
    """Give a fit its parts: made, or read from a file, and in either case checked for overlap.

    Args:
        dataset: all of its pictures are divided.
        shares: of the parts, and whether near-duplicates count. Of a split that is read, only
            the latter matters.
        seed: of a split that is made.
        split_file: from `python -m training split`; None makes a split.
        fold: which fold of the file is the test part, from 0; None for a file without folds.

    Returns:
        The parts; the groups of their pictures are joined where near-duplicates connect them.

    Raises:
        DataError: the file cannot be used for these pictures, or parts are empty or overlap.
    """
    if split_file is None and fold is not None:
        raise DataError(f"--fold {fold} is one of a split file: name the file with --split")
    stored = None if split_file is None else _read(split_file, dataset, fold)
    duplicates = _near_duplicates(dataset.pictures, shares)
    groups = join_groups(dataset.pictures, duplicates)
    parts = stored
    if parts is None:
        parts = split_pictures(regrouped(dataset.pictures, groups), shares, seed)
    check_parts(parts, duplicates)
    return parts.regrouped(groups)


def make_split(
    path: Path, dataset: DataSet, shares: Split, seed: int, folds: int | None = None
) -> SplitMade:
    """Divide a data set, and write the split to a new file.

    Args:
        path: of the file; must not exist.
        dataset: all of its pictures are divided.
        shares: of the parts, and whether near-duplicates count; with folds, the test share is
            not used.
        seed: of the split.
        folds: how many; None for train, validation and test.

    Raises:
        AlreadyExistsError: `path` exists.
        DataError: a picture cannot be read, or there are too few.
        OSError: the file cannot be written.
    """
    refuse_existing(path)
    duplicates = _near_duplicates(dataset.pictures, shares)
    pictures = regrouped(dataset.pictures, join_groups(dataset.pictures, duplicates))
    division: Parts | Folds
    if folds is None:
        division = split_pictures(pictures, shares, seed)
    else:
        division = divide_into_folds(pictures, folds, seed)
    origin = Origin(
        seed=seed,
        validation=shares.validation,
        test=shares.test if folds is None else None,
        folds=folds,
        near_duplicates=shares.near_duplicates,
        data=dataset.fingerprint,
    )
    write_split(path, division, origin)
    sizes = Counter(picture.group for picture in pictures)
    return SplitMade(
        division,
        groups_before=len({picture.group for picture in dataset.pictures}),
        groups=len(sizes),
        largest_group=max(sizes.values()),
    )


def _near_duplicates(pictures: Sequence[LabelledPicture], shares: Split) -> Sequence[DuplicateSet]:
    if shares.near_duplicates is NearDuplicates.IGNORE:
        return ()
    return find_near_duplicates(pictures)


def _read(split_file: Path, dataset: DataSet, fold: int | None) -> Parts:
    parts = read_split(split_file, dataset.pictures, fold)
    origin = read_origin(split_file)
    if origin is not None and origin.data != dataset.fingerprint:
        warn(
            f"{split_file} was made before labels or pictures in {dataset.folder} changed: "
            "classes may be uneven"
        )
    return parts

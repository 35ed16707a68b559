"""Make or read the split of a fit; both models use the same split.

Groups and near-duplicates stay in one part, and strata are even. The validation part decides on
early stopping and thresholds. The test part is used for held-out scores alone. A fit makes its
split from a seed, or reads it from a file that `python -m training split` wrote.
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
    "parts_of_file",
    "read_split",
    "split_pictures",
    "stratum_of",
    "write_split",
]


@dataclass(frozen=True)
class SplitMade:
    """A split that was written to a file.

    Attributes:
        division: the parts or folds.
        groups_before: number of groups in the data set; a picture without a group counts as one.
        groups: number of groups after near-duplicates were joined.
        largest_group: number of pictures in the largest group.
    """

    division: Parts | Folds
    groups_before: int
    groups: int
    largest_group: int


def parts_for(
    dataset: DataSet, shares: Split, seed: int, split_file: Path | None, fold: int | None
) -> Parts:
    """Make the parts of a fit, or read them from a file; check in both cases for overlap.

    Args:
        dataset: data set; all its pictures are divided.
        shares: shares of the parts, and whether near-duplicates count. With a split file, the
            shares are not used.
        seed: seed of the split; not used with a split file.
        split_file: file written by `python -m training split`; None: make a split.
        fold: number of the fold that is the test part, from 0; None for a file without folds.

    Returns:
        The parts. Groups that near-duplicates connect are joined.

    Raises:
        DataError: the file does not fit these pictures, or parts are empty or overlap.
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


def parts_of_file(dataset: DataSet, split_file: Path, fold: int | None) -> Parts:
    """Read the parts of a split file; near-duplicates count as they did when it was made.

    Args:
        dataset: data set that the file divides.
        split_file: file written by `python -m training split`.
        fold: number of the fold that is the test part, from 0; None for a file without folds.

    Raises:
        DataError: the file does not fit these pictures, or parts are empty or overlap.
    """
    origin = read_origin(split_file)
    searched = NearDuplicates.GROUP if origin is None else origin.near_duplicates
    return parts_for(dataset, Split(near_duplicates=searched), 0, split_file, fold)


def make_split(
    path: Path, dataset: DataSet, shares: Split, seed: int, folds: int | None = None
) -> SplitMade:
    """Divide a data set, and write the split to a new file.

    Args:
        path: path of the split file; must not exist.
        dataset: data set; all its pictures are divided.
        shares: shares of the parts, and whether near-duplicates count; with folds, the test
            share is not used.
        seed: seed of the split.
        folds: number of folds; None for train, validation and test.

    Raises:
        AlreadyExistsError: `path` exists.
        DataError: a picture cannot be read, or there are too few pictures.
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

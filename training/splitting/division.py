"""Divide pictures into parts or folds: groups stay whole, strata are even, a seed fixes the result.

A picture's stratum is the rarest class that it shows, or `clean`, or `defective without masks`.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from steeldefect.errors import DataError
from training.data.dataset import LabelledPicture
from training.recipe import Split
from training.splitting.parts import Folds, Parts

Strata = npt.NDArray[np.str_]
"""Stratum of each picture."""

_CLEAN = "clean"
_NOT_OUTLINED = "defective without masks"
_CLOSE_ENOUGH = 0.02  # accepted error of a share: 0.15 becomes one fold of seven
_MOST_FOLDS = 20


def split_pictures(pictures: Sequence[LabelledPicture], shares: Split, seed: int) -> Parts:
    """Divide pictures into train, validation and test.

    Args:
        pictures: pictures in any order; the split depends on their names, labels and groups alone.
        shares: shares of validation and test, met as closely as whole folds allow.
        seed: seed of the split.

    Raises:
        DataError: too few groups of pictures to fill three parts.
    """
    ordered = _by_name(pictures)
    rest, test = _hold_back(ordered, shares.test, seed)
    train, validation = _hold_back(rest, shares.validation / (1 - shares.test), seed)
    parts = Parts(tuple(train), tuple(validation), tuple(test))
    _refuse_empty(parts)
    return parts


def divide_into_folds(pictures: Sequence[LabelledPicture], folds: int, seed: int) -> Folds:
    """Divide all pictures into folds of about the same size.

    Classes are spread evenly over the folds. With fewer pictures of each class than folds, only
    clean and defective pictures are.

    Args:
        pictures: pictures in any order; the folds depend on their names, labels and groups alone.
        folds: number of folds, at least 2.
        seed: seed of the division.

    Raises:
        DataError: too few groups of pictures to fill the folds.
    """
    ordered = _by_name(pictures)
    kinds = [_strata(ordered), np.array([one.defective for one in ordered], np.str_)]
    strata = next((one for one in kinds if folds <= _most_folds(ordered, one)), None)
    places = [] if strata is None else _fold_places(ordered, folds, seed, strata)
    members = tuple(tuple(ordered[place] for place in fold) for fold in places)
    if not members or not all(members):
        raise DataError(
            f"too few pictures for {folds} folds: {len(ordered)} in {_count_groups(ordered)} "
            "groups; take fewer folds, or add pictures"
        )
    return Folds(members)


def parts_of_fold(folds: Folds, fold: int, validation: float, seed: int) -> Parts:
    """Return parts with one fold as test; the other folds are divided into train and validation.

    Args:
        folds: folds of all pictures.
        fold: number of the fold that becomes the test part, from 0.
        validation: share of all pictures that the validation part gets.
        seed: seed of the division.

    Raises:
        DataError: too few groups of pictures outside the fold to fill two parts.
    """
    others = [one for number, fold_ in enumerate(folds.members) if number != fold for one in fold_]
    everything = len(others) + len(folds.members[fold])
    train, held = _hold_back(_by_name(others), validation * everything / len(others), seed)
    parts = Parts(tuple(train), tuple(held), folds.members[fold])
    _refuse_empty(parts)
    return parts


def stratum_of(picture: LabelledPicture, class_counts: Counter[int]) -> str:
    """Return the name of a picture's stratum.

    Args:
        picture: one picture.
        class_counts: number of pictures that show each class.
    """
    if picture.runs:
        return f"class {min(picture.runs, key=lambda number: (class_counts[number], number))}"
    return _NOT_OUTLINED if picture.defective else _CLEAN


def _hold_back(
    pictures: Sequence[LabelledPicture], share: float, seed: int
) -> tuple[list[LabelledPicture], list[LabelledPicture]]:
    """Divide pictures into two lists; the second list has about `share` of them."""
    strata = _strata(pictures)
    taken, folds = _as_folds(share, _most_folds(pictures, strata))
    if folds < 2:
        return list(pictures), []
    held: set[int] = set()
    for fold in _fold_places(pictures, folds, seed, strata)[:taken]:
        held.update(fold.tolist())
    kept = [picture for number, picture in enumerate(pictures) if number not in held]
    return kept, [pictures[number] for number in sorted(held)]


def _fold_places(
    pictures: Sequence[LabelledPicture], folds: int, seed: int, strata: Strata
) -> list[npt.NDArray[np.intp]]:
    """Return the indices in `pictures` of each fold's members."""
    groups = np.array([picture.group for picture in pictures])
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a stratum smaller than the folds is fine
        return [fold for _, fold in splitter.split(groups, strata, groups)]


def _most_folds(pictures: Sequence[LabelledPicture], strata: Strata) -> int:
    """Return the largest number of folds that can be filled."""
    largest = max(Counter(strata.tolist()).values(), default=0)
    return min(_count_groups(pictures), largest)


def _strata(pictures: Sequence[LabelledPicture]) -> Strata:
    counts = Counter(number for picture in pictures for number in picture.runs)
    return np.array([stratum_of(picture, counts) for picture in pictures], np.str_)


def _as_folds(share: float, most: int) -> tuple[int, int]:
    """Return (taken, folds): the fraction with the fewest folds that is close to `share`."""
    best = (1, min(2, most))
    for folds in range(2, min(most, _MOST_FOLDS) + 1):
        taken = min(max(1, round(share * folds)), folds - 1)
        if abs(taken / folds - share) < abs(best[0] / best[1] - share):
            best = (taken, folds)
        if abs(best[0] / best[1] - share) <= _CLOSE_ENOUGH:
            break
    return best


def _by_name(pictures: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    return sorted(pictures, key=lambda picture: picture.name)


def _count_groups(pictures: Sequence[LabelledPicture]) -> int:
    return len({picture.group for picture in pictures})


def _refuse_empty(parts: Parts) -> None:
    empty = [name for name, count in parts.counts().items() if count == 0]
    if empty:
        pictures = [picture for part in parts.named().values() for picture in part]
        raise DataError(
            f"too few pictures for a split: {len(pictures)} in {_count_groups(pictures)} groups "
            f"leave {' and '.join(empty)} empty; add pictures"
        )

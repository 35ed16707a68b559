"""Which pictures show one piece of steel, whatever their names: found by looking at them.

A model that has trained on a picture knows its near-duplicate. Here the search is wider than the
one for copies in `training.explore`: exposures of one piece, and pictures that another defect was
pasted into, correlate at 0.9 and more where their hashes are close, and pictures of different
pieces do not. A pair too many costs a split nothing, since both stay in one part.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from steeldefect.program.progress import followed
from training.data.dataset import LabelledPicture
from training.splitting.duplicates import (
    DuplicateSet,
    Fingerprint,
    digest_of,
    find_duplicates,
    linked,
    take_fingerprint,
)

SAME_PIECE_CORRELATION = 0.9

_READERS = 4


@dataclass(frozen=True)
class _View:
    name: str
    digest: str
    fingerprint: Fingerprint


def find_near_duplicates(pictures: Sequence[LabelledPicture]) -> list[DuplicateSet]:
    """Look at every picture once, and find the sets that show one piece; the largest first.

    Says on standard error how far it is.

    Raises:
        DataError: a picture cannot be read.
    """
    ordered = sorted(pictures, key=lambda picture: picture.name)
    with ThreadPoolExecutor(_READERS) as pool:
        views = list(followed(pool.map(_look, ordered), len(ordered), "fingerprints", "pictures"))
    return find_duplicates(views, SAME_PIECE_CORRELATION)


def join_groups(
    pictures: Sequence[LabelledPicture], duplicates: Sequence[DuplicateSet]
) -> dict[str, str]:
    """Join the groups that near-duplicates connect, directly or over others.

    Returns:
        The group of every picture by its name; joined groups take the first of their names.
    """
    own = {picture.name: picture.group for picture in pictures}
    links = [(own[one.names[0]], own[name]) for one in duplicates for name in one.names[1:]]
    joined = {group: min(groups) for groups in linked(links) for group in groups}
    return {name: joined.get(group, group) for name, group in own.items()}


def _look(picture: LabelledPicture) -> _View:
    gray = picture.read()
    return _View(picture.name, digest_of(gray), take_fingerprint(gray))

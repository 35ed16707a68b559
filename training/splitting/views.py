"""Find near-duplicates: pictures that show one piece of steel. Pixels are compared, not names.

A model that was trained on a picture also knows its near-duplicates, so both must be in one part.
The search accepts a lower correlation than the search for copies in `training.explore`, so that it
also finds other exposures of a piece. A wrong pair does no harm: both pictures stay in one part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from steeldefect.pictures.fingerprints import (
    SAME_PIECE_CORRELATION,
    Fingerprint,
    digest_of,
    find_similar,
    take_fingerprint,
)
from steeldefect.program.progress import followed
from training.data.dataset import LabelledPicture
from training.splitting.duplicates import DuplicateSet, find_duplicates, linked

_READERS = 4


@dataclass(frozen=True)
class View:
    """What is compared of one picture.

    Attributes:
        name: name of the picture.
        digest: digest of its pixels; equal for equal pixels.
        fingerprint: perceptual hash and small copy.
    """

    name: str
    digest: str
    fingerprint: Fingerprint


def find_near_duplicates(pictures: Sequence[LabelledPicture]) -> list[DuplicateSet]:
    """Read every picture once, and return the sets that show one piece; the largest sets first.

    Progress goes to standard error.

    Raises:
        DataError: a picture cannot be read.
    """
    ordered = sorted(pictures, key=lambda picture: picture.name)
    return find_duplicates(views_of(ordered, "fingerprints"), SAME_PIECE_CORRELATION)


def views_of(pictures: Sequence[LabelledPicture], work: str) -> list[View]:
    """Read every picture once, and return what is compared of each, in the same order.

    Args:
        pictures: pictures to read.
        work: name of the work, with which the lines of progress begin.

    Raises:
        DataError: a picture cannot be read.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        return list(followed(pool.map(_look, pictures), len(pictures), work, "pictures"))


def similar_to(views: Sequence[View], others: Sequence[View]) -> Iterator[tuple[View, View]]:
    """Yield each view that shows a piece that one of `others` shows, with the first such other."""
    prints = [other.fingerprint for other in others]
    by_digest = {other.digest: other for other in others}
    for view in views:
        place = find_similar(view.fingerprint, prints, SAME_PIECE_CORRELATION)
        if view.digest in by_digest:
            yield view, by_digest[view.digest]
        elif place is not None:
            yield view, others[place]


def join_groups(
    pictures: Sequence[LabelledPicture], duplicates: Sequence[DuplicateSet]
) -> dict[str, str]:
    """Join the groups that near-duplicates connect, directly or through other groups.

    Returns:
        The group of every picture, by name of the picture. Joined groups get the name that sorts
        first.
    """
    own = {picture.name: picture.group for picture in pictures}
    links = [(own[one.names[0]], own[name]) for one in duplicates for name in one.names[1:]]
    joined = {group: min(groups) for groups in linked(links) for group in groups}
    return {name: joined.get(group, group) for name, group in own.items()}


def _look(picture: LabelledPicture) -> View:
    gray = picture.read()
    return View(picture.name, digest_of(gray), take_fingerprint(gray))

"""Find near-duplicates: pictures that show one piece of steel. Pixels are compared, not names.

A model that was trained on a picture also knows its near-duplicates, so both must be in one part.
The search accepts a lower correlation than the search for copies in `training.explore`, so that it
also finds other exposures of a piece. A wrong pair does no harm: both pictures stay in one part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


class Views:
    """Views among which others are looked for."""

    def __init__(self, views: Iterable[View] = ()) -> None:
        """Begin with some views."""
        self._views: list[View] = []
        self._prints: list[Fingerprint] = []
        self._by_digest: dict[str, View] = {}
        for view in views:
            self.add(view)

    def add(self, view: View) -> None:
        """Add a view."""
        self._views.append(view)
        self._prints.append(view.fingerprint)
        self._by_digest.setdefault(view.digest, view)

    def like(self, view: View) -> View | None:
        """Return one that shows a piece that a view shows; None if there is none."""
        equal = self._by_digest.get(view.digest)
        if equal is not None:
            return equal
        place = find_similar(view.fingerprint, self._prints, SAME_PIECE_CORRELATION)
        return None if place is None else self._views[place]


def similar_to(views: Iterable[View], others: Iterable[View]) -> Iterator[tuple[View, View]]:
    """Yield each view that shows a piece that one of `others` shows, with such a one."""
    known = Views(others)
    for view in views:
        other = known.like(view)
        if other is not None:
            yield view, other


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

"""Find pictures that occur more than once: the same pixels, or the same view saved again.

`steeldefect.pictures.fingerprints` says which pictures are similar.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from steeldefect.pictures.fingerprints import MIN_CORRELATION, Fingerprint, similar_pairs

Thing = TypeVar("Thing", bound=Hashable)


class Comparable(Protocol):
    """The properties of a picture that are compared."""

    @property
    def name(self) -> str:
        """File name."""

    @property
    def digest(self) -> str:
        """Digest of the pixels; equal for equal pixels."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Perceptual hash and small copy of the picture."""


@dataclass(frozen=True)
class DuplicateSet:
    """Pictures that show the same view.

    Attributes:
        names: two or more names of pictures, ascending.
        identical: whether all pictures have the same pixels.
        correlation: lowest correlation among the pairs that were linked.
    """

    names: tuple[str, ...]
    identical: bool
    correlation: float


def find_duplicates(
    pictures: Sequence[Comparable], min_correlation: float = MIN_CORRELATION
) -> list[DuplicateSet]:
    """Return all sets of pictures that are linked by similar pairs; the largest sets first.

    Args:
        pictures: pictures in any order.
        min_correlation: lowest correlation of a similar pair. A lower value also links pictures
            that differ more, such as several exposures of one object.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for number, picture in enumerate(pictures):
        same[picture.digest].append(number)
    unlike = [members[0] for members in same.values()]
    links = [(members[0], other, 1.0) for members in same.values() for other in members[1:]]
    links += [
        (unlike[one], unlike[other], correlation)
        for one, other, correlation in similar_pairs(
            [pictures[number].fingerprint for number in unlike], min_correlation
        )
    ]
    together = linked((one, other) for one, other, _ in links)
    sets = [_describe(members, pictures, links) for members in together]
    return sorted(sets, key=lambda one: (-len(one.names), one.names))


def linked(links: Iterable[tuple[Thing, Thing]]) -> list[list[Thing]]:
    """Return the sets of things that are linked, directly or through others (union-find)."""
    parents: dict[Thing, Thing] = {}

    def root(one: Thing) -> Thing:
        parents.setdefault(one, one)
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = parents[one]
        return one

    for one, other in links:
        parents[root(other)] = root(one)
    members: dict[Thing, list[Thing]] = defaultdict(list)
    for one in list(parents):
        members[root(one)].append(one)
    return list(members.values())


def _describe(
    members: list[int], pictures: Sequence[Comparable], links: list[tuple[int, int, float]]
) -> DuplicateSet:
    inside = set(members)
    return DuplicateSet(
        names=tuple(sorted(pictures[one].name for one in members)),
        identical=len({pictures[one].digest for one in members}) == 1,
        correlation=min(correlation for one, _, correlation in links if one in inside),
    )

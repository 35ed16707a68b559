"""Tell pictures apart that show the same view: a person needs to see only one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from steeldefect.errors import SteelDefectError
from steeldefect.pictures.fingerprints import (
    SAME_PIECE_CORRELATION,
    Fingerprint,
    digest_of,
    find_similar,
    take_fingerprint,
)
from steeldefect.review.candidates import Candidate
from steeldefect.review.stored_pictures import StoredPictures

_READERS = 4
_AHEAD = 2 * _READERS  # candidates that are read before they are asked for


@dataclass(frozen=True)
class View:
    """What a candidate shows.

    Attributes:
        digest: digest of its pixels.
        fingerprint: perceptual hash and small copy.
    """

    digest: str
    fingerprint: Fingerprint


@dataclass(frozen=True)
class Looked:
    """A candidate and its view.

    Attributes:
        candidate: the candidate.
        view: what it shows; None if the picture cannot be read now.
        problem: why it cannot be read; empty if it can.
    """

    candidate: Candidate
    view: View | None
    problem: str = ""


class SeenViews:
    """The views of the queue so far, in groups of near-duplicates.

    A view joins a group if it is similar to any view of the group, those that are not in the queue
    included. So a group also holds views that are similar only through others.
    """

    def __init__(self) -> None:
        """Begin without a view."""
        self._prints: list[Fingerprint] = []
        self._groups: list[int] = []
        self._by_digest: dict[str, int] = {}

    def group_of(self, view: View, new: int) -> int:
        """Return the group that a view joins, and remember the view.

        Args:
            view: the view.
            new: number of the group that it begins if it is not similar to a view before it.
        """
        group = self._by_digest.get(view.digest)
        if group is not None:
            return group
        place = find_similar(view.fingerprint, self._prints, SAME_PIECE_CORRELATION)
        group = new if place is None else self._groups[place]
        self._by_digest[view.digest] = group
        self._prints.append(view.fingerprint)
        self._groups.append(group)
        return group


def look_ahead(
    candidates: Iterable[Candidate], pictures: StoredPictures
) -> Generator[Looked, None, None]:
    """Read candidates in threads, a few ahead, and yield them in their order with their views.

    Close the iterator if it is not read to its end: that ends the threads.
    """
    waiting: deque[Future[Looked]] = deque()
    with ThreadPoolExecutor(_READERS) as pool:
        try:
            for candidate in candidates:
                waiting.append(pool.submit(_look, candidate, pictures))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _look(candidate: Candidate, pictures: StoredPictures) -> Looked:
    try:
        pixels = pictures.read(candidate.source, candidate.key).pixels
    except (SteelDefectError, OSError, MemoryError) as error:
        return Looked(candidate, None, " ".join(str(error).split()) or type(error).__name__)
    return Looked(candidate, View(digest_of(pixels), take_fingerprint(pixels)))

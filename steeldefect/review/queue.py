"""Build the queue from its candidates: near-duplicates once, random pictures all along it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from steeldefect.program.progress import followed
from steeldefect.review.candidates import Candidate
from steeldefect.review.stored_pictures import StoredPictures
from steeldefect.review.views import Looked, SeenViews, look_ahead


@dataclass(frozen=True)
class Place:
    """A picture of the queue.

    Attributes:
        candidate: the picture.
        problem: why the picture cannot be read now; empty if it can.
        stands_for: number of drawn pictures of this view; 0 if it was not drawn.
    """

    candidate: Candidate
    problem: str
    stands_for: int


def build_queue(
    drawn: Sequence[Candidate],
    doubtful: Sequence[Candidate],
    count: int,
    pictures: StoredPictures,
) -> list[Place]:
    """Return the queue in its order; progress goes to standard error.

    The drawn pictures take their places first: no doubtful picture can displace one of them. Of
    near-duplicates only the first has a place. If several of them were drawn, it stands for all
    that were.

    Args:
        drawn: pictures that were drawn at random.
        doubtful: pictures in the order of the ranking; those that were drawn are left out.
        count: largest number of pictures.
        pictures: reader of the archive.
    """
    taken = {one.picture for one in drawn}
    others = [one for one in doubtful if one.picture not in taken]
    selection = _Selection(count)
    total = min(count, len(drawn) + len(others))
    with closing(look_ahead([*drawn, *others], pictures)) as looked:
        for _ in followed(selection.fill(looked), total, "review queue", "pictures"):
            pass
    return _spread(selection.places())


class _Selection:
    """The pictures that get a place: the first of each group of near-duplicates."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = SeenViews()
        self._chosen: list[Looked] = []
        self._drawn: Counter[int] = Counter()  # by place in `_chosen`

    def fill(self, looked: Iterable[Looked]) -> Iterator[Looked]:
        """Choose until there are enough; yield each chosen picture.

        A picture that cannot be read now is chosen: nobody knows what it shows.
        """
        for one in looked:
            new = len(self._chosen)
            place = new if one.view is None else self._seen.group_of(one.view, new)
            self._drawn[place] += one.candidate.draw is not None
            if place == new:
                self._chosen.append(one)
                yield one
            if len(self._chosen) == self._count:
                return

    def places(self) -> list[Place]:
        return [
            Place(one.candidate, one.problem, self._drawn[place])
            for place, one in enumerate(self._chosen)
        ]


def _spread(places: Sequence[Place]) -> list[Place]:
    """Return the places with the drawn ones at equal distances among the others.

    So a person who stops early has seen the same share of drawn pictures.
    """
    drawn = [one for one in places if one.stands_for]
    doubtful = [one for one in places if not one.stands_for]
    at = [
        ((number + 0.5) / len(some), turn, one)
        for turn, some in enumerate((doubtful, drawn))
        for number, one in enumerate(some)
    ]
    return [one for _, _, one in sorted(at, key=lambda entry: entry[:2])]

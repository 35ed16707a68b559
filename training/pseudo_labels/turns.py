"""Choose which picture is next, so that rare classes are not drowned by common ones."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from training.pseudo_labels.candidates import Candidate

CLEAN_KIND = 0
"""Kind of clean pictures; ids of classes begin at 1."""


class Turns:
    """The pictures that are left, and how many of each kind were taken.

    The kind of a picture is its rarest class, as for `sampling: by_class` in a recipe. The next
    picture is of the kind of which the fewest were taken. A clean picture has its turn only if
    fewer clean pictures than defective ones were taken.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        """Sort pictures by kind; within a kind, they keep their order."""
        counts = Counter(number for one in candidates for number in one.masks)
        self._left: dict[int, deque[Candidate]] = {}
        for one in candidates:
            kind = min(one.masks, key=lambda number: (counts[number], number), default=CLEAN_KIND)
            self._left.setdefault(kind, deque()).append(one)
        self._taken: Counter[int] = Counter()
        self._last = CLEAN_KIND

    def __len__(self) -> int:
        """Return the number of pictures that are left."""
        return sum(len(one) for one in self._left.values())

    def next(self) -> Candidate | None:
        """Return the next picture, and remove it; None if no picture has its turn."""
        kinds = [kind for kind, left in self._left.items() if left and self._may(kind)]
        if not kinds:
            return None
        # a clean picture is last of those that were taken equally often
        self._last = min(kinds, key=lambda kind: (self._taken[kind], kind == CLEAN_KIND, kind))
        return self._left[self._last].popleft()

    def take(self) -> None:
        """Count the picture that `next` returned last as taken."""
        self._taken[self._last] += 1

    def _may(self, kind: int) -> bool:
        clean = self._taken[CLEAN_KIND]
        return kind != CLEAN_KIND or clean < self._taken.total() - clean

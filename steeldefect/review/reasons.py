"""Why a picture is doubtful, and the sentence that says so to a person."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

_MOST_DECIMALS = 6


class Kind(str, Enum):
    """The kinds of reasons for which a person is asked about a picture.

    `gate`: the gate's probability is near its threshold. `probability`: the probability of a region
    is near the threshold of its class. `area_above`, `area_below`: a class counts, or was removed,
    by little more or less than its minimum area. `disagreement`: another bundle found something
    else. `audit`: the gate stopped the picture, and its audit found something. `random`: drawn at
    random, whatever was found.
    """

    GATE = "gate"
    PROBABILITY = "probability"
    AREA_ABOVE = "area_above"
    AREA_BELOW = "area_below"
    DISAGREEMENT = "disagreement"
    AUDIT = "audit"
    RANDOM = "random"


@dataclass(frozen=True)
class Doubt:
    """One reason to doubt what a bundle says of a picture.

    Attributes:
        kind: kind of the reason; never `random`.
        score: 0 to 1, greater is more doubtful; see `steeldefect.review.doubts`.
        value: what was measured: a probability, or an area in pixels.
        bound: what it is compared with: a threshold, a minimum area, or the area in pixels that the
            other bundle found; for `audit` the gate's probability.
        class_name: name of the defect class; None for the gate.
        regions: number of regions that `value` is the area of; None for other kinds.
        added: part of the minimum area that a soft gate added, in pixels; None for other kinds.
        complete: false if there are more regions than the tables keep: `value` is a lower bound.
        other: digest of the other bundle; None for other kinds.
        largest: whether `value` is the largest probability of a region, which a seed threshold
            asks for, and not the mean.
    """

    kind: Kind
    score: float
    value: float
    bound: float
    class_name: str | None = None
    regions: int | None = None
    added: int | None = None
    complete: bool = True
    other: str | None = None
    largest: bool = False

    def sentence(self) -> str:
        """Return the reason for people, without a full stop."""
        if self.kind is Kind.GATE:
            value, bound = _as_texts(self.value, self.bound)
            return f"gate {value}, threshold {bound}"
        if self.kind is Kind.PROBABILITY:
            return self._of_probability()
        if self.kind is Kind.DISAGREEMENT:
            return (
                f"class {self.class_name}: {_area_text(self.value)}, but "
                f"{_area_text(self.bound)} by bundle {(self.other or '')[:12]}"
            )
        if self.kind is Kind.AUDIT:
            return (
                f"behind the gate ({self.bound:.4f}): {_area_text(self.value)} of class "
                f"{self.class_name}"
            )
        return self._of_area()

    def _of_probability(self) -> str:
        value, bound = _as_texts(self.value, self.bound)
        if self.value > self.bound:
            measure = "largest" if self.largest else "mean"
            what = f"region of class {self.class_name}: {measure}"
        else:
            what = f"no region of class {self.class_name}: largest"
        return f"{what} probability {value}, threshold {bound}"

    def _of_area(self) -> str:
        count = self.regions or 0
        regions = f"{count} region{'' if count == 1 else 's'}"
        removed = " removed" if self.kind is Kind.AREA_BELOW else ""
        least = "" if self.complete else "at least "
        soft = f", {self.added} px of it added by the soft gate" if self.added else ""
        return (
            f"class {self.class_name}: {least}{self.value:.0f} px in {regions}{removed}, minimum "
            f"area {self.bound:.0f} px{soft}"
        )


def _area_text(area: float) -> str:
    return f"{area:.0f} px" if area else "nothing"


def _as_texts(value: float, bound: float) -> tuple[str, str]:
    """Return two probabilities with as many decimals as it takes to tell them apart.

    >>> _as_texts(0.52, 0.5), _as_texts(0.012, 0.01), _as_texts(0.5004, 0.5)
    (('0.52', '0.50'), ('0.012', '0.010'), ('0.5004', '0.5000'))
    """
    decimals = max(2, *(_two_digits(one) for one in (value, bound)))
    texts = f"{value:.{decimals}f}", f"{bound:.{decimals}f}"
    while value != bound and texts[0] == texts[1] and decimals < _MOST_DECIMALS:
        decimals += 1
        texts = f"{value:.{decimals}f}", f"{bound:.{decimals}f}"
    return texts


def _two_digits(probability: float) -> int:
    """Return the number of decimals that shows two digits of a probability."""
    if not 0 < probability < 1:
        return 2
    return min(1 - math.floor(math.log10(probability)), _MOST_DECIMALS)

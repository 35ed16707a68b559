"""Choose how sure an answer must be to become a label, on answers whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from steeldefect.evaluation.intervals import share_interval

CLEAN_MARGIN = 0.5
"""A clean picture stays at or below this share of a threshold: of that of the gate, or of that of
every class."""


class Answer(NamedTuple):
    """One answer whose truth is known: how sure the bundle is, and whether it is right."""

    probability: float
    right: bool


@dataclass(frozen=True)
class Limit:
    """The least probability of one kind of label, with its evidence.

    Attributes:
        probability: answers at or above it become labels, float32.
        right, count: number of right answers at or above it on the validation part, and of all.
            Both are None if the limit was stated, not measured.
        low: lower end of the 95% interval of their share (Clopper and Pearson, 1934). It takes
            answers as independent, so it is too high where several are on one piece of steel.
    """

    probability: float
    right: int | None = None
    count: int | None = None
    low: float | None = None

    @property
    def precision(self) -> float | None:
        """Share of right answers; None if it was not measured."""
        return None if self.right is None or not self.count else self.right / self.count

    def facts(self) -> dict[str, float | int | None]:
        """Return all values, for a record."""
        return {
            "least_probability": self.probability,
            "right": self.right,
            "answers": self.count,
            "precision": self.precision,
            "precision_low": self.low,
        }

    def __str__(self) -> str:
        """Return the limit in words."""
        if self.right is None or self.low is None:
            return f"at least {self.probability:.4f}, as stated"
        return (
            f"at least {self.probability:.4f}: {self.right} of {self.count} answers are right "
            f"(95%: above {self.low:.2f})"
        )


@dataclass(frozen=True)
class Limits:
    """How sure a label must be.

    Attributes:
        regions: limit of the mean probability of a region, by class. A class without a limit gives
            no labels.
        gated: limit of 1 - gate probability, for pictures that the gate stopped; None: they give
            no labels.
        quiet: limit of 1 - greatest probability of a pixel, for segmented pictures without a
            finding; None: they give no labels.
    """

    regions: Mapping[int, Limit] = field(default_factory=dict)
    gated: Limit | None = None
    quiet: Limit | None = None

    def supports(self, class_id: int, probability: float) -> bool:
        """Return whether a region of a class may be a label."""
        limit = self.regions.get(class_id)
        return limit is not None and _reaches(probability, limit)

    def supports_gated(self, gate_probability: float) -> bool:
        """Return whether a picture that the gate stopped may be labelled clean."""
        return self.gated is not None and _reaches(1 - gate_probability, self.gated)

    def supports_quiet(self, greatest: float) -> bool:
        """Return whether a segmented picture without a finding may be labelled clean."""
        return self.quiet is not None and _reaches(1 - greatest, self.quiet)

    def facts(self) -> dict[str, object]:
        """Return all limits, for a record."""
        return {
            "regions": {str(number): one.facts() for number, one in self.regions.items()},
            "clean_gated": None if self.gated is None else self.gated.facts(),
            "clean_segmented": None if self.quiet is None else self.quiet.facts(),
        }


def _reaches(probability: float, limit: Limit) -> bool:
    return bool(np.float32(probability) >= np.float32(limit.probability))


def choose_limit(answers: Sequence[Answer], precision: float) -> Limit | None:
    """Return the least probability at or above which enough answers are right.

    Enough means two things. The share of right answers is at least `precision`. And there are so
    many answers that one wrong answer among them would not bring the share below it: 10 for a
    precision of 0.9. With fewer, the share says little.

    Args:
        answers: answers whose truth is known, in any order.
        precision: share that must be right, above 0 and below 1.

    Returns:
        The limit; None if no probability has enough answers.
    """
    if not answers:
        return None
    probability = np.array([one.probability for one in answers], dtype=np.float32)
    order = np.argsort(-probability, kind="stable")
    probability = probability[order]
    right = np.cumsum([answers[place].right for place in order.tolist()])
    count = np.arange(1, len(answers) + 1)
    # of equal probabilities, only the last place holds all answers at or above it
    last = np.append(probability[1:] < probability[:-1], True)
    enough = last & (right >= precision * count) & (count - 1 >= precision * count)
    if not enough.any():
        return None
    place = int(np.flatnonzero(enough)[-1])
    of_all = int(right[place]), int(count[place])
    return Limit(float(probability[place]), *of_all, share_interval(*of_all)[0])


def stated_limits(
    probability: float, class_ids: Sequence[int], gate_threshold: float | None
) -> Limits:
    """Return limits that somebody stated: nobody has measured them.

    Segmented pictures without a finding give no labels, because the tables do not hold their
    greatest probability.

    Args:
        probability: least probability of every label.
        class_ids: classes of the bundle.
        gate_threshold: threshold of the gate; None if it is not known, or there is no gate: then no
            picture is labelled clean.
    """
    limit = Limit(probability)
    gated = None
    if gate_threshold is not None:
        gated = Limit(max(probability, 1 - CLEAN_MARGIN * gate_threshold))
    return Limits(dict.fromkeys(class_ids, limit), gated, None)

"""Judge by evidence whether precision `auto` may become a form: intervals decide, not means.

Three things are asked of each model of a form:

1. The masks are those of Keras: pooled Dice of the two at least `LEAST_MASK_DICE`. A loss on truth
   can be small by chance, because errors in both directions cancel; masks that differ, differ.
2. The loss stays within the recipe's limit (positives-only Dice for a segmenter, recall for a
   gate): the mean, and the upper end of its 95% interval.
3. There are enough pictures to tell (`LEAST_MASK_GROUPS`, `least_defective_groups`).

If the bundle has guarantees, a form must also keep them (`kept_guarantees`). If it judges novelty,
the gate's novelty must be close to that of Keras.

Too few pictures prove nothing against a form, and nothing for it. Then bf16 needs only a mean
within the limit and the masks of Keras: it has the range of f32, and its rounding is the same for
all pictures. int8 is refused: its ranges were measured on training pictures, and other pictures may
lie outside of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.evaluation.intervals import CONFIDENCE
from training.export.compare_forms import ModelFigures
from training.recipe import Compile

LEAST_MASK_DICE = 0.98
"""Least pooled Dice between the masks of a form and those of Keras."""

MOST_NOVELTY_DIFFERENCE = 0.05
"""Relative difference of novelty from that of Keras that 95% of the pictures must stay within: the
limit of novelty was chosen with the distances of Keras, and its promise is of a few pictures."""

LEAST_MASK_GROUPS = 72
"""Least number of groups of pictures with a true mask, for the interval of a drop of Dice.

The bootstrap draws only what the sample shows. A form that takes 0.1 of Dice from one defective
picture in twenty loses 0.005 in the mean, the limit of the recipes. All of n groups miss such
pictures with probability 0.95^n, and 0.95^72 is 0.025: what a 95% interval leaves out on this side.
"""


@dataclass(frozen=True)
class Limit:
    """What a model may lose.

    Attributes:
        measure: name of what is lost.
        allowed: largest drop.
        least_groups: least number of groups that can tell; None if no number can.
        kind: what the groups are.
    """

    measure: str
    allowed: float
    least_groups: int | None
    kind: str


def segmenter_limit(settings: Compile) -> Limit:
    """Return what a segmenter may lose."""
    kind = "groups of validation pictures with a true mask"
    return Limit("positives-only Dice", settings.max_dice_drop, LEAST_MASK_GROUPS, kind)


def gate_limit(settings: Compile) -> Limit:
    """Return what a gate may lose."""
    allowed = settings.max_recall_drop
    kind = "groups of defective validation pictures"
    return Limit("gate recall", allowed, least_defective_groups(allowed), kind)


def least_defective_groups(allowed: float) -> int | None:
    """Return the least number of groups with which a drop of recall can be told from `allowed`.

    If no group loses a picture, the exact interval of `intervals.paired_interval` ends at
    1 - 0.0125^(1 / groups), about 4.4 / groups.

    Args:
        allowed: largest drop of recall, 0 to 1; with 0, no number is enough: None.
    """
    if allowed == 0:
        return None
    if allowed >= 1:
        return 1
    return math.ceil(math.log((1 - CONFIDENCE) / 4) / math.log1p(-allowed))


def objections(precision: CpuPrecision, figures: ModelFigures, limit: Limit) -> str:
    """Return why `auto` may not become a form for a model; empty if it may. f32 always may.

    Args:
        precision: precision of the form.
        figures: the model, compared with Keras.
        limit: what it may lose.
    """
    if precision is CpuPrecision.F32:
        return ""
    found = [*_differing(figures), *_lost(figures, limit), *_untold(precision, figures, limit)]
    return " and ".join([*found, *_odd(figures)])


def _odd(figures: ModelFigures) -> Iterator[str]:
    difference = figures.novelty_difference
    if difference is not None and difference > MOST_NOVELTY_DIFFERENCE:
        yield (
            f"its novelty differs from that of Keras by up to {difference:.1%} of it, "
            f"{MOST_NOVELTY_DIFFERENCE:.0%} is allowed"
        )


def _differing(figures: ModelFigures) -> Iterator[str]:
    if figures.mask_dice is None:
        yield "neither it nor Keras finds a defect in the validation pictures"
    elif figures.mask_dice < LEAST_MASK_DICE:
        yield (
            f"its masks agree with those of Keras by a pooled Dice of {figures.mask_dice:.4f}, "
            f"{LEAST_MASK_DICE} is the least"
        )


def _lost(figures: ModelFigures, limit: Limit) -> Iterator[str]:
    value = figures.drop.value
    if value is not None and value > limit.allowed:
        yield f"{limit.measure} drops by {value:.4f}, {limit.allowed} is allowed"


def _untold(precision: CpuPrecision, figures: ModelFigures, limit: Limit) -> Iterator[str]:
    """Yield an objection if the drop may be above its limit, or if too few pictures tell."""
    drop, least = figures.drop, limit.least_groups
    if least is None or drop.groups < least:
        if precision is CpuPrecision.INT8:
            enough = "no number is enough" if least is None else f"{least:,} are the least"
            yield (
                f"{drop.groups:,} {limit.kind} are too few to tell a drop of {limit.measure} of "
                f"{limit.allowed}, {enough}"
            )
    elif drop.interval is not None and drop.interval[1] > limit.allowed:
        low, high = drop.interval
        yield (
            f"{limit.measure} may drop by {high:.4f} (95%: {low:+.4f} to {high:+.4f}), "
            f"{limit.allowed} is allowed"
        )

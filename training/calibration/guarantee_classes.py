"""The largest threshold of each class with which a guarantee holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steeldefect.bundle import manifest
from steeldefect.bundle.manifest import DefectClass
from training.calibration.guarantee import allowed_misses, needed_groups
from training.calibration.sweep import ClassSweep, GateEffect
from training.evaluation.missed_groups import missed_groups
from training.recipe import Guarantee

Int64 = npt.NDArray[np.int64]


def guarantee_class(
    sweep: ClassSweep,
    chosen: DefectClass,
    effect: GateEffect,
    groups: Sequence[str],
    wanted: Guarantee,
    *,
    lower_only: bool,
) -> tuple[DefectClass, manifest.Guarantee]:
    """Return a class with thresholds for which a guarantee holds, and the record of it.

    The swept pixel thresholds are tested from the lowest up, without a seed threshold, with the
    gate and the minimum area that are already chosen. If the guarantee holds for none of them, the
    class stays as it is. A seed threshold that is not above the limit misses no more: with it,
    regions reach further, and none is left out that has a pixel above the limit.

    Args:
        sweep: counts of the class on n outlined pictures on which nothing was chosen.
        chosen: the class with its pixel threshold and minimum area.
        effect: effect of the gate on these pictures.
        groups: group of each of the n pictures.
        wanted: the guarantee.
        lower_only: whether the thresholds of `chosen` are kept if they are lower.
    """
    count, missed = _missed_groups(sweep, chosen.min_area, effect, groups)
    allowed = allowed_misses(count, wanted.missed, wanted.confidence)
    limit = None
    if allowed is not None and missed[0] <= allowed:
        # a higher threshold never misses fewer groups
        place = int(np.searchsorted(missed, allowed, side="right")) - 1
        limit = float(sweep.plain[place])
        chosen = _at_most(chosen, limit) if lower_only else _at(chosen, limit, None)
    record = manifest.Guarantee(
        class_id=chosen.id,
        missed=wanted.missed,
        confidence=wanted.confidence,
        groups=count,
        missed_groups=_missed_at(sweep, sweep.place_of(chosen), chosen.min_area, effect, groups)[1],
        needed_groups=needed_groups(wanted.missed, wanted.confidence),
        threshold=limit,
        held=limit is not None,
    )
    return chosen, record


def _at_most(chosen: DefectClass, limit: float) -> DefectClass:
    """Return a class whose thresholds are not above a limit."""
    threshold, seed = chosen.pixel_threshold, chosen.seed_threshold
    if limit <= threshold:
        return _at(chosen, limit, None)
    return _at(chosen, threshold, None if seed is None else min(seed, limit))


def _at(chosen: DefectClass, threshold: float, seed: float | None) -> DefectClass:
    return chosen.model_copy(update={"pixel_threshold": threshold, "seed_threshold": seed})


def _missed_groups(
    sweep: ClassSweep, min_area: int, effect: GateEffect, groups: Sequence[str]
) -> tuple[int, Int64]:
    """Count the groups that show the class, and those that are missed at each pixel threshold.

    Returns:
        The number of groups; int64 (thresholds,), the missed ones, ascending.
    """
    counts = [
        _missed_at(sweep, place, min_area, effect, groups) for place in range(len(sweep.plain))
    ]
    return counts[0][0], np.array([missed for _, missed in counts], dtype=np.int64)


def _missed_at(
    sweep: ClassSweep, place: int, min_area: int, effect: GateEffect, groups: Sequence[str]
) -> tuple[int, int]:
    """Count the groups that show the class, and those that are missed at one place."""
    shown = [group for group, positive in zip(groups, sweep.positive, strict=True) if positive]
    return missed_groups(shown, ~sweep.caught(place, min_area, effect)[sweep.positive])

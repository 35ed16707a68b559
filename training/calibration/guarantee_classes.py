"""The largest pixel threshold of each class with which a guarantee holds."""

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
    """Return a class with a pixel threshold for which a guarantee holds, and the record of it.

    The swept thresholds are tested from the lowest up, with the gate and the minimum area that are
    already chosen. If the guarantee holds for none of them, the class stays as it is.

    Args:
        sweep: counts of the class on n outlined pictures on which nothing was chosen.
        chosen: the class with its pixel threshold and minimum area.
        effect: effect of the gate on these pictures.
        groups: group of each of the n pictures.
        wanted: the guarantee.
        lower_only: whether the threshold of `chosen` is kept if it is lower.
    """
    count, missed = _missed_groups(sweep, chosen.min_area, effect, groups)
    allowed = allowed_misses(count, wanted.missed, wanted.confidence)
    limit = None
    if allowed is not None and missed[0] <= allowed:
        # a higher threshold never misses fewer groups
        place = int(np.searchsorted(missed, allowed, side="right")) - 1
        limit = float(sweep.thresholds[place])
        threshold = min(chosen.pixel_threshold, limit) if lower_only else limit
        chosen = chosen.model_copy(update={"pixel_threshold": threshold})
    record = manifest.Guarantee(
        class_id=chosen.id,
        missed=wanted.missed,
        confidence=wanted.confidence,
        groups=count,
        missed_groups=int(missed[sweep.place_of(chosen.pixel_threshold)]),
        needed_groups=needed_groups(wanted.missed, wanted.confidence),
        threshold=limit,
        held=limit is not None,
    )
    return chosen, record


def _missed_groups(
    sweep: ClassSweep, min_area: int, effect: GateEffect, groups: Sequence[str]
) -> tuple[int, Int64]:
    """Count the groups that show the class, and those that are missed at each threshold.

    Returns:
        The number of groups; int64 (thresholds,), the missed ones, ascending.
    """
    shown = [group for group, positive in zip(groups, sweep.positive, strict=True) if positive]
    missed = [
        missed_groups(shown, ~sweep.caught(place, min_area, effect)[sweep.positive])[1]
        for place in range(len(sweep.thresholds))
    ]
    return len(set(shown)), np.array(missed, dtype=np.int64)

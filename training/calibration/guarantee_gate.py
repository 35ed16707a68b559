"""The largest threshold of a gate with which a guarantee holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steeldefect.bundle import manifest
from steeldefect.detection.gating import reaches_threshold
from steeldefect.pictures.preprocessing import Float32
from training.calibration.gate_threshold import midway_below
from training.calibration.guarantee import allowed_misses, needed_groups
from training.evaluation.missed_groups import missed_groups
from training.recipe import Guarantee

Bools = npt.NDArray[np.bool_]


def guarantee_gate(
    gate: manifest.Gate,
    probability: Float32,
    defective: Bools,
    groups: Sequence[str],
    wanted: Guarantee,
    *,
    lower_only: bool,
) -> tuple[manifest.Gate, manifest.Guarantee]:
    """Return the gate with a threshold for which a guarantee holds, and the record of it.

    A group passes if all of its defective pictures pass, so its lowest probability decides. If k
    groups may be missed, the deciding probability is the (k + 1)-th lowest of these: an order
    statistic. The threshold lies midway between it and the next lower probability of any picture.
    With too few groups, the gate stays as it is.

    Args:
        gate: calibrated gate.
        probability: float32 (n,), calibrated, finite.
        defective: bool (n,), the truth.
        groups: group of each of the n pictures.
        wanted: the guarantee.
        lower_only: whether the threshold of `gate` is kept if it is lower.
    """
    named = np.array(groups, dtype=object)[defective]
    worst = _lowest(probability[defective], named)
    allowed = allowed_misses(len(worst), wanted.missed, wanted.confidence)
    limit = None
    if allowed is not None:
        limit = midway_below(probability, float(np.sort(worst)[allowed]))
        threshold = min(gate.threshold, limit) if lower_only else limit
        gate = gate.model_copy(update={"threshold": threshold})
    count, missed = missed_groups(named.tolist(), ~reaches_threshold(gate, probability[defective]))
    record = manifest.Guarantee(
        missed=wanted.missed,
        confidence=wanted.confidence,
        groups=count,
        missed_groups=missed,
        needed_groups=needed_groups(wanted.missed, wanted.confidence),
        threshold=limit,
        held=limit is not None,
    )
    return gate, record


def _lowest(probability: Float32, groups: npt.NDArray[np.object_]) -> Float32:
    """Return the lowest probability of each group."""
    names, places = np.unique(groups.astype(str), return_inverse=True)
    lowest = np.full(len(names), np.inf, dtype=np.float32)
    np.minimum.at(lowest, places, probability)
    return lowest

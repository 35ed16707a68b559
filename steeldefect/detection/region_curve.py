"""Calibrate the mean probability of a region or mask by the curve of its class."""

from __future__ import annotations

from bisect import bisect_right

from steeldefect.bundle.manifest import DefectClass, RegionCurve
from steeldefect.detection.regions import Region


def calibrated_probability(probability: float, curve: RegionCurve | None) -> float:
    """Return the calibrated probability: linear between the points of a curve.

    Args:
        probability: mean of the pixel probabilities of a region or mask, 0 to 1.
        curve: curve of the class; None leaves the probability as it is.

    >>> calibrated_probability(0.9, None)
    0.9
    >>> calibrated_probability(0.75, RegionCurve(model=(0, 0.5, 1), calibrated=(0, 0.2, 0.8)))
    0.5
    """
    if curve is None:
        return probability
    x, y = curve.model, curve.calibrated
    place = min(bisect_right(x, probability), len(x) - 1) - 1
    part = (probability - x[place]) / (x[place + 1] - x[place])
    return y[place] + part * (y[place + 1] - y[place])


def calibrated_regions(regions: list[Region], defect_class: DefectClass) -> list[Region]:
    """Return regions of a class with calibrated mean probabilities; all else stays."""
    curve = defect_class.region_curve
    if curve is None:
        return regions
    return [
        one._replace(mean_probability=calibrated_probability(one.mean_probability, curve))
        for one in regions
    ]

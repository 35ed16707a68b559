"""Turn the class maps of one picture into findings: threshold, minimum area, regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np

from steeldefect.bundle.manifest import DefectClass
from steeldefect.detection.regions import MaskRegions, Region
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32


@dataclass(frozen=True)
class Finding:
    """One defect class found on one picture; area and box are in pixels of the picture.

    Attributes:
        runs: the mask as run lengths.
        share: area divided by the picture's number of pixels.
        regions: the separate regions of the mask, in the order of their first pixels.
        mean_probability, max_probability: of the mask's pixels.
    """

    defect_class: DefectClass
    runs: run_lengths.Runs
    area: int
    share: float
    box: run_lengths.BoundingBox
    regions: tuple[Region, ...]
    mean_probability: float
    max_probability: float


class Reason(str, Enum):
    """Why regions above the pixel threshold do not count.

    `min_area`: all regions of the class together are smaller than its minimum area. `soft_gate`:
    they are smaller than the minimum area that the soft gate raised, because the gate saw little
    reason for a defect.
    """

    MIN_AREA = "min_area"
    SOFT_GATE = "soft_gate"


@dataclass(frozen=True)
class Rejected:
    """A region that a minimum area removed."""

    defect_class: DefectClass
    region: Region
    reason: Reason


@dataclass(frozen=True)
class Outline:
    """What the segmenter found on one picture.

    Attributes:
        findings: one finding for each class found, in the bundle's order.
        rejected: the largest of the regions that minimum areas removed, in the bundle's order.
        rejected_count: number of all regions that minimum areas removed.
    """

    findings: tuple[Finding, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    rejected_count: int = 0


@dataclass(frozen=True)
class OutlineRules:
    """How the regions of a picture are measured.

    Attributes:
        added_area: area that a soft gate adds to every minimum area, in pixels of the picture.
        rejected: largest number of removed regions of a picture that are measured.
        pixel_mm: width and height of a pixel in millimetres; None if unknown.
    """

    added_area: int = 0
    rejected: int = 0
    pixel_mm: tuple[float, float] | None = None


def outline_picture(
    maps: Float32, shape: tuple[int, int], classes: Sequence[DefectClass], rules: OutlineRules
) -> Outline:
    """Find the defects of all classes on one picture.

    Args:
        maps: float32 (h, w, classes), finite: the class maps of the model.
        shape: (height, width) of the picture.
        classes: the classes of the bundle, with thresholds and minimum areas.
        rules: how regions are measured.
    """
    findings: list[Finding] = []
    rejected: list[Rejected] = []
    count = 0
    for channel, defect_class in enumerate(classes):
        regions = _regions_above(maps[:, :, channel], shape, defect_class.pixel_threshold)
        if regions is None:
            continue
        reason = _reason_against(regions.area, defect_class, rules.added_area)
        if reason is None:
            findings.append(_finding(regions, defect_class, shape, rules.pixel_mm))
            continue
        count += len(regions.areas)
        rejected += [
            Rejected(defect_class, region, reason)
            for region in regions.measured(rules.pixel_mm, rules.rejected)
        ]
    return Outline(tuple(findings), _largest(rejected, rules.rejected), count)


def find_defect(
    probability: Float32, shape: tuple[int, int], defect_class: DefectClass, added_area: int = 0
) -> Finding | None:
    """Compute the mask of one class at the picture's own size, and measure it in pixels.

    Args:
        probability: float32 (h, w), the class map of the model.
        shape: (height, width) of the picture.
        defect_class: the class, with its threshold and minimum area.
        added_area: see `OutlineRules`.

    Returns:
        The finding; None if the class covers no pixel, or less than the minimum area.
    """
    rules = OutlineRules(added_area)
    found = outline_picture(probability[:, :, np.newaxis], shape, [defect_class], rules).findings
    return found[0] if found else None


def _regions_above(
    probability: Float32, shape: tuple[int, int], threshold: float
) -> MaskRegions | None:
    """Find the regions of one class; None if no pixel is above the threshold.

    The class map is resized (bilinear) before the threshold is applied, so that outlines do not
    show the model's larger pixels.
    """
    if probability.max() <= threshold:
        return None
    full = resize_map(probability, shape)
    mask = full > threshold
    return MaskRegions(mask, full) if mask.any() else None


def _reason_against(area: int, defect_class: DefectClass, added_area: int) -> Reason | None:
    """Return why a class does not count; None if it does."""
    if area < defect_class.min_area:
        return Reason.MIN_AREA
    return Reason.SOFT_GATE if area < defect_class.min_area + added_area else None


def _finding(
    regions: MaskRegions,
    defect_class: DefectClass,
    shape: tuple[int, int],
    pixel_mm: tuple[float, float] | None,
) -> Finding:
    return Finding(
        defect_class=defect_class,
        runs=regions.runs(),
        area=regions.area,
        share=regions.area / (shape[0] * shape[1]),
        box=regions.box,
        regions=tuple(regions.measured(pixel_mm)),
        mean_probability=float(regions.values.mean()),
        max_probability=float(regions.values.max()),
    )


def _largest(rejected: list[Rejected], limit: int) -> tuple[Rejected, ...]:
    """Return the largest regions, in their order; of equal areas, the first."""
    by_area = sorted(range(len(rejected)), key=lambda place: -rejected[place].region.area)
    return tuple(rejected[place] for place in sorted(by_area[:limit]))


def resize_map(probability: Float32, shape: tuple[int, int]) -> Float32:
    """Resize a class map float32 (h, w) to a picture's (height, width), bilinear."""
    if probability.shape == shape:
        return probability
    size = (shape[1], shape[0])
    # the class map is one channel of an interleaved array: OpenCV needs it contiguous
    contiguous = np.ascontiguousarray(probability)
    return np.asarray(cv2.resize(contiguous, size, interpolation=cv2.INTER_LINEAR), np.float32)

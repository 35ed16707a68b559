"""Turn the class maps of one picture into findings: threshold, minimum area, regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np

from steeldefect.bundle.manifest import DefectClass
from steeldefect.detection.region_curve import calibrated_probability, calibrated_regions
from steeldefect.detection.regions import MaskRegions, Region
from steeldefect.detection.windows import ClassMaps, PictureMaps, Window
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32
from steeldefect.pictures.run_lengths import Mask


@dataclass(frozen=True)
class Finding:
    """One defect class found on one picture; area and box are in pixels of the picture.

    Attributes:
        runs: the mask as run lengths.
        share: area divided by the picture's number of pixels.
        region_count: number of separate regions of the mask.
        regions: these regions, measured, in the order of their first pixels; empty unless the rules
            ask for them.
        mean_probability: of the mask's pixels, calibrated if the class has a curve.
        max_probability: of the mask's pixels, as the model gives it.
    """

    defect_class: DefectClass
    runs: run_lengths.Runs
    area: int
    share: float
    box: run_lengths.BoundingBox
    region_count: int
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
class LevelMask:
    """The mask of a class at one threshold.

    Attributes:
        level: pixels whose probability is above it belong to the mask.
        runs: the mask as run lengths.
        area: number of pixels.
        regions: number of separate regions.
        mean_probability, max_probability: as in `Finding`.
    """

    defect_class: DefectClass
    level: float
    runs: run_lengths.Runs
    area: int
    regions: int
    mean_probability: float
    max_probability: float


@dataclass(frozen=True)
class Outline:
    """What the segmenter found on one picture.

    Attributes:
        findings: one finding for each class found, in the bundle's order.
        rejected: the largest of the regions that minimum areas removed, in the bundle's order.
        rejected_count: number of all regions that minimum areas removed.
        levels: masks at other thresholds, and at its own threshold that of a class that does not
            count; class by class in the bundle's order, by ascending threshold.
    """

    findings: tuple[Finding, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    rejected_count: int = 0
    levels: tuple[LevelMask, ...] = ()


@dataclass(frozen=True)
class OutlineRules:
    """How the regions of a picture are measured.

    Attributes:
        added_area: area that a soft gate adds to every minimum area, in pixels of the picture.
        measured: whether the regions of the findings are measured.
        rejected: largest number of removed regions of a picture that are measured.
        pixel_mm: width and height of a pixel in millimetres; None if unknown.
        levels: thresholds at which masks are kept as well.
    """

    added_area: int = 0
    measured: bool = False
    rejected: int = 0
    pixel_mm: tuple[float, float] | None = None
    levels: tuple[float, ...] = ()


def outline_picture(
    maps: Float32,
    shape: tuple[int, int],
    classes: Sequence[DefectClass],
    rules: OutlineRules,
    unknown: DefectClass | None = None,
) -> Outline:
    """Find the defects of all classes on one picture; see `outline_maps`.

    Args:
        maps: float32 (h, w, classes), finite: the class maps of the model.
        shape: (height, width) of the picture.
        classes: the classes of the bundle, with thresholds and minimum areas.
        rules: how regions are measured.
        unknown: the class for what no other class explains.
    """
    return outline_maps(ClassMaps(np.ascontiguousarray(maps)), shape, classes, rules, unknown)


def outline_maps(
    maps: PictureMaps,
    shape: tuple[int, int],
    classes: Sequence[DefectClass],
    rules: OutlineRules,
    unknown: DefectClass | None = None,
) -> Outline:
    """Find the defects of all classes on one picture.

    Args:
        maps: the class maps of the model, finite.
        shape: (height, width) of the picture.
        classes: the classes of the bundle, with thresholds and minimum areas, in the order of the
            maps; the last maps may be left out.
        rules: how regions are measured.
        unknown: the class for what no other class explains; see `unexplained`. It is the last of
            `classes`, or not among them. No soft gate raises its minimum area, and its masks are
            not kept at other thresholds.
    """
    of_unknown = replace(rules, added_area=0, levels=())
    findings: list[Finding] = []
    rejected: list[Rejected] = []
    levels: list[LevelMask] = []
    count = 0
    for number, defect_class in enumerate(classes):
        is_unknown = unknown is not None and defect_class.id == unknown.id
        own = of_unknown if is_unknown else rules
        lowest = min(defect_class.pixel_threshold, *own.levels, 1.0)
        peak = min(defect_class.seed_threshold or lowest, *own.levels, 1.0)
        window = maps.window_above(number, shape, lowest, peak)
        if window is None:
            continue
        if is_unknown:
            masks = [one.runs for one in findings]
            window = unexplained(window, defect_class.pixel_threshold, masks, shape)
        regions = _regions_of_class(window, defect_class, shape)
        reason = None
        if regions is not None:
            reason = _reason_against(regions.area, defect_class, own.added_area)
            if reason is None:
                findings.append(_finding(regions, defect_class, shape, rules))
            else:
                count += len(regions.areas)
                measured = regions.measured(rules.pixel_mm, rules.rejected)
                rejected += [
                    Rejected(defect_class, region, reason)
                    for region in calibrated_regions(measured, defect_class)
                ]
        if own.levels:
            levels += _level_masks(window, defect_class, shape, own, own=reason is not None)
    return Outline(tuple(findings), _largest(rejected, rules.rejected), count, tuple(levels))


def unexplained(
    window: Window, threshold: float, masks: Sequence[run_lengths.Runs], shape: tuple[int, int]
) -> Window:
    """Return a window of the unknown, without the regions that known defects explain.

    Known defects look odd, too. A region (8-connected) that shares a pixel with a known mask is
    explained as a whole, because oddness is less sharp than a mask.

    Args:
        window: the part of the map of oddness around what is above the threshold.
        threshold: of the unknown.
        masks: known masks of the picture, run lengths int64 (n, 2) each.
        shape: (height, width) of the picture.
    """
    mask = window.above(threshold)
    if masks and mask.any():
        _, regions = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
        rows, columns = mask.shape
        inside = np.s_[window.top : window.top + rows, window.left : window.left + columns]
        for runs in masks:
            explained = np.unique(regions[run_lengths.to_mask(runs, shape)[inside] & mask])
            mask = mask & ~np.isin(regions, explained)
    return window._replace(masks={threshold: np.ascontiguousarray(mask)})


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


def seeded(mask: Mask, values: Float32, seed_threshold: float) -> Mask:
    """Return the regions (8-connected) of a mask in which a pixel is above a seed threshold.

    Args:
        mask: bool (h, w).
        values: float32 (h, w), the probabilities there.
        seed_threshold: see `DefectClass`.
    """
    seeds = mask & (values > seed_threshold)
    if not seeds.any():
        return seeds
    count, numbers = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    kept = np.zeros(count, bool)
    kept[numbers[seeds]] = True
    return np.asarray(kept[numbers])


def _regions_of_class(
    window: Window, defect_class: DefectClass, shape: tuple[int, int]
) -> MaskRegions | None:
    """Find the regions of one class with its own thresholds; None if there is none."""
    mask = window.above(defect_class.pixel_threshold)
    if defect_class.seed_threshold is not None:
        mask = seeded(mask, window.values, defect_class.seed_threshold)
    return _regions(mask, window, shape)


def _regions(mask: Mask, window: Window, shape: tuple[int, int]) -> MaskRegions | None:
    return MaskRegions(mask, window.values, window[:2], shape) if mask.any() else None


def _level_masks(
    window: Window,
    defect_class: DefectClass,
    shape: tuple[int, int],
    rules: OutlineRules,
    *,
    own: bool,
) -> Iterator[LevelMask]:
    """Yield the masks of a class that are kept beside its finding.

    Each lies in the one before, but for that at the class's own thresholds: only there its seed
    threshold holds.

    Args:
        window: the part of the class map that is above the lowest level.
        defect_class: the class.
        shape: (height, width) of the picture.
        rules: with the thresholds that the settings ask for.
        own: whether to keep the mask at the class's own thresholds, too.
    """
    wanted = {*rules.levels} - {defect_class.pixel_threshold}
    if own:
        wanted.add(defect_class.pixel_threshold)
    for level in sorted(wanted):
        if level == defect_class.pixel_threshold:
            regions = _regions_of_class(window, defect_class, shape)
        else:
            regions = _regions(window.above(level), window, shape)
        if regions is None:
            continue
        yield LevelMask(
            defect_class=defect_class,
            level=level,
            runs=regions.runs(),
            area=regions.area,
            regions=len(regions.areas),
            mean_probability=_mean_probability(regions, defect_class),
            max_probability=float(regions.values.max()),
        )


def _reason_against(area: int, defect_class: DefectClass, added_area: int) -> Reason | None:
    """Return why a class does not count; None if it does."""
    if area < defect_class.min_area:
        return Reason.MIN_AREA
    return Reason.SOFT_GATE if area < defect_class.min_area + added_area else None


def _finding(
    regions: MaskRegions,
    defect_class: DefectClass,
    shape: tuple[int, int],
    rules: OutlineRules,
) -> Finding:
    measured = regions.measured(rules.pixel_mm) if rules.measured else []
    return Finding(
        defect_class=defect_class,
        runs=regions.runs(),
        area=regions.area,
        share=regions.area / (shape[0] * shape[1]),
        box=regions.box,
        region_count=len(regions.areas),
        regions=tuple(calibrated_regions(measured, defect_class)),
        mean_probability=_mean_probability(regions, defect_class),
        max_probability=float(regions.values.max()),
    )


def _mean_probability(regions: MaskRegions, defect_class: DefectClass) -> float:
    return calibrated_probability(float(regions.values.mean()), defect_class.region_curve)


def _largest(rejected: list[Rejected], limit: int) -> tuple[Rejected, ...]:
    """Return the largest regions, in their order; of equal areas, the first."""
    by_area = sorted(range(len(rejected)), key=lambda place: -rejected[place].region.area)
    return tuple(rejected[place] for place in sorted(by_area[:limit]))

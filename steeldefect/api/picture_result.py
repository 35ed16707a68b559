"""The result of one picture, and its findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steeldefect.detection import outline
from steeldefect.errors import PictureError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import BoundingBox, Mask


@dataclass(frozen=True)
class Finding:
    """One defect class found on one picture, with the values of a row of `predictions`.

    Attributes:
        class_id: id of the defect class in the bundle.
        class_name: name of the defect class.
        run_lengths: mask as `start length ...`, column-major, 1-based (Kaggle's convention).
        area: area of the mask in pixels.
        share: share of the picture that the mask covers, 0 to 1.
        box: box around the mask: top, left, bottom, right in pixels, 0-based, bottom and right
            exclusive.
        regions: number of regions (8-connected).
        mean_probability: mean probability of the mask's pixels, 0 to 1; calibrated if the bundle
            calibrates it.
        max_probability: largest probability of the mask's pixels, 0 to 1.
        shape: (height, width) of the picture in pixels.
    """

    class_id: int
    class_name: str
    run_lengths: str
    area: int
    share: float
    box: BoundingBox
    regions: int
    mean_probability: float
    max_probability: float
    shape: tuple[int, int]

    def mask(self) -> Mask:
        """Return the mask, bool (height, width)."""
        return run_lengths.decode(self.run_lengths, self.shape)

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain values, without `shape`, which belongs to the picture."""
        return {
            "class_id": self.class_id,
            "class_name": self.class_name,
            "run_lengths": self.run_lengths,
            "area": self.area,
            "share": self.share,
            "box": self.box._asdict(),
            "regions": self.regions,
            "mean_probability": self.mean_probability,
            "max_probability": self.max_probability,
        }


@dataclass(frozen=True)
class PictureResult:
    """The result of one picture.

    Attributes:
        name: path or address of the picture; None for bytes and arrays.
        width: width of the picture in pixels; 0 if there is an error.
        height: height of the picture in pixels; 0 if there is an error.
        verdict: "defect"; "clean" (segmented, nothing found); "gated" (the gate stopped it); None
            if there is an error.
        gate_probability: the gate's probability of a defect, 0 to 1; None if there is no gate.
        novelty: how unlike the clean training pictures it is, by its oddest place and as a whole; 1
            is the bundle's limit. None if the bundle does not judge it.
        findings: one finding for each defect class found, in the bundle's order.
        error: reason why the picture could not be scored; None if it was scored.
    """

    name: str | None
    width: int = 0
    height: int = 0
    verdict: str | None = None
    gate_probability: float | None = None
    novelty: float | None = None
    findings: tuple[Finding, ...] = ()
    error: PictureError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain values, for JSON and DataFrames; None instead of 0."""
        scored = self.error is None
        return {
            "name": self.name,
            "verdict": self.verdict,
            "gate_probability": self.gate_probability,
            "width": self.width if scored else None,
            "height": self.height if scored else None,
            "findings": [one.as_dict() for one in self.findings] if scored else None,
            "error": None if self.error is None else _described(self.error),
            "novelty": self.novelty,
        }


def _described(error: PictureError) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def public_finding(found: outline.Finding, shape: tuple[int, int]) -> Finding:
    """Return a finding of the detector as a public `Finding`.

    Args:
        found: finding of the detector.
        shape: (height, width) of the picture.
    """
    return Finding(
        class_id=found.defect_class.id,
        class_name=found.defect_class.name,
        run_lengths=run_lengths.to_text(found.runs),
        area=found.area,
        share=found.share,
        box=found.box,
        regions=found.region_count,
        mean_probability=found.mean_probability,
        max_probability=found.max_probability,
        shape=shape,
    )

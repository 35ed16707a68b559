"""The thresholds of a bundle, as the table `runs` keeps them: what decides which masks count."""

from __future__ import annotations

import operator

from pydantic import BaseModel, ConfigDict, Field

from steeldefect.bundle.manifest import GateMode, Manifest, RegionCurve


class ClassThresholds(BaseModel):
    """Pixel threshold of a class, and its minimum area in pixels.

    `seed_threshold`: as in `manifest.DefectClass`.

    `region_curve`: how the mean probabilities in the tables were calibrated; None if they are the
    model's own. The pixel threshold is always compared with the model's own probabilities.
    """

    model_config = ConfigDict(frozen=True)

    pixel_threshold: float
    seed_threshold: float | None = Field(default=None, exclude_if=operator.not_)
    min_area: int
    region_curve: RegionCurve | None = Field(default=None, exclude_if=operator.not_)


class GateThresholds(BaseModel):
    """Mode and threshold of the gate, and the area in pixels that a soft gate adds."""

    model_config = ConfigDict(frozen=True)

    mode: GateMode
    threshold: float
    soft_area: int


class Thresholds(BaseModel):
    """All thresholds of a bundle; classes by id, no gate: None."""

    model_config = ConfigDict(frozen=True)

    classes: dict[int, ClassThresholds]
    gate: GateThresholds | None

    @classmethod
    def of(cls, manifest: Manifest) -> Thresholds:
        """Return the thresholds of a bundle."""
        gate = manifest.gate
        return cls(
            classes={
                one.id: ClassThresholds(
                    pixel_threshold=one.pixel_threshold,
                    seed_threshold=one.seed_threshold,
                    min_area=one.min_area,
                    region_curve=one.region_curve,
                )
                for one in manifest.classes
            },
            gate=None
            if gate is None
            else GateThresholds(mode=gate.mode, threshold=gate.threshold, soft_area=gate.soft_area),
        )

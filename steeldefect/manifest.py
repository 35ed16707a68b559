"""`bundle.json`: what scoring must know about a pair of models, and nothing may override.

The file is the contract between training and scoring. Its text form is golden-tested; a change
that an older reader would misread raises `FORMAT_VERSION`.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from steeldefect.preprocessing import InputSpec

FORMAT_VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GateMode(str, Enum):
    """What the gate does with a picture whose probability lies below its threshold.

    `hard`: the picture is not segmented (the tutorial's way).
    """

    HARD = "hard"


class DefectClass(_Part):
    """One defect class, and when its pixels count.

    `pixel_threshold`: a pixel belongs to the class where the probability is above it.
    `min_area`: in pixels of the picture; a class that covers less is dropped.
    """

    id: int = Field(ge=1)
    name: str = Field(min_length=1)
    pixel_threshold: float = Field(default=0.5, gt=0, lt=1)
    min_area: int = Field(default=0, ge=0)


class Gate(_Part):
    """The classifier in front of the segmenter; pictures at or above `threshold` pass."""

    input: InputSpec
    threshold: float = Field(ge=0, le=1)
    mode: GateMode = GateMode.HARD


class Segmenter(_Part):
    """The model that outlines defects: one sigmoid map for each class, in the classes' order."""

    input: InputSpec


class PictureSizes(_Part):
    """Picture sizes seen in training, in pixels, and with them the sizes that are scored.

    Trained on one size only, a bundle takes just that size. Trained on a range, it takes what
    lies within a factor of two of it; farther off, resizing would show the models a different
    scale than they learnt.
    """

    height: tuple[int, int]
    width: tuple[int, int]

    def admit(self, height: int, width: int) -> bool:
        """Tell whether a picture of this size is scored."""
        if self.height[0] == self.height[1] and self.width[0] == self.width[1]:
            return (height, width) == (self.height[0], self.width[0])
        return all(
            low / 2 <= size <= high * 2
            for size, (low, high) in ((height, self.height), (width, self.width))
        )

    def __str__(self) -> str:
        """Name the sizes as `width x height`."""
        if self.height[0] == self.height[1] and self.width[0] == self.width[1]:
            return f"{self.width[0]}x{self.height[0]}"
        width = f"{self.width[0] // 2}-{self.width[1] * 2}"
        return f"{width}x{self.height[0] // 2}-{self.height[1] * 2}"


class Score(_Part):
    """One measured number: the same long form as the `metrics` table.

    `support` counts what the value is computed from (pairs, pictures or pixels, as the name says).
    """

    scope: str
    class_id: int | None = None
    name: str
    value: float | None
    support: int


class BundleFile(_Part):
    """One file of the bundle."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class TrainingRecord(_Part):
    """Where the models come from: enough to fit them again."""

    recipe_name: str
    recipe: dict[str, JsonValue]
    seed: int
    data_fingerprint: str
    pictures: dict[str, int]
    notes: list[str] = []
    minutes: float


class Manifest(_Part):
    """All of `bundle.json`."""

    format_version: int
    created_at: datetime
    classes: list[DefectClass] = Field(min_length=1)
    gate: Gate | None
    segmenter: Segmenter
    picture_sizes: PictureSizes
    metric_convention: str
    held_out_scores: list[Score]
    training: TrainingRecord
    versions: dict[str, str]
    files: dict[str, BundleFile]

    @field_validator("format_version")
    @classmethod
    def _known_format(cls, version: int) -> int:
        if version != FORMAT_VERSION:
            raise ValueError(
                f"format {version}, this version of steeldefect reads format {FORMAT_VERSION}"
            )
        return version

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, classes: list[DefectClass]) -> list[DefectClass]:
        if len({one.id for one in classes}) != len(classes):
            raise ValueError("two classes share an id")
        return classes

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, BundleFile]) -> dict[str, BundleFile]:
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise ValueError(f"{name!r} is not a path inside the bundle")
        return files

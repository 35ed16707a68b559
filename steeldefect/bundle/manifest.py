"""The manifest, `bundle.json`: what scoring must know about the models, and cannot override.

The file is the contract between training and scoring. Golden files test its text form. A change
that an older version would misread needs a higher `FORMAT_VERSION`.
"""

from __future__ import annotations

import operator
from datetime import datetime
from enum import Enum
from itertools import pairwise
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from steeldefect.pictures.preprocessing import InputSpec

FORMAT_VERSION = 3
SHARED_FORMAT_VERSION = 4
"""Format of bundles with a shared gate (`Gate.shared`), which earlier versions refuse."""

CALIBRATED_FORMAT_VERSION = 5
"""Format of bundles that judge novelty, or have guarantees or calibrated regions.

Earlier versions would find other defects, and show other probabilities of regions. So they refuse
such bundles.
"""

SHIFTED_FORMAT_VERSION = 6
"""Format of bundles whose gate has a shift (`Gate.shift`), which earlier versions refuse."""

SEEDED_FORMAT_VERSION = 7
"""Format of bundles with a seed threshold (`DefectClass.seed_threshold`), which earlier versions
refuse."""

_NEW_IN_FORMAT = {
    CALIBRATED_FORMAT_VERSION: "novelty, guarantees and calibrated regions need",
    SHIFTED_FORMAT_VERSION: "the shift of a gate needs",
    SEEDED_FORMAT_VERSION: "a seed threshold needs",
}

READABLE_FORMATS = (1, 2, 3, 4, 5, 6, 7)
"""Formats 1 and 2 lack fields that have a default below; format 2 lacks those of `compiled`."""

UNKNOWN = "unknown"
"""Name of the class of regions that look like no clean training picture and no named class."""

_NOT_LISTED = ("bundle.json", "bundle.sha256")  # the manifest and its seal
_NOT_IN_NAMES = "\\:"  # Windows' separators of folders and drives


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GateMode(str, Enum):
    """What the gate does with a picture whose probability is below the threshold.

    `hard`: the picture is not segmented (as in the tutorial).
    `soft`: the picture is segmented, but the minimum areas are raised: the lower the probability,
    the more.
    """

    HARD = "hard"
    SOFT = "soft"


class Mirror(str, Enum):
    """A mirrored copy of a picture on which the segmenter also runs; its maps enter the mean."""

    HORIZONTAL = "horizontal"
    VERTICAL = "vertical"
    BOTH = "both"


class CpuPrecision(str, Enum):
    """Arithmetic of a compiled model on CPUs, the most exact first."""

    F32 = "f32"
    BF16 = "bf16"
    INT8 = "int8"


class RegionCurve(_Part):
    """How the mean probability of a region or mask becomes a calibrated one.

    `model`: mean probabilities of the model, from 0 to 1, ascending. `calibrated`: the calibrated
    probability at each of them, ascending. Between two of them, the curve is linear. No two are
    equal, so the order of probabilities stays, and the model's own can be computed back.
    """

    model: tuple[float, ...] = Field(min_length=2)
    calibrated: tuple[float, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _ascends(self) -> RegionCurve:
        if len(self.model) != len(self.calibrated):
            raise ValueError("model and calibrated need as many values")
        for values in (self.model, self.calibrated):
            ascends = all(one < other for one, other in pairwise(values))
            if not (ascends and values[0] >= 0 and values[-1] <= 1):
                raise ValueError("values of a curve ascend, from 0 to 1")
        if (self.model[0], self.model[-1]) != (0, 1):
            raise ValueError("model begins with 0 and ends with 1")
        return self


class DefectClass(_Part):
    """One defect class, with its thresholds and minimum area.

    `pixel_threshold`: a pixel belongs to the class if its probability is above this threshold.
    `seed_threshold`: a region (8-connected) counts only if one of its pixels has a probability
    above this threshold, too (hysteresis: Canny, "A Computational Approach to Edge Detection",
    1986). So `seed_threshold` decides what is a defect, and `pixel_threshold` how far it reaches.
    None: every region counts. The manifest holds this field only if there is one
    (`SEEDED_FORMAT_VERSION`).
    `min_area`: minimum area in pixels of the picture; a class that covers less is dropped.
    `region_curve`: calibrates the mean probabilities of the class's regions and masks; it changes
    no mask. The manifest holds this field only if there is one (`CALIBRATED_FORMAT_VERSION`).
    """

    id: int = Field(ge=1)
    name: str = Field(min_length=1)
    pixel_threshold: float = Field(default=0.5, gt=0, lt=1)
    seed_threshold: float | None = Field(default=None, lt=1, exclude_if=operator.not_)
    min_area: int = Field(default=0, ge=0)
    region_curve: RegionCurve | None = Field(default=None, exclude_if=operator.not_)

    @model_validator(mode="after")
    def _seeds_are_surer(self) -> DefectClass:
        if self.seed_threshold is not None and self.seed_threshold <= self.pixel_threshold:
            raise ValueError("seed_threshold must be above pixel_threshold")
        return self


class Gate(_Part):
    """The classifier in front of the segmenter; pictures at or above `threshold` pass.

    `temperature`: the model's logit is divided by it before the threshold is applied (Guo et al.,
    "On Calibration of Modern Neural Networks", 2017), so that the probabilities are calibrated.
    `shift`: what is added to the divided logit (Platt, "Probabilistic Outputs for Support Vector
    Machines", 1999). The manifest holds this field only if it is not 0 (`SHIFTED_FORMAT_VERSION`).
    `soft_area`: for mode `soft`, the area in pixels of the picture that is added to every class's
    minimum area at probability 0; it falls linearly to 0 at `threshold`.
    `shared`: the gate is the first part of one network, and the segmenter is the second part. The
    gate's model also returns features, and the segmenter's model takes these, not pictures. The
    manifest holds this field only if it is true (`SHARED_FORMAT_VERSION`).
    """

    input: InputSpec
    threshold: float = Field(ge=0, le=1)
    mode: GateMode = GateMode.HARD
    temperature: float = Field(default=1.0, gt=0)
    shift: float = Field(default=0.0, allow_inf_nan=False, exclude_if=operator.not_)
    soft_area: int = Field(default=0, ge=0)
    shared: bool = Field(default=False, exclude_if=operator.not_)


class Novelty(_Part):
    """How pictures are recognised that look like no clean training picture.

    The first part of a shared network says for each picture, beside the probability of a defect,
    the *oddness* of its oddest place: d^2 / (d^2 + s^2), where d is how far the place and the
    picture are from clean ones, and s a fixed scale (`training.models.novelty`). The segmenter's
    last map is the oddness of every pixel.

    `limit`: pictures with this oddness or more pass the gate, whatever it says. Their `novelty`, a
    ratio of distances, is at least 1 (`novelty_of`).
    `unknown`: the class of odd regions that overlap no finding of another class. Regions are
    outlined at its `pixel_threshold`, and only on pictures at or above the limit.
    `clean_pictures`: number of clean pictures on which the limit was chosen. `false_alarms`: share
    of clean pictures that is expected at or above the limit, at most
    (`training.novelty.limit`).
    """

    limit: float = Field(gt=0, lt=1)
    unknown: DefectClass
    clean_pictures: int = Field(ge=0)
    false_alarms: float = Field(ge=0, le=1)


class Segmenter(_Part):
    """The model that outlines defects: one sigmoid map for each class, ordered as `classes`."""

    input: InputSpec
    mirrors: list[Mirror] = []

    @field_validator("mirrors")
    @classmethod
    def _distinct(cls, mirrors: list[Mirror]) -> list[Mirror]:
        if len(set(mirrors)) != len(mirrors):
            raise ValueError("a mirrored copy is named twice; it would count twice in the mean")
        return mirrors


class PictureSizes(_Part):
    """Smallest and largest height and width of the training pictures; they limit what is scored.

    A bundle that was trained on one size scores only that size. A bundle that was trained on a
    range scores sizes within a factor of two of the range. For other sizes, resizing would show
    the models another scale than the one they learnt. All sizes are in pixels.
    """

    height: tuple[int, int]
    width: tuple[int, int]

    def admit(self, height: int, width: int) -> bool:
        """Return whether a picture of this size is scored."""
        if self.height[0] == self.height[1] and self.width[0] == self.width[1]:
            return (height, width) == (self.height[0], self.width[0])
        return all(
            low / 2 <= size <= high * 2
            for size, (low, high) in ((height, self.height), (width, self.width))
        )

    def __str__(self) -> str:
        """Return the sizes that are scored, as `width x height`."""
        if self.height[0] == self.height[1] and self.width[0] == self.width[1]:
            return f"{self.width[0]}x{self.height[0]}"
        width = f"{-(-self.width[0] // 2)}-{self.width[1] * 2}"
        return f"{width}x{-(-self.height[0] // 2)}-{self.height[1] * 2}"


class Score(_Part):
    """One measured number, with the fields of a row of the `metrics` table.

    `support`: number of pairs, pictures or pixels (depending on `name`) behind the value.
    """

    scope: str
    class_id: int | None = None
    name: str
    value: float | None
    support: int


class Guarantee(_Part):
    """A bound on the share of groups in which the bundle misses a defect, or why there is none.

    A group is missed if one of its pictures is. The gate misses a defective picture that is below
    its threshold. Gate and segmenter together miss a class on a picture if no pixel of its final
    mask is in the true mask. `training.calibration.guarantee` gives the sources.

    `class_id`: class that the bound is about; None for the gate.
    `missed`, `confidence`: at most the share `missed` of groups is missed, with this confidence.
    `groups`: groups of validation pictures that test the bound; `missed_groups` of them are missed
    with the thresholds of the bundle. `needed_groups`: number of groups that suffice if none is
    missed.
    `threshold`: largest threshold (of the gate, or for pixels of the class) for which the bound
    holds; None if there is none. The threshold of the bundle is not above it.
    `held`: whether the bound holds for the bundle; if not, the ordinary calibration stands.
    `held_out_groups`, `held_out_missed`: the same counts on the held-out pictures, as a check.
    """

    class_id: int | None = None
    missed: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)
    groups: int = Field(ge=0)
    missed_groups: int = Field(ge=0)
    needed_groups: int = Field(ge=1)
    threshold: float | None = None
    held: bool
    held_out_groups: int | None = None
    held_out_missed: int | None = None


class Calibration(_Part):
    """How thresholds were chosen, on which pictures, and how certain the result is.

    `pictures`: number of pictures of the validation part; `defective` of them show a defect.
    `gate_recall` and its interval (`confidence`, Clopper and Pearson 1934): measured on the
    defective pictures at the gate's threshold; None without a gate. `gate_calibration_error`:
    expected calibration error of the gate's probabilities, before and after the temperature.
    `scores`: scores on the validation part with the chosen thresholds. The thresholds were searched
    on that part, so only the held-out scores are unbiased.
    `guarantees`: what the recipe asked to guarantee. `region_calibration_error`: expected
    calibration error of the mean probabilities of regions, before and after calibration, by
    cross-fitting. The manifest holds these two only if there are any (`CALIBRATED_FORMAT_VERSION`).
    """

    pictures: int
    defective: int
    objective: str
    target_recall: float | None = None
    gate_recall: float | None = None
    gate_recall_interval: tuple[float, float] | None = None
    confidence: float = 0.95
    gate_calibration_error: tuple[float, float] | None = None
    scores: list[Score] = []
    guarantees: list[Guarantee] = Field(default=[], exclude_if=operator.not_)
    region_calibration_error: tuple[float, float] | None = Field(
        default=None, exclude_if=operator.not_
    )


class ModelEvidence(_Part):
    """What the validation part tells of one model of a form, beside Keras' other model.

    `mask_dice`: pooled Dice of the final masks with those of Keras; None if neither found anything.
    `drop_interval`: 95% interval of `positives_dice_drop` (segmenter) or `gate_recall_drop` (gate),
    over `groups` groups of pictures that belong together; None without any.
    `milliseconds`: CPU time of one picture on one core of `Compiled.cpu`, with mirrored copies.
    `admitted`: whether precision `auto` may become this form for this model; `why_not` in words.
    """

    mask_dice: float | None
    drop_interval: tuple[float, float] | None
    groups: int
    milliseconds: float = Field(gt=0)
    admitted: bool
    why_not: str = ""


class CompiledForm(_Part):
    """One compiled form of the models, measured against Keras on the validation part.

    `gate_difference`: largest difference between the gate's probabilities; None without a gate.
    `segmenter_pixels`: of all pixels in a final mask of Keras or of this form (picture by picture,
    all classes), the share in only one of the two.
    `positives_dice_drop` and `gate_recall_drop`: Keras' value minus this form's value; None if the
    part has no mask, or the bundle no gate.
    `gate`, `segmenter`: the evidence; None before format 3, which compared means alone, and `gate`
    is None without a gate. Since format 3, the segmenter is measured with the gate's answers of
    Keras, so that each model is judged alone.
    """

    precision: CpuPrecision
    pictures: int
    gate_difference: float | None
    segmenter_pixels: float
    positives_dice_drop: float | None
    gate_recall_drop: float | None
    gate: ModelEvidence | None = None
    segmenter: ModelEvidence | None = None

    @property
    def evidence(self) -> tuple[ModelEvidence, ...]:
        """The evidence of its models."""
        return tuple(one for one in (self.gate, self.segmenter) if one is not None)


class Cpu(_Part):
    """The CPU on which forms were measured: its name, and its flags for vectors and matrices."""

    name: str
    flags: list[str]


class Compiled(_Part):
    """The forms for CPUs.

    `default`: what precision `auto` means for the segmenter on the CPU that exported the bundle;
    `gate_default`: the same for the gate, if it is another one; `reason`: why. Other CPUs decide by
    `forms`; see `runtimes.choose_precision`.
    `passing_share`: share of the validation pictures that reach the segmenter. `cpu`: where the
    forms were timed. Both are None before format 3.
    `shared`: whether gate and segmenter are two parts of one network (`Gate.shared`). Then the gate
    runs at least as exactly as the segmenter, which goes on from its features. The manifest holds
    this field only if it is true.
    """

    default: CpuPrecision
    gate_default: CpuPrecision | None = None
    reason: str
    forms: list[CompiledForm]
    passing_share: float | None = None
    cpu: Cpu | None = None
    shared: bool = Field(default=False, exclude_if=operator.not_)

    @property
    def has_evidence(self) -> bool:
        """Whether each model was judged by evidence; False before format 3."""
        return any(one.evidence for one in self.forms)

    @property
    def default_name(self) -> str:
        """The default as text; see `precision_name`."""
        gate = self.default if self.gate_default is None else self.gate_default
        return precision_name(gate.value, self.default.value)

    @property
    def usable(self) -> frozenset[CpuPrecision]:
        """Precisions that `auto` may become for a model, on one CPU or another; f32 always."""
        if not self.has_evidence:
            return frozenset({CpuPrecision.F32, self.default})
        admitted = {form.precision for form in self.forms for one in form.evidence if one.admitted}
        return frozenset({CpuPrecision.F32, *admitted})

    def form(self, precision: CpuPrecision) -> CompiledForm | None:
        """Return the form of a precision; None if it was not measured."""
        return next((one for one in self.forms if one.precision is precision), None)


def precision_name(gate: str, segmenter: str) -> str:
    """Return the precision of both models as text: `bf16`, or `int8+bf16` (gate + segmenter)."""
    return segmenter if gate == segmenter else f"{gate}+{segmenter}"


class BundleFile(_Part):
    """One file of the bundle."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class TrainingRecord(_Part):
    """The origin of the models, with enough to fit them again."""

    recipe_name: str
    recipe: dict[str, JsonValue]
    seed: int
    data_fingerprint: str
    pictures: dict[str, int]
    notes: list[str] = []
    minutes: float


class Manifest(_Part):
    """The contents of `bundle.json`.

    `classes`: the classes that were learnt from labels, in the order of the segmenter's maps; in a
    bundle without any, the class of `novelty`, which then is not named twice.
    """

    format_version: int
    created_at: datetime
    classes: list[DefectClass] = Field(min_length=1)
    gate: Gate | None
    segmenter: Segmenter
    novelty: Novelty | None = Field(default=None, exclude_if=operator.not_)
    picture_sizes: PictureSizes
    metric_convention: str
    held_out_scores: list[Score]
    calibration: Calibration | None = None
    compiled: Compiled | None = None
    training: TrainingRecord
    versions: dict[str, str]
    files: dict[str, BundleFile]

    @property
    def class_names(self) -> dict[int, str]:
        """Names of the classes by id, in the bundle's order."""
        return {one.id: one.name for one in self.classes}

    @property
    def outlined_classes(self) -> list[DefectClass]:
        """The classes of the segmenter's maps, in their order: `classes`, then the unknown."""
        if self.novelty is None or self._knows_only_the_unknown:
            return self.classes
        return [*self.classes, self.novelty.unknown]

    @property
    def _knows_only_the_unknown(self) -> bool:
        """Whether no class was learnt; the class of the unknown is then that of `classes`."""
        return self.novelty is not None and self.class_names == {
            self.novelty.unknown.id: self.novelty.unknown.name
        }

    @field_validator("format_version")
    @classmethod
    def _known_format(cls, version: int) -> int:
        if version not in READABLE_FORMATS:
            *others, last = map(str, READABLE_FORMATS)
            known = f"{', '.join(others)} and {last}"
            raise ValueError(f"format {version}, this version of steeldefect reads {known}")
        return version

    @property
    def shares_network(self) -> bool:
        """Whether gate and segmenter are the two parts of one network; see `Gate`."""
        return self.gate is not None and self.gate.shared

    @property
    def lowest_format(self) -> int:
        """The lowest format that has all fields of this manifest, from `FORMAT_VERSION` on."""
        if any(one.seed_threshold for one in self.outlined_classes):
            return SEEDED_FORMAT_VERSION
        if self.gate is not None and self.gate.shift:
            return SHIFTED_FORMAT_VERSION
        record = self.calibration
        recorded = record is not None and (record.guarantees or record.region_calibration_error)
        if self.novelty or recorded or any(one.region_curve for one in self.classes):
            return CALIBRATED_FORMAT_VERSION
        return SHARED_FORMAT_VERSION if self.shares_network else FORMAT_VERSION

    @model_validator(mode="after")
    def _has_the_format_of_its_fields(self) -> Manifest:
        needed = self.lowest_format
        if self.format_version < needed and needed in _NEW_IN_FORMAT:
            raise ValueError(f"{_NEW_IN_FORMAT[needed]} format {needed}")
        return self

    @model_validator(mode="after")
    def _shares_as_it_says(self) -> Manifest:
        if self.gate is None or not self.gate.shared:
            return self
        if self.format_version < SHARED_FORMAT_VERSION:
            raise ValueError(f"a shared gate needs format {SHARED_FORMAT_VERSION}")
        if self.gate.input != self.segmenter.input:
            raise ValueError("a shared gate needs the input of the segmenter")
        return self

    @model_validator(mode="after")
    def _judges_novelty_as_it_says(self) -> Manifest:
        if self.novelty is None:
            return self
        if not self.shares_network:
            raise ValueError("novelty needs a shared gate, whose features it judges")
        unknown = self.novelty.unknown
        if unknown.id in self.class_names and not self._knows_only_the_unknown:
            raise ValueError(f"the class {unknown.name} has the id of another class")
        return self

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, classes: list[DefectClass]) -> list[DefectClass]:
        if len({one.id for one in classes}) != len(classes):
            raise ValueError("two classes share an id")
        return classes

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, BundleFile]) -> dict[str, BundleFile]:
        folders = {parent.as_posix() for name in files for parent in PurePosixPath(name).parents}
        for name in files:
            if not _is_plain(name) or name in folders or name in _NOT_LISTED:
                raise ValueError(f"{name!r} is not a path inside the bundle")
        return files


def with_lowest_format(manifest: Manifest) -> Manifest:
    """Return the manifest in the lowest format that has all of its fields."""
    return manifest.model_copy(update={"format_version": manifest.lowest_format})


def _is_plain(name: str) -> bool:
    """Return whether a name is a path below a folder, with only one spelling, on every system."""
    unsafe = any(character in _NOT_IN_NAMES or not character.isprintable() for character in name)
    parts = name.split("/")
    return not unsafe and not any(part in ("", ".", "..") for part in parts)

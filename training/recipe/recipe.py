"""All settings of a fit: one immutable model, read from YAML and validated when it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, model_validator

from steeldefect.settings import apply_overrides, read_yaml, validate
from training.recipe.choices import (
    AreaObjective,
    Arithmetic,
    GateKind,
    GateModes,
    MissingClass,
    NearDuplicates,
    SegmenterKind,
)
from training.recipe.data import Data
from training.recipe.models import SEGMENTER, FittedPart, Gate, Segmenter
from training.recipe.part import RecipePart
from training.recipe.sized_input import SizedInput


class Split(RecipePart):
    """Shares of the validation and test parts; the other pictures are the train part."""

    validation: float = Field(default=0.15, gt=0, lt=1)
    test: float = Field(default=0.15, gt=0, lt=1)
    near_duplicates: NearDuplicates = NearDuplicates.GROUP

    @model_validator(mode="after")
    def _leave_some(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave nothing to train on; their sum is below 1")
        return self


class Guarantee(RecipePart):
    """The share of defects that may be missed, and how certain that must be.

    `missed`: at most this share of the groups of defective pictures is missed by the gate, and of
    the groups that show a class by gate and segmenter together. `confidence`: probability that
    such a statement is true, for each statement alone.
    """

    missed: float = Field(gt=0, lt=1)
    confidence: float = Field(default=0.9, gt=0, lt=1)


class Calibrate(RecipePart):
    """How thresholds are chosen on the validation part, to replace those of `gate` and `segmenter`.

    `gate_recall`: share of defective pictures that the gate must let through; None keeps
    `gate.threshold`. `gate_mode`: which gate modes may be chosen. `temperature`: whether the gate's
    probabilities are calibrated first. `objective`: objective by which pixel thresholds and
    minimum areas are chosen; None keeps `segmenter.pixel_threshold` and `segmenter.min_area`.
    `guarantee`: bound on the share of missed defects; None asks for none. Where the validation part
    can prove it, a threshold is at most the largest one with which it holds; with `gate_recall` or
    `objective` None, it is this one. `regions`: whether the mean probabilities of regions are
    calibrated.
    """

    gate_recall: float | None = Field(default=0.99, gt=0, le=1)
    gate_mode: GateModes = GateModes.HARD
    temperature: bool = True
    objective: AreaObjective | None = AreaObjective.BALANCED
    guarantee: Guarantee | None = None
    regions: bool = False


class Compile(RecipePart):
    """Which compiled forms are made for CPUs, and how much quality a fast form may lose.

    `int8_pictures`: number of pictures of the train part on which int8 ranges are measured; 0: no
    int8 form is made. `max_dice_drop`, `max_recall_drop`: largest drop of positives-only Dice and
    of gate recall, against Keras, with which `auto` may become a form. The upper ends of the 95%
    intervals must stay within them (`training.export.evidence`).
    """

    int8_pictures: int = Field(default=128, ge=0)
    max_dice_drop: float = Field(default=0.005, ge=0)
    max_recall_drop: float = Field(default=0.002, ge=0)


class Novelty(RecipePart):
    """How pictures are recognised that look like no clean training picture.

    `false_alarms`: share of clean pictures that may be at or above the limit. `min_area`: minimum
    area of an unknown region, in pixels of the picture.
    """

    false_alarms: float = Field(default=0.005, gt=0, lt=1)
    min_area: int = Field(default=0, ge=0)


class Recipe(RecipePart):
    """All settings of a fit.

    `cache_gib`: largest memory, in GiB, for the resized pictures and masks of one part. A part
    that needs more is decoded again in every epoch. `gate_share`: share of a time budget that is
    reserved for the gate.
    `novelty`: None: nobody asks how unlike clean pictures a picture is. It is judged by the
    features of a gate of kind `shared`; with another gate, it is not judged, and a note says so. A
    segmenter of kind `none` needs it, and has no other gate.
    """

    name: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    cache_gib: float = Field(default=4.0, ge=0)
    arithmetic: Arithmetic = Arithmetic.FLOAT32
    gate_share: float = Field(default=0.3, gt=0, lt=1)
    missing_class: MissingClass = MissingClass.ERROR
    data: Data = Data()
    split: Split = Split()
    gate: Gate
    segmenter: Segmenter
    novelty: Novelty | None = None
    calibrate: Calibrate = Calibrate()
    compile: Compile = Compile()

    @property
    def learns_classes(self) -> bool:
        """Whether a segmenter is fitted; otherwise the bundle knows clean pictures alone."""
        return self.segmenter.kind is not SegmenterKind.NONE

    @property
    def judges_novelty(self) -> bool:
        """Whether the bundle says how unlike clean pictures a picture is."""
        shares = self.gate.kind is GateKind.SHARED or not self.learns_classes
        return self.novelty is not None and shares

    @model_validator(mode="after")
    def _judges_something(self) -> Recipe:
        if self.learns_classes:
            return self
        if self.novelty is None:
            raise ValueError("segmenter.kind: none finds nothing without novelty; set novelty: {}")
        if self.gate.kind is not GateKind.NONE:
            raise ValueError("segmenter.kind: none needs gate.kind: none; its gate is novelty")
        if self.data.teacher is not None:
            raise ValueError("data.teacher needs a segmenter to teach; segmenter.kind is none")
        if self.data.unlabelled is not None:
            raise ValueError("data.unlabelled needs a segmenter to teach; segmenter.kind is none")
        return self

    @model_validator(mode="after")
    def _averages_what_teaches(self) -> Recipe:
        if self.data.unlabelled is not None and not self.segmenter.optimizer.averaging:
            raise ValueError(
                "data.unlabelled: the average of the weights teaches; set "
                "segmenter.optimizer.averaging, such as 0.98"
            )
        return self

    @model_validator(mode="after")
    def _encoders_fit(self) -> Recipe:
        if self.gate.kind is GateKind.NONE or self.gate.weights != SEGMENTER:
            return self
        is_unet = self.segmenter.kind is SegmenterKind.UNET
        if not is_unet or self.segmenter.encoder is not self.gate.encoder:
            raise ValueError("gate.weights: segmenter needs a unet of the gate's own encoder")
        shares = self.gate.kind is GateKind.SHARED
        if shares and self.gate.input != self.segmenter.input:
            raise ValueError(
                "gate.kind: shared needs the same input for gate and segmenter; set gate.input as "
                "segmenter.input is, or gate.kind: places"
            )
        return self

    def for_pictures(self, shapes: Sequence[tuple[int, int]]) -> Recipe:
        """Return the recipe with fixed sizes of inputs and crops.

        Args:
            shapes: (height, width) of the pictures, in pixels.
        """

        def fixed(part: FittedPart) -> FittedPart:
            spec = part.input
            if isinstance(spec, SizedInput):
                spec = spec.for_pictures(shapes)
            crop = part.augment.crop and part.augment.crop.within(spec)
            augment = part.augment.model_copy(update={"crop": crop})
            return part.model_copy(update={"input": spec, "augment": augment})

        return self.model_copy(
            update={"gate": fixed(self.gate), "segmenter": fixed(self.segmenter)}
        )


def read_recipe(
    path: Path,
    overrides: Sequence[str] = (),
    epochs: int | None = None,
    seed: int | None = None,
) -> Recipe:
    """Read a recipe and apply overrides.

    Args:
        path: path of the YAML file.
        overrides: texts `section.setting=value`, the value in YAML.
        epochs: epochs of both models; None: as in the recipe.
        seed: seed of the fit; None: as in the recipe.

    Raises:
        SettingsError: the file cannot be read, or settings are wrong; the message lists every
            problem.
    """
    values = read_yaml(path)
    if epochs is not None:
        overrides = [*overrides, f"gate.epochs={epochs}", f"segmenter.epochs={epochs}"]
    problems = apply_overrides(values, overrides)
    if seed is not None:
        values["seed"] = seed
    return validate(Recipe, values, f"recipe {path}", problems)

"""The recipe of a fit: one frozen model, read from YAML and checked at the door.

>>> from pathlib import Path
>>> recipe = read_recipe(Path("conf/recipes/demo.yaml"), ["gate.epochs=2"])  # doctest: +SKIP
>>> recipe.gate.epochs  # doctest: +SKIP
2
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from steeldefect.bundle.manifest import Mirror
from steeldefect.pictures.preprocessing import InputSpec, Interpolation, Scaling
from steeldefect.settings import apply_overrides, read_yaml, validate
from training.recipe_choices import (
    AreaObjective,
    Arithmetic,
    Encoder,
    GateKind,
    GateModes,
    LossKind,
    MissingClass,
    NearDuplicates,
    OptimizerKind,
    Sampling,
    Schedule,
    SegmenterKind,
    SegmenterPictures,
    Unavailable,
)

__all__ = [
    "IMAGENET",
    "SEGMENTER",
    "AreaObjective",
    "Arithmetic",
    "Augment",
    "Calibrate",
    "Compile",
    "Crop",
    "Encoder",
    "FittedPart",
    "Gate",
    "GateKind",
    "GateModes",
    "LossKind",
    "MissingClass",
    "NearDuplicates",
    "Optimizer",
    "OptimizerKind",
    "Recipe",
    "Sampling",
    "Schedule",
    "Segmenter",
    "SegmenterKind",
    "SegmenterPictures",
    "SizedInput",
    "Split",
    "Unavailable",
    "read_recipe",
]

IMAGENET = "imagenet"
SEGMENTER = "segmenter"

_STRIDE = 32  # of all encoders


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Split(_Part):
    """Shares of the pictures held back; the rest is trained on."""

    validation: float = Field(default=0.15, gt=0, lt=1)
    test: float = Field(default=0.15, gt=0, lt=1)
    near_duplicates: NearDuplicates = NearDuplicates.GROUP

    @model_validator(mode="after")
    def _leave_some(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave nothing to train on; their sum is below 1")
        return self


class Optimizer(_Part):
    """How weights are stepped.

    `epsilon` as in Keras: None for the optimizer's own. `warm_up`: share of all steps in which a
    cosine schedule rises to the learning rate. `averaging`: momentum of the exponential moving
    average of the weights, which is what is validated and exported; 0 for the weights themselves.
    """

    kind: OptimizerKind
    learning_rate: float = Field(gt=0)
    epsilon: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Schedule = Schedule.CONSTANT
    warm_up: float = Field(default=0.1, ge=0, le=0.5)
    averaging: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _decay_fits(self) -> Optimizer:
        if self.weight_decay and self.kind is not OptimizerKind.ADAMW:
            raise ValueError("weight_decay is for kind adamw")
        return self


class Crop(_Part):
    """Windows that training sees instead of whole pictures; scoring always sees whole ones.

    Height and width in pixels of the model's input, multiples of 32; no more than the input has
    (`within`). `defect_share`: how many of the windows of a defective picture are placed over a
    defect; the others lie anywhere.
    """

    height: int = Field(gt=0, multiple_of=32)
    width: int = Field(gt=0, multiple_of=32)
    defect_share: float = Field(default=0.7, ge=0, le=1)

    def within(self, spec: InputSpec) -> Crop:
        """Give the window as it fits into an input."""
        size = {"height": min(self.height, spec.height), "width": min(self.width, spec.width)}
        return self.model_copy(update=size)


class Augment(_Part):
    """Random changes of training pictures, anew in every epoch.

    `brightness` is the greatest change, as a share: 0.2 gives factors 0.8 to 1.2. It is lost on
    models whose input scaling is `standard`; `gamma` is not: 0.3 gives exponents of 1 / 1.3 to
    1.3. `zoom`: 0.2 shows a picture at 1 / 1.2 to 1.2 of its size. `quarter_turns` needs square
    inputs or crops. `noise`: greatest standard deviation, in gray levels. `black_margin`: how
    many of the pictures get a black margin at their left or right, as at a strip's end, of at
    most 30% of the width. `paste`: how many pictures get the defects of another one on top.
    `paste` and `crop` are for what learns from outlines: segmenters, and gates of kind `places`.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    quarter_turns: bool = False
    brightness: float = Field(default=0.0, ge=0, lt=1)
    gamma: float = Field(default=0.0, ge=0, le=2)
    zoom: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0, le=50)
    black_margin: float = Field(default=0.0, ge=0, le=1)
    paste: float = Field(default=0.0, ge=0, le=1)
    crop: Crop | None = None


class SizedInput(_Part):
    """A model's input whose size follows from the pictures.

    It keeps the proportions of the pictures' median size, has about `pixels` pixels, or fewer
    where the pictures have: they are not enlarged. Its sides are multiples of 32.
    """

    pixels: int = Field(ge=32 * 32)
    channels: int = Field(ge=1, le=3)
    scaling: Scaling
    interpolation: Interpolation = Interpolation.AREA

    def for_pictures(self, shapes: Sequence[tuple[int, int]]) -> InputSpec:
        """Fix the size for pictures of these (height, width)."""
        height, width = (float(side) for side in np.median(np.array(shapes), axis=0))
        scale = min((self.pixels / (height * width)) ** 0.5, 1.0)
        return InputSpec(
            height=max(1, round(height * scale / _STRIDE)) * _STRIDE,
            width=max(1, round(width * scale / _STRIDE)) * _STRIDE,
            channels=self.channels,
            scaling=self.scaling,
            interpolation=self.interpolation,
        )


class _Fitted(_Part):
    input: InputSpec | SizedInput
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    optimizer: Optimizer
    patience: int = Field(default=20, ge=1)
    sampling: Sampling = Sampling.EVEN
    augment: Augment = Augment()
    encoder: Encoder = Encoder.MOBILENETV2
    weights: str | None = None
    weights_if_unavailable: Unavailable = Unavailable.ERROR
    freeze_base: bool = False
    freeze_batch_norm: bool = False

    @property
    def spec(self) -> InputSpec:
        """The input, once its size is fixed (`Recipe.for_pictures`)."""
        if isinstance(self.input, SizedInput):
            raise TypeError("the input's size is not fixed yet")
        return self.input

    @model_validator(mode="after")
    def _turns_fit(self) -> _Fitted:
        shown = self.augment.crop or self.input
        square = not isinstance(shown, SizedInput) and shown.height == shown.width
        if self.augment.quarter_turns and not square:
            raise ValueError("quarter_turns needs an input or a crop as high as it is wide")
        return self


FittedPart = TypeVar("FittedPart", bound=_Fitted)


class Gate(_Fitted):
    """The classifier in front of the segmenter.

    `weights`: None (random), `imagenet`, the path of a `.weights.h5` file, the folder of a bundle
    (its gate), or `segmenter`: what this fit's own segmenter has learnt in its encoder.
    `freeze_base`: layers that were loaded keep their weights; of an encoder, all of it.
    `threshold`: pictures at or above it are segmented; calibration may choose another.
    """

    kind: GateKind
    dropout: float = Field(default=0.3, ge=0, lt=1)
    threshold: float = Field(default=0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _weights_fit(self) -> Gate:
        if self.kind is GateKind.NONE:  # nothing else is used
            return self
        if self.weights is not None and self.kind is GateKind.SMALL:
            raise ValueError("kind small begins with random weights; weights are for the others")
        taught_by_outlines = self.kind is GateKind.PLACES
        for name in ("paste", "crop"):
            if getattr(self.augment, name) and not taught_by_outlines:
                raise ValueError(f"augment.{name} is for the segmenter and a gate of kind places")
        of_segmenter = (GateKind.ENCODER, GateKind.PLACES)
        if self.weights == SEGMENTER and self.kind not in of_segmenter:
            raise ValueError("weights of the segmenter are for kinds encoder and places")
        return self


class Segmenter(_Fitted):
    """The model that outlines defects.

    `weights`: None (random), `imagenet`, the path of a `.weights.h5` file of the encoder, or the
    folder of a bundle, whose segmenter of the same kind it goes on from.
    `freeze_batch_norm`: a pre-trained encoder keeps the batch statistics that came with its
    weights. Small batches that are drawn by class have others than pictures have in production;
    and a step takes less time.
    `mask_coverage`: share of a model pixel that a mask has to cover to count in training.
    `pixel_threshold` and `min_area` (pixels of the picture) hold for every class; calibration may
    choose others. `mirrors`: copies that scoring answers as well; each costs as much as the first.
    """

    kind: SegmenterKind
    loss: LossKind
    pictures: SegmenterPictures = SegmenterPictures.DEFECTIVE
    mask_coverage: float = Field(default=0.5, gt=0, le=1)
    pixel_threshold: float = Field(default=0.5, gt=0, lt=1)
    min_area: int = Field(default=0, ge=0)
    mirrors: tuple[Mirror, ...] = ()

    @model_validator(mode="after")
    def _weights_are_used(self) -> Segmenter:
        if self.weights == SEGMENTER:
            raise ValueError("the segmenter cannot begin with its own weights")
        of_encoder = self.weights == IMAGENET or (self.weights or "").endswith(".h5")
        if of_encoder and self.kind is not SegmenterKind.UNET:
            raise ValueError(f"weights of an encoder are for kind unet, not {self.kind.value}")
        return self


class Calibrate(_Part):
    """How thresholds are chosen on the validation part, instead of taken from the sections above.

    `gate_recall`: share of defective pictures that the gate has to let through; None keeps
    `gate.threshold`. `gate_mode`: which modes may be chosen. `temperature`: whether the gate's
    probabilities are calibrated first. `objective`: what pixel thresholds and minimum areas are
    searched for; None keeps `segmenter.pixel_threshold` and `segmenter.min_area`.
    """

    gate_recall: float | None = Field(default=0.99, gt=0, le=1)
    gate_mode: GateModes = GateModes.HARD
    temperature: bool = True
    objective: AreaObjective | None = AreaObjective.BALANCED


class Compile(_Part):
    """Which forms for CPUs are made, and what a fast one may cost.

    `int8_pictures`: of the training part, on which int8 ranges are measured; 0 makes no int8
    form. The other two say by how much positives-only Dice and gate recall may drop against
    Keras for a form to become the default.
    """

    int8_pictures: int = Field(default=128, ge=0)
    max_dice_drop: float = Field(default=0.005, ge=0)
    max_recall_drop: float = Field(default=0.002, ge=0)


class Recipe(_Part):
    """All settings of a fit.

    `cache_gib`: resized pictures and masks stay in memory where they need less than this;
    beyond it they are decoded anew in every epoch. `gate_share`: of a time budget, for the gate.
    """

    name: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    cache_gib: float = Field(default=4.0, ge=0)
    arithmetic: Arithmetic = Arithmetic.FLOAT32
    gate_share: float = Field(default=0.3, gt=0, lt=1)
    missing_class: MissingClass = MissingClass.ERROR
    split: Split = Split()
    gate: Gate
    segmenter: Segmenter
    calibrate: Calibrate = Calibrate()
    compile: Compile = Compile()

    @model_validator(mode="after")
    def _encoders_fit(self) -> Recipe:
        if self.gate.kind is GateKind.NONE or self.gate.weights != SEGMENTER:
            return self
        is_unet = self.segmenter.kind is SegmenterKind.UNET
        if not is_unet or self.segmenter.encoder is not self.gate.encoder:
            raise ValueError("gate.weights: segmenter needs a unet of the gate's own encoder")
        return self

    def for_pictures(self, shapes: Sequence[tuple[int, int]]) -> Recipe:
        """Fix the sizes of inputs and windows that follow from the pictures' (height, width)."""

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
    """Read a recipe and lay overrides on top.

    Args:
        path: of the YAML file.
        overrides: `section.setting=value`, the value in YAML.
        epochs: for both models; None for the recipe's own.
        seed: None for the recipe's own.

    Raises:
        SettingsError: the file cannot be read, or settings are wrong; lists every problem.
    """
    values = read_yaml(path)
    if epochs is not None:
        overrides = [*overrides, f"gate.epochs={epochs}", f"segmenter.epochs={epochs}"]
    problems = apply_overrides(values, overrides)
    if seed is not None:
        values["seed"] = seed
    return validate(Recipe, values, f"recipe {path}", problems)

"""All settings of a fit: one frozen model, read from YAML and checked at the door."""

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
from training.recipe.models import SEGMENTER, FittedPart, Gate, Segmenter
from training.recipe.part import RecipePart
from training.recipe.sized_input import SizedInput


class Split(RecipePart):
    """Shares of the pictures held back; the rest is trained on."""

    validation: float = Field(default=0.15, gt=0, lt=1)
    test: float = Field(default=0.15, gt=0, lt=1)
    near_duplicates: NearDuplicates = NearDuplicates.GROUP

    @model_validator(mode="after")
    def _leave_some(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave nothing to train on; their sum is below 1")
        return self


class Calibrate(RecipePart):
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


class Compile(RecipePart):
    """Which forms for CPUs are made, and what a fast one may cost.

    `int8_pictures`: of the training part, on which int8 ranges are measured; 0 makes no int8
    form. The other two say by how much positives-only Dice and gate recall may drop against
    Keras for a form to become the default.
    """

    int8_pictures: int = Field(default=128, ge=0)
    max_dice_drop: float = Field(default=0.005, ge=0)
    max_recall_drop: float = Field(default=0.002, ge=0)


class Recipe(RecipePart):
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

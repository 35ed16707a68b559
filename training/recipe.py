"""The recipe of a fit: one frozen model, read from YAML and checked at the door.

>>> from pathlib import Path
>>> recipe = read_recipe(Path("conf/recipes/demo.yaml"), ["gate.epochs=2"])  # doctest: +SKIP
>>> recipe.gate.epochs  # doctest: +SKIP
2
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from steeldefect.preprocessing import InputSpec
from steeldefect.settings import apply_overrides, read_yaml, validate

IMAGENET = "imagenet"


class GateKind(str, Enum):
    """Which gate is trained. `none`: the bundle has no gate, every picture is segmented."""

    RESNET50 = "resnet50"
    SMALL = "small"
    NONE = "none"


class SegmenterKind(str, Enum):
    """Which segmenter is trained."""

    RESUNET = "resunet"
    SMALL = "small"


class LossKind(str, Enum):
    """What the segmenter minimises; see `training.losses`."""

    FOCAL_TVERSKY = "focal_tversky"
    BCE_DICE = "bce_dice"


class OptimizerKind(str, Enum):
    """The optimizers that the recipes use."""

    ADAM = "adam"
    NADAM = "nadam"


class Schedule(str, Enum):
    """How the learning rate runs. `cosine`: a short warm-up, then down to zero at the end."""

    CONSTANT = "constant"
    COSINE = "cosine"


class Unavailable(str, Enum):
    """What to do when pre-trained weights cannot be had."""

    ERROR = "error"
    RANDOM = "random"


class SegmenterPictures(str, Enum):
    """Which pictures the segmenter learns from. `defective`: those with masks (the tutorial)."""

    DEFECTIVE = "defective"
    ALL = "all"


class NearDuplicates(str, Enum):
    """What a split does with pictures of one view. `group`: they stay in one part."""

    GROUP = "group"
    IGNORE = "ignore"


class GateModes(str, Enum):
    """Which gate modes calibration may choose. `best`: the one that scores higher."""

    HARD = "hard"
    SOFT = "soft"
    BEST = "best"


class AreaObjective(str, Enum):
    """What pixel thresholds and minimum areas are searched for.

    `mean_dice`: Kaggle's measure over all pairs, which follows how many pictures are clean in
    the data. `positives_dice`: over pairs with truth alone. `balanced`: the mean of Dice over
    pairs with truth and of the share of empty pairs that stay empty, whatever their numbers.
    """

    MEAN_DICE = "mean_dice"
    POSITIVES_DICE = "positives_dice"
    BALANCED = "balanced"


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
    """How weights are stepped. `epsilon` as in Keras: None for the optimizer's own."""

    kind: OptimizerKind
    learning_rate: float = Field(gt=0)
    epsilon: float | None = Field(default=None, gt=0)
    schedule: Schedule = Schedule.CONSTANT


class Augment(_Part):
    """Random changes of training pictures, anew in every epoch.

    `brightness` is the greatest change, as a share: 0.2 gives factors 0.8 to 1.2. It is lost on
    models whose input scaling is `standard`.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    brightness: float = Field(default=0.0, ge=0, lt=1)


class _Fitted(_Part):
    input: InputSpec
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    optimizer: Optimizer
    patience: int = Field(default=20, ge=1)
    augment: Augment = Augment()


class Gate(_Fitted):
    """The classifier in front of the segmenter.

    `weights`: None (random), `imagenet`, or the path of a `.weights.h5` file.
    `freeze_base`: layers that were loaded keep their weights.
    `threshold`: pictures at or above it are segmented; goes into the bundle.
    """

    kind: GateKind
    weights: str | None = None
    weights_if_unavailable: Unavailable = Unavailable.ERROR
    freeze_base: bool = False
    dropout: float = Field(default=0.3, ge=0, lt=1)
    threshold: float = Field(default=0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _weights_fit(self) -> Gate:
        if self.weights is not None and self.kind is GateKind.SMALL:
            raise ValueError("kind small begins with random weights; weights are for resnet50")
        return self


class Segmenter(_Fitted):
    """The model that outlines defects.

    `mask_coverage`: share of a model pixel that a mask has to cover to count in training.
    `pixel_threshold` and `min_area` (pixels of the picture) go into the bundle for every class.
    """

    kind: SegmenterKind
    loss: LossKind
    pictures: SegmenterPictures = SegmenterPictures.DEFECTIVE
    mask_coverage: float = Field(default=0.5, gt=0, le=1)
    pixel_threshold: float = Field(default=0.5, gt=0, lt=1)
    min_area: int = Field(default=0, ge=0)


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
    beyond it they are decoded anew in every epoch.
    """

    name: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    cache_gib: float = Field(default=4.0, ge=0)
    split: Split = Split()
    gate: Gate
    segmenter: Segmenter
    calibrate: Calibrate = Calibrate()
    compile: Compile = Compile()


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

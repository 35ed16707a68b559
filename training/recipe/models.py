"""Settings of the two models and of their fits."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from pydantic import Field, model_validator

from steeldefect.bundle.manifest import Mirror
from steeldefect.pictures.preprocessing import InputSpec
from training.recipe.augment import Augment
from training.recipe.choices import (
    Encoder,
    GateKind,
    Keep,
    LossKind,
    OptimizerKind,
    Sampling,
    Schedule,
    SegmenterKind,
    SegmenterPictures,
    Unavailable,
)
from training.recipe.part import RecipePart
from training.recipe.sized_input import SizedInput

IMAGENET = "imagenet"
SEGMENTER = "segmenter"


class Optimizer(RecipePart):
    """Settings of the optimizer.

    `epsilon`: as in Keras; None: Keras' default. `warm_up`: share of the fit in which a cosine
    schedule rises to the learning rate. `averaging`: momentum of the exponential moving average
    of the weights. The average is validated and exported; 0: no average, the weights are.
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


_NOTHING_FITTED: dict[str, Any] = {
    "input": {"pixels": 65536, "channels": 1, "scaling": "standard", "interpolation": "area"},
    "epochs": 1,
    "batch_size": 1,
    "optimizer": {"kind": "adam", "learning_rate": 0.001},
}
"""Settings that a model of kind `none` must not state: nothing uses them."""


class _Fitted(RecipePart):
    """What both models have.

    `patience`: epochs without a better one after which a fit stops; not used with `keep: last`.
    `encoder_rate`: learning rate of a pre-trained encoder, as a share of that of the optimizer. An
    encoder that begins with random weights has the optimizer's, a frozen one has none. Source of
    the idea: Howard and Ruder, "Universal Language Model Fine-tuning", 2018.
    """

    _also_unused: ClassVar[dict[str, Any]] = {}

    input: InputSpec | SizedInput
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    optimizer: Optimizer
    patience: int = Field(default=20, ge=1)
    keep: Keep = Keep.BEST
    sampling: Sampling = Sampling.EVEN
    augment: Augment = Augment()
    encoder: Encoder = Encoder.MOBILENETV2
    weights: str | None = None
    weights_if_unavailable: Unavailable = Unavailable.ERROR
    freeze_base: bool = False
    freeze_batch_norm: bool = False
    encoder_rate: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_fitted(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("kind") == "none":
            return {**_NOTHING_FITTED, **cls._also_unused, **values}
        return values

    @property
    def spec(self) -> InputSpec:
        """Input of the model; its size must be fixed before (`Recipe.for_pictures`)."""
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
    (its gate), or `segmenter` (the segmenter of the same fit).
    `freeze_base`: loaded layers keep their weights; an encoder is frozen as a whole.
    Kind `shared` needs `weights: segmenter`, `freeze_base: true`, and the segmenter's input.
    `threshold`: pictures with this probability or more are segmented; calibration may choose
    another threshold.
    """

    kind: GateKind
    dropout: float = Field(default=0.3, ge=0, lt=1)
    threshold: float = Field(default=0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _weights_fit(self) -> Gate:
        if self.kind is GateKind.NONE:  # the other settings are not used
            return self
        has_encoder = self.kind in (GateKind.ENCODER, GateKind.PLACES, GateKind.SHARED)
        if self.encoder_rate < 1 and not has_encoder:
            raise ValueError("encoder_rate is for gates of kind encoder or places")
        if self.weights is not None and self.kind is GateKind.SMALL:
            raise ValueError("kind small begins with random weights; weights are for the others")
        taught_by_outlines = self.kind in (GateKind.PLACES, GateKind.SHARED)
        for name in ("paste", "crop"):
            if getattr(self.augment, name) and not taught_by_outlines:
                raise ValueError(
                    f"augment.{name} is for the segmenter and gates of kind places or shared"
                )
        if self.weights == SEGMENTER and not has_encoder:
            raise ValueError("weights of the segmenter are for kinds encoder, places and shared")
        its_own = self.weights == SEGMENTER and self.freeze_base
        if self.kind is GateKind.SHARED and not its_own:
            raise ValueError(
                "kind shared has the segmenter's own encoder; set weights: segmenter and "
                "freeze_base: true, or kind: places"
            )
        return self


class Segmenter(_Fitted):
    """The model that outlines defects.

    `weights`: None (random), `imagenet`, the path of a `.weights.h5` file of the encoder, or the
    folder of a bundle (its segmenter, which must be of the same kind).
    `freeze_batch_norm`: a pre-trained encoder keeps the batch statistics that were loaded with its
    weights. Small batches drawn by class have other statistics than pictures in production. A
    frozen encoder also takes less time per step.
    `mask_coverage`: share of a model pixel that a mask must cover for the pixel to be 1 in truth.
    `pixel_threshold`, `min_area` (pixels of the picture): values for every class; calibration may
    choose others.
    `mirrors`: mirrored copies of each picture that scoring also runs; each copy costs as much as
    the picture itself.
    """

    _also_unused: ClassVar[dict[str, Any]] = {"loss": "bce_dice"}

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
        if self.encoder_rate < 1 and self.kind is not SegmenterKind.UNET:
            raise ValueError(f"encoder_rate is for kind unet, not {self.kind.value}")
        of_encoder = self.weights == IMAGENET or (self.weights or "").endswith(".h5")
        if of_encoder and self.kind not in (SegmenterKind.UNET, SegmenterKind.NONE):
            raise ValueError(f"weights of an encoder are for kind unet, not {self.kind.value}")
        if self.weights is None and self.kind is SegmenterKind.NONE:
            raise ValueError("kind none needs weights: nothing is learnt from random features")
        return self

"""The words that a recipe may choose from, with their meanings."""

from __future__ import annotations

from enum import Enum


class Encoder(str, Enum):
    """Pre-trained networks of Keras that find features: the first half of a U-Net, or of a gate."""

    MOBILENETV2 = "mobilenetv2"
    RESNET50 = "resnet50"


class GateKind(str, Enum):
    """Which gate is trained. `none`: the bundle has no gate, every picture is segmented.

    `resnet50`: with the tutorial's head. `encoder`: the section's encoder, and a head
    that looks for the most suspicious place. `places`: the same, taught place by place from the
    outlines, so that crops and pasted defects serve it as well; pictures that are labelled
    defective but not outlined teach it nothing. `small`: a network for demonstrations.
    """

    RESNET50 = "resnet50"
    ENCODER = "encoder"
    PLACES = "places"
    SMALL = "small"
    NONE = "none"


class SegmenterKind(str, Enum):
    """Which segmenter is trained.

    `resunet`: the tutorial's. `unet`: the section's encoder with a light decoder. `small`: a
    network for demonstrations.
    """

    RESUNET = "resunet"
    UNET = "unet"
    SMALL = "small"


class LossKind(str, Enum):
    """What the segmenter minimises; see `training.fitting.losses`."""

    FOCAL_TVERSKY = "focal_tversky"
    BCE_DICE = "bce_dice"
    BCE_LOVASZ = "bce_lovasz"


class OptimizerKind(str, Enum):
    """The optimizers that the recipes use."""

    ADAM = "adam"
    ADAMW = "adamw"
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


class Sampling(str, Enum):
    """How often a picture is shown in an epoch.

    `even`: once. `by_class`: drawn with replacement so that each class, and clean pictures as a
    class of their own, come about equally often; an epoch has as many draws as pictures.
    """

    EVEN = "even"
    BY_CLASS = "by_class"


class MissingClass(str, Enum):
    """What to do about a class that no picture of the training part shows."""

    ERROR = "error"
    WARN = "warn"


class Arithmetic(str, Enum):
    """Keras' dtype policy while fitting; exported models are float32 always."""

    FLOAT32 = "float32"
    MIXED_FLOAT16 = "mixed_float16"
    MIXED_BFLOAT16 = "mixed_bfloat16"


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

"""The allowed values of a recipe's settings, and their meanings."""

from __future__ import annotations

from enum import Enum


class Encoder(str, Enum):
    """Pre-trained networks of Keras that compute the features of a U-Net or a gate."""

    MOBILENETV2 = "mobilenetv2"
    RESNET50 = "resnet50"


class GateKind(str, Enum):
    """Which gate is trained.

    `none`: the bundle has no gate, and every picture is segmented. `resnet50`: ResNet50 with the
    tutorial's head. `encoder`: the encoder of the recipe's section, with a head that looks for the
    most suspicious place. `places`: an encoder too, but trained on outlines, with a label for each
    place; it can use crops and pasted defects. It does not use defective pictures without outlines.
    `shared`: the same gate as `places` on the segmenter's encoder, which then runs once for both
    models.
    `small`: a network for demonstrations.
    """

    RESNET50 = "resnet50"
    ENCODER = "encoder"
    PLACES = "places"
    SHARED = "shared"
    SMALL = "small"
    NONE = "none"


class SegmenterKind(str, Enum):
    """Which segmenter is trained.

    `resunet`: the tutorial's network. `unet`: the encoder of the recipe's section, with a light
    decoder. `small`: a network for demonstrations. `none`: no class is learnt; the bundle only says
    how unlike clean pictures a picture is, with the encoder of the recipe's section as it is.
    """

    RESUNET = "resunet"
    UNET = "unet"
    SMALL = "small"
    NONE = "none"


class LossKind(str, Enum):
    """The loss of the segmenter; see `training.fitting.losses`."""

    FOCAL_TVERSKY = "focal_tversky"
    BCE_DICE = "bce_dice"
    BCE_DICE_EACH = "bce_dice_each"
    BCE_LOVASZ = "bce_lovasz"


class OptimizerKind(str, Enum):
    """The optimizer of a model."""

    ADAM = "adam"
    ADAMW = "adamw"
    NADAM = "nadam"


class Schedule(str, Enum):
    """How the learning rate changes. `cosine`: a warm-up, then a decrease to zero at the end."""

    CONSTANT = "constant"
    COSINE = "cosine"


class Keep(str, Enum):
    """The weights that a fit ends with.

    `best`: those of the epoch that did best on the validation part. `last`: those of the last
    epoch, and the fit does not stop early. With few validation pictures, the best epoch is best by
    chance.
    """

    BEST = "best"
    LAST = "last"


class Unavailable(str, Enum):
    """What to do if pre-trained weights cannot be downloaded: stop, or use random weights."""

    ERROR = "error"
    RANDOM = "random"


class SegmenterPictures(str, Enum):
    """Which pictures the segmenter learns from. `defective`: pictures with masks (the tutorial)."""

    DEFECTIVE = "defective"
    ALL = "all"


class Sampling(str, Enum):
    """How often a picture is shown in an epoch.

    `even`: once. `by_class`: pictures are drawn with replacement, with weights that make classes
    about equally frequent. The segmenter counts clean pictures as one more class; half of a gate's
    draws are clean pictures. An epoch has as many draws as there are pictures.
    """

    EVEN = "even"
    BY_CLASS = "by_class"


class MissingClass(str, Enum):
    """What to do about a class that no picture of the train part shows."""

    ERROR = "error"
    WARN = "warn"


class Arithmetic(str, Enum):
    """Arithmetic during the fit; exported models are always float32.

    `auto`: float32, but products of large convolutions are bfloat16 on CPUs with AMX, which are
    faster with it (`training.models.faster`). The mixed ones are Keras' dtype policies.
    """

    AUTO = "auto"
    FLOAT32 = "float32"
    MIXED_FLOAT16 = "mixed_float16"
    MIXED_BFLOAT16 = "mixed_bfloat16"


class NearDuplicates(str, Enum):
    """What a split does with near-duplicates. `group`: they stay in one part."""

    GROUP = "group"
    IGNORE = "ignore"


class GateModes(str, Enum):
    """Which gate modes calibration may choose. `best`: the one that scores higher."""

    HARD = "hard"
    SOFT = "soft"
    BEST = "best"


class AreaObjective(str, Enum):
    """The objective by which pixel thresholds and minimum areas are chosen.

    `mean_dice`: Kaggle's mean Dice over all (picture, class) pairs; it depends on the share of
    clean pictures in the data. `positives_dice`: mean Dice over pairs with truth alone.
    `balanced`: the mean of two values: Dice over pairs with truth, and the share of pairs without
    truth that stay empty. Both values have the same weight, whatever the numbers of pairs.
    """

    MEAN_DICE = "mean_dice"
    POSITIVES_DICE = "positives_dice"
    BALANCED = "balanced"

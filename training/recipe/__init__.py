"""The recipe of a fit: its sections, and the allowed values of its settings.

>>> from pathlib import Path
>>> recipe = read_recipe(Path("conf/recipes/demo.yaml"), ["gate.epochs=2"])  # doctest: +SKIP
>>> recipe.gate.epochs  # doctest: +SKIP
2
"""

from training.recipe.augment import Augment, Crop
from training.recipe.choices import (
    AreaObjective,
    Arithmetic,
    Encoder,
    GateKind,
    GateModes,
    Keep,
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
from training.recipe.data import Data, ExtraPictures, Teacher, Unlabelled
from training.recipe.models import IMAGENET, SEGMENTER, FittedPart, Gate, Optimizer, Segmenter
from training.recipe.recipe import (
    Calibrate,
    Compile,
    Guarantee,
    Novelty,
    Recipe,
    Split,
    read_recipe,
)
from training.recipe.sized_input import SizedInput

__all__ = [
    "IMAGENET",
    "SEGMENTER",
    "AreaObjective",
    "Arithmetic",
    "Augment",
    "Calibrate",
    "Compile",
    "Crop",
    "Data",
    "Encoder",
    "ExtraPictures",
    "FittedPart",
    "Gate",
    "GateKind",
    "GateModes",
    "Guarantee",
    "Keep",
    "LossKind",
    "MissingClass",
    "NearDuplicates",
    "Novelty",
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
    "Teacher",
    "Unavailable",
    "Unlabelled",
    "read_recipe",
]

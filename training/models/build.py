"""From a recipe's section to a model."""

from __future__ import annotations

from steeldefect.preprocessing import InputSpec
from training.backend import keras
from training.models import resunet, small
from training.models.resnet50 import resnet50_base, resnet50_gate
from training.models.weights import LoadedWeights, load_weights
from training.recipe import Gate, GateKind, Segmenter, SegmenterKind


def build_gate(settings: Gate) -> tuple[keras.Model, LoadedWeights]:
    """Build the gate of a recipe, with the pre-trained weights it names.

    Returns:
        A model from (n, height, width, channels) to probabilities (n, 1); what was loaded.

    Raises:
        SettingsError: the weights cannot be had; see `load_weights`.
    """
    shape = _shape(settings.input)
    if settings.kind is GateKind.SMALL:
        return small.small_gate(shape, settings.dropout), LoadedWeights()
    base = resnet50_base(shape)
    loaded = load_weights(base, settings)
    return resnet50_gate(base, loaded, settings.dropout, settings.freeze_base), loaded


def build_segmenter(settings: Segmenter, classes: int) -> keras.Model:
    """Build the segmenter of a recipe.

    Returns:
        A model from (n, height, width, channels) to probabilities (n, height, width, classes).
    """
    shape = _shape(settings.input)
    if settings.kind is SegmenterKind.SMALL:
        return small.small_unet(shape, classes)
    return resunet.resunet(shape, classes)


def _shape(spec: InputSpec) -> tuple[int, int, int]:
    return spec.height, spec.width, spec.channels

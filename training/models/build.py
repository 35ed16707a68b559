"""Build the model that a section of a recipe describes."""

from __future__ import annotations

from training.backend import keras
from training.models import resunet, small
from training.models.gates import encoder_gate, place_gate
from training.models.resnet50 import resnet50_base, resnet50_gate
from training.models.unet import unet
from training.models.weights import (
    LoadedWeights,
    load_encoder_weights,
    load_resnet50_weights,
    load_twin,
)
from training.recipe import Gate, GateKind, Segmenter, SegmenterKind


def build_gate(
    settings: Gate, segmenter: keras.Model | None = None
) -> tuple[keras.Model, LoadedWeights]:
    """Build the gate of a recipe, with the pre-trained weights that it names.

    Args:
        settings: section of the recipe, with a fixed input size.
        segmenter: fitted segmenter, for a gate that begins with the segmenter's weights.

    Returns:
        A model from (n, height, width, channels) to probabilities (n, 1), and the loaded weights.
        A gate of kind `places` or `shared` returns the probabilities of all places
        (`training.models.gates`).

    Raises:
        SettingsError: the weights cannot be loaded; see `training.models.weights`.
    """
    spec = settings.spec
    shape = (spec.height, spec.width, spec.channels)
    if settings.kind is GateKind.SMALL:
        return small.small_gate(shape, settings.dropout), LoadedWeights()
    if settings.kind is GateKind.ENCODER:
        model = encoder_gate(shape, settings.encoder, spec.scaling, settings.dropout)
        return model, load_encoder_weights(model, settings, segmenter)
    if settings.kind in (GateKind.PLACES, GateKind.SHARED):
        model = place_gate(_shown(settings), settings.encoder, spec.scaling, settings.dropout)
        return model, load_encoder_weights(model, settings, segmenter)
    base = resnet50_base((spec.height, spec.width, 3))
    loaded = load_resnet50_weights(base, settings)
    return resnet50_gate(base, loaded, settings.dropout, settings.freeze_base), loaded


def build_segmenter(settings: Segmenter, classes: int) -> tuple[keras.Model, LoadedWeights]:
    """Build the segmenter of a recipe, with the pre-trained weights that it names.

    If the recipe trains on crops, the model takes pictures of any size.

    Args:
        settings: section of the recipe, with a fixed input size.
        classes: number of classes.

    Returns:
        A model from (n, height, width, channels) to probabilities (n, height, width, classes),
        and the loaded weights.

    Raises:
        SettingsError: the weights cannot be loaded; see `training.models.weights`.
    """
    spec, shape = settings.spec, _shown(settings)
    if settings.kind in (
        SegmenterKind.UNET,
        SegmenterKind.NONE,
    ):  # of NONE, only the encoder counts
        model = unet(shape, classes, settings.encoder, spec.scaling)
        return model, load_encoder_weights(model, settings, None)
    if settings.kind is SegmenterKind.SMALL:
        model = small.small_unet(shape, classes)
    else:
        model = resunet.resunet(shape, classes)
    return model, load_twin(model, settings)


def _shown(settings: Gate | Segmenter) -> tuple[int | None, int | None, int]:
    """Return the (height, width, channels) of training inputs; any size (None) for crops."""
    spec = settings.spec
    if settings.augment.crop is not None:
        return (None, None, spec.channels)
    return (spec.height, spec.width, spec.channels)

"""Pre-trained weights: by name, from a file, a bundle, or the segmenter of the same fit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steeldefect.bundle.files import ModelForm, ModelName, open_bundle
from steeldefect.errors import SettingsError
from steeldefect.runtimes.keras_files import load_keras_model
from training.backend import keras
from training.models.encoders import ENCODER, colour_network, stage_ends, transfer
from training.models.unet import DECODER
from training.recipe import IMAGENET, SEGMENTER, Encoder, Gate, Segmenter, Unavailable


@dataclass(frozen=True)
class LoadedWeights:
    """What was loaded into a model.

    Attributes:
        layers: the Keras layers that carry pre-trained weights; empty where all are random.
        note: one line for the bundle's manifest; None where there is nothing to say.
    """

    layers: tuple[Any, ...] = field(default=())
    note: str | None = None


def load_resnet50_weights(base: keras.Model, settings: Gate) -> LoadedWeights:
    """Load what the recipe names into the tutorial's ResNet50 base.

    Raises:
        SettingsError: the weights cannot be had and the recipe does not allow to go on without,
            or a file holds other weights.
    """
    if settings.weights is None:
        return LoadedWeights()
    kind = Encoder.RESNET50
    try:
        if settings.weights == IMAGENET:
            source = _imagenet(kind, base.input_shape[1:])
            base.set_weights(source.get_weights())
            return LoadedWeights(tuple(base.layers), _began("gate", "ImageNet weights", kind))
        part = _load_file(base, Path(settings.weights), stage_ends(kind), "gate")
    except _UnavailableError as error:
        return _go_on_without("gate", settings, error)
    return LoadedWeights(tuple(part.layers), _began_with_file("gate", settings.weights, part))


def load_encoder_weights(
    model: keras.Model, settings: Gate | Segmenter, segmenter: keras.Model | None
) -> LoadedWeights:
    """Load what the recipe names into a model that has an encoder.

    Args:
        model: of `training.models.unet` or `training.models.gates`.
        settings: of the section.
        segmenter: the fitted one, where `weights` is `segmenter`.

    Raises:
        SettingsError: as for `load_resnet50_weights`.
    """
    name = section_of(settings)
    encoder, weights = model.get_layer(ENCODER), settings.weights
    if weights is None:
        return LoadedWeights()
    if weights == SEGMENTER:
        if segmenter is None:
            raise SettingsError("gate.weights: segmenter, but there is no fitted segmenter")
        loaded = _load_segmenter(model, segmenter)
    elif weights != IMAGENET and Path(weights).is_dir():
        loaded = load_twin(model, settings)
    else:
        try:
            loaded = _load_colours(encoder, settings, weights)
        except _UnavailableError as error:
            return _go_on_without(name, settings, error)
    if settings.freeze_base:
        encoder.trainable = False
    elif settings.freeze_batch_norm:
        _freeze_batch_norm(encoder)
    return loaded


def load_twin(model: keras.Model, settings: Gate | Segmenter) -> LoadedWeights:
    """Load the weights of the same model from an earlier bundle, all that fit.

    A last layer of other classes keeps its random weights.

    Raises:
        SettingsError: the bundle's model is of another kind.
        BundleError: the bundle is missing or altered.
    """
    if settings.weights is None:
        return LoadedWeights()
    name = section_of(settings)
    bundle = open_bundle(Path(settings.weights), (ModelForm.KERAS,))
    model_name = ModelName(name)
    if model_name not in bundle.models:
        raise SettingsError(f"{name}.weights: the bundle {settings.weights} has no {name}")
    source = load_keras_model(bundle.model_path(model_name, ModelForm.KERAS))
    pairs = list(zip(_leaves(source), _leaves(model), strict=False))
    same_kind = source.name == model.name and len(_leaves(source)) == len(_leaves(model))
    if not same_kind:
        raise SettingsError(
            f"{name}.weights: the bundle's {name} is a {source.name}, the recipe's a {model.name}"
        )
    copied = []
    for old, new in pairs:
        values = old.get_weights()
        if [one.shape for one in values] == [one.shape for one in new.get_weights()]:
            new.set_weights(values)
            copied.append(new)
    digest = bundle.digest[:12]
    return LoadedWeights(tuple(copied), f"{name} began with the weights of bundle {digest}")


def _load_segmenter(model: keras.Model, segmenter: keras.Model) -> LoadedWeights:
    """Copy encoder and decoder of a segmenter into a gate, as far as the gate has them."""
    named = {layer.name: layer for layer in segmenter.layers}
    shared = [one for one in model.layers if one.name == ENCODER or one.name.startswith(DECODER)]
    for layer in shared:
        layer.set_weights(named[layer.name].get_weights())
    return LoadedWeights(tuple(shared), "gate began with the weights of the segmenter")


def _freeze_batch_norm(encoder: keras.Model) -> None:
    """Keep the statistics and scales that came with the weights; see `recipe`."""
    for layer in encoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def section_of(settings: Gate | Segmenter) -> str:
    """Name the section of the recipe: gate or segmenter."""
    return "gate" if isinstance(settings, Gate) else "segmenter"


def _leaves(model: keras.Model) -> list[Any]:
    """List the layers with weights, in order, through nested models."""
    found: list[Any] = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += _leaves(layer)
        elif layer.weights:
            found.append(layer)
    return found


def _load_colours(encoder: keras.Model, settings: Gate | Segmenter, weights: str) -> LoadedWeights:
    kind, name = settings.encoder, section_of(settings)
    if weights == IMAGENET:
        transfer(kind, _imagenet(kind, (None, None, 3)), encoder)
        return LoadedWeights((encoder,), _began(name, "ImageNet weights", kind))
    part = _load_file(colour_network(kind), Path(weights), stage_ends(kind), name)
    transfer(kind, part, encoder)
    return LoadedWeights((encoder,), _began_with_file(name, weights, part))


def _began(name: str, what: str, kind: Encoder) -> str:
    return f"{name} began with {what} for {kind.value}"


def _began_with_file(name: str, weights: str, part: keras.Model) -> str:
    return f"{name} began with the weights of {Path(weights).name} up to {part.layers[-1].name}"


def _go_on_without(
    name: str, settings: Gate | Segmenter, error: _UnavailableError
) -> LoadedWeights:
    if settings.weights_if_unavailable is Unavailable.ERROR:
        raise SettingsError(
            f"{error}; set {name}.weights to a file, or {name}.weights_if_unavailable=random"
        ) from None
    return LoadedWeights(note=f"{name} trained from random weights: {error}")


class _UnavailableError(Exception):
    """The weights cannot be had here and now."""


_APPLICATIONS = {Encoder.RESNET50: "ResNet50", Encoder.MOBILENETV2: "MobileNetV2"}


def _imagenet(kind: Encoder, shape: Sequence[int | None]) -> keras.Model:
    try:
        build = getattr(keras.applications, _APPLICATIONS[kind])
        return build(weights=IMAGENET, include_top=False, input_shape=tuple(shape))
    except Exception as error:  # Keras raises plain `Exception` where a download fails
        reason = " ".join(str(error).split())
        raise _UnavailableError(f"ImageNet weights cannot be downloaded ({reason})") from None


def _load_file(network: keras.Model, path: Path, ends: Sequence[str], name: str) -> keras.Model:
    """Load a file into a network, or into the first stages of it; returns what was loaded.

    Keras' whole networks come first: a file of the whole of one fits no part of it.
    """
    if not path.is_file():
        raise SettingsError(f"{name}.weights: no such file: {path}")
    if _fits(network, path):
        return network
    for end in ends:
        part = keras.Model(network.input, network.get_layer(end).output)
        if _fits(part, path):
            return part
    raise SettingsError(
        f"{name}.weights: {path} fits neither {network.name} without its top nor a part of it "
        f"that ends in {', '.join(ends)}; give a Keras .weights.h5 file of that network"
    )


def _fits(part: keras.Model, path: Path) -> bool:
    """Try to load; a file of other layers is told by Keras in one of several ways."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for each layer without weights
        try:
            part.load_weights(path)
        except (ValueError, OSError, KeyError):
            return False
    return True

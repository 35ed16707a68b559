"""Load pre-trained weights: ImageNet's, from a file, a bundle, or the segmenter of the same fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steeldefect.bundle.files import Bundle, ModelForm, ModelName, open_bundle
from steeldefect.errors import SettingsError
from steeldefect.runtimes.keras_files import load_model_of_pictures
from training.backend import keras
from training.models.encoders import ENCODER, colour_network, stage_ends, transfer
from training.models.novelty import NOVELTY
from training.models.unet import DECODER
from training.recipe import (
    IMAGENET,
    SEGMENTER,
    Encoder,
    Gate,
    Segmenter,
    SegmenterKind,
    Unavailable,
)


@dataclass(frozen=True)
class LoadedWeights:
    """The pre-trained weights that were loaded into a model.

    Attributes:
        layers: Keras layers with pre-trained weights; empty if all weights are random.
        note: one line about the weights for the bundle's manifest; None if there is none.
    """

    layers: tuple[Any, ...] = field(default=())
    note: str | None = None


def load_resnet50_weights(base: keras.Model, settings: Gate) -> LoadedWeights:
    """Load the weights that the recipe names into the tutorial's ResNet50 base.

    Raises:
        SettingsError: the weights cannot be downloaded and `weights_if_unavailable` is `error`,
            or a file is missing or does not fit the network.
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
    """Load the weights that the recipe names into a model with an encoder.

    Args:
        model: model of `training.models.unet` or `training.models.gates`.
        settings: section of the recipe.
        segmenter: fitted segmenter, needed if `weights` is `segmenter`.

    Raises:
        SettingsError: as for `load_resnet50_weights`; or there is no segmenter, or a bundle's
            model is of another kind.
        BundleError: the bundle is missing or altered.
    """
    name = section_of(settings)
    encoder, weights = model.get_layer(ENCODER), settings.weights
    if weights is None:
        return LoadedWeights()
    if weights == SEGMENTER:
        loaded = _load_segmenter(model, segmenter)
    elif weights != IMAGENET and Path(weights).is_dir():
        whole = settings.kind is not SegmenterKind.NONE
        loaded = load_twin(model, settings) if whole else _load_encoder(encoder, weights)
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
    """Load the weights of the same model from an earlier bundle, for all layers that fit.

    A layer of another shape keeps its random weights: for example the last layer, if the bundle
    has another number of classes.

    Raises:
        SettingsError: the bundle has no such model, or its model is of another kind.
        BundleError: the bundle is missing or altered.
    """
    if settings.weights is None:
        return LoadedWeights()
    name = section_of(settings)
    bundle = open_bundle(Path(settings.weights), (ModelForm.KERAS,))
    model_name = ModelName(name)
    if model_name not in bundle.models:
        raise SettingsError(f"{name}.weights: the bundle {settings.weights} has no {name}")
    source = _whole_model(bundle, model_name)
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


def _load_encoder(encoder: keras.Model, weights: str) -> LoadedWeights:
    """Copy the weights of the encoder that is in the models of a bundle.

    Raises:
        SettingsError: its models have no encoder, or one of another kind.
        BundleError: the bundle is missing or altered.
    """
    bundle = open_bundle(Path(weights), (ModelForm.KERAS,))
    for name in bundle.models:
        source = _whole_model(bundle, name)
        found = next((one for one in nested_layers(source) if one.name == ENCODER), None)
        if found is not None and len(found.weights) == len(encoder.weights):
            encoder.set_weights(found.get_weights())
            note = f"encoder: the weights of bundle {bundle.digest[:12]}"
            return LoadedWeights(tuple(encoder.layers), note)
    raise SettingsError(
        f"segmenter.weights: no model of the bundle {weights} has such an encoder; name a bundle "
        "that was fitted with segmenter.kind: unet and the same encoder"
    )


def nested_layers(model: keras.Model) -> Iterator[Any]:
    """Yield the layers of a model, and those of the models in it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from nested_layers(layer)


def _whole_model(bundle: Bundle, name: ModelName) -> keras.Model:
    """Load a model of pictures from a bundle, also if the bundle's gate holds a part of it."""
    form = ModelForm.KERAS
    return load_model_of_pictures(bundle.model_path(name, form), bundle.shared_gate(form))


def _load_segmenter(model: keras.Model, segmenter: keras.Model | None) -> LoadedWeights:
    """Copy the weights of a segmenter's encoder and decoder into the gate's layers of same name.

    Raises:
        SettingsError: there is no segmenter.
    """
    if segmenter is None:
        raise SettingsError("gate.weights: segmenter, but there is no fitted segmenter")
    named = {layer.name: layer for layer in segmenter.layers}
    shared = [one for one in model.layers if one.name == ENCODER or one.name.startswith(DECODER)]
    for layer in shared:
        layer.set_weights(named[layer.name].get_weights())
    return LoadedWeights(tuple(shared), "gate began with the weights of the segmenter")


def _freeze_batch_norm(encoder: keras.Model) -> None:
    """Freeze the batch statistics and scales that were loaded; see `training.recipe.Segmenter`."""
    for layer in encoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def section_of(settings: Gate | Segmenter) -> str:
    """Return the name of the recipe's section: gate or segmenter."""
    return "gate" if isinstance(settings, Gate) else "segmenter"


def _leaves(model: keras.Model) -> list[Any]:
    """Return the layers with weights, in order, also those of nested models.

    Layers of `training.models.novelty` are left out: they are computed, not trained.
    """
    found: list[Any] = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += _leaves(layer)
        elif layer.weights and not layer.name.startswith(NOVELTY):
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
    """The weights cannot be downloaded."""


_APPLICATIONS = {Encoder.RESNET50: "ResNet50", Encoder.MOBILENETV2: "MobileNetV2"}


def _imagenet(kind: Encoder, shape: Sequence[int | None]) -> keras.Model:
    try:
        build = getattr(keras.applications, _APPLICATIONS[kind])
        return build(weights=IMAGENET, include_top=False, input_shape=tuple(shape))
    except Exception as error:  # Keras raises plain `Exception` if a download fails
        reason = " ".join(str(error).split())
        raise _UnavailableError(f"ImageNet weights cannot be downloaded ({reason})") from None


def _load_file(network: keras.Model, path: Path, ends: Sequence[str], name: str) -> keras.Model:
    """Load a file into a network, or into its first stages; return the model that was loaded.

    The whole network is tried first: a file of the whole network fits no part of it.
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
    """Load a file if it fits; return whether it did. Keras raises several types for a misfit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns for each layer without weights
        try:
            part.load_weights(path)
        except (ValueError, OSError, KeyError):
            return False
    return True

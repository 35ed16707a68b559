"""Layers that say how unlike clean pictures a picture is, as a whole and place by place.

A place is a square of `STRIDE` x `STRIDE` pixels, with the encoder's features at that stride,
averaged over the places around it, as PatchCore does (Roth et al., "Towards Total Recall in
Industrial Anomaly Detection", 2022): wide but weak defects are not lost in the noise. What counts
is the place's *contrast*: how many deviations its features are from their mean in the same picture
(instance normalisation, Ulyanov et al., 2016). What this leaves out, mean and deviation of each
feature in the picture, is the *whole*: it says what the surface looks like.

Over clean pictures, the contrasts of each place, and the whole, have a mean of their own and a
covariance around it; all places together have one. The squared Mahalanobis distance from the mean,
divided by the number of features, is about 1 for a usual place or whole. Places that vary more than
others, such as the edges of a strip, have their distances divided by what is usual for them. The
squared distance d^2 of a place in a picture is the weighted geometric mean of that of its contrast
and that of the whole. The *oddness* of a place is d^2 / (d^2 + s^2), from 0 to 1, with a scale s
that is usual for the oddest place of a clean picture.

PaDiM (Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and
Localization", 2021) has a covariance of its own for each place. It needs more clean pictures than
features, and megabytes of weights. A mean and a scale of its own cost almost nothing.

In the network, these are products with the inverse roots of the covariances, which are convolutions
of 1 x 1, and sums of squares. They are compiled with the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from training.backend import keras

layers = keras.layers

Floats = npt.NDArray[np.float64]

STRIDE = 16
"""Side of a place, in pixels of the input."""

NOVELTY = "novelty"
"""Prefix of the names of the layers."""

LEAST = 1e-6
"""Is added to squares, so that their roots and logarithms are finite."""

_PLACE = STRIDE.bit_length() - 2  # of the features among those of all strides, from 2
_SHRINKAGE = 0.1  # share of a feature's variance that is added to it: as if the others said less
_ROUNDING = 0.01  # of a feature's size: bf16 rounds its values, and those before it, by about this
_OWN_SHARE = 0.5  # how much of what is usual for a place counts, beside what is usual for all
_CONTRAST_FLOOR, _WHOLE_FLOOR = 0.3, 0.1
"""Share of the mean deviation of all features that is added to the deviation of each: one that
hardly varies in a picture must not be magnified."""
_FEATURES_AROUND, _DISTANCES_AROUND = 3, 5  # places in a neighbourhood, along each axis


@dataclass(frozen=True)
class Moments:
    """Sums over clean pictures, from which means and covariances follow.

    Attributes:
        count: number of pictures.
        total: float64 (h, w, c), sum of the features of each place.
        products: float64 (h, w, c, c), sum of their products.
    """

    count: int
    total: Floats
    products: Floats

    @classmethod
    def of(cls, features: npt.NDArray[np.float32]) -> Moments:
        """Return the sums over features (n, h, w, c)."""
        exact = features.astype(np.float64)
        by_place = exact.transpose(1, 2, 0, 3)
        products = by_place.transpose(0, 1, 3, 2) @ by_place
        return cls(len(features), exact.sum(axis=0), products)

    def __add__(self, other: Moments) -> Moments:
        """Return the sums over the pictures of both."""
        count = self.count + other.count
        return Moments(count, self.total + other.total, self.products + other.products)

    def __sub__(self, other: Moments) -> Moments:
        """Return the sums over the pictures that only the first one has."""
        count = self.count - other.count
        return Moments(count, self.total - other.total, self.products - other.products)


@dataclass(frozen=True)
class Normal:
    """What clean places look like; a picture as a whole counts as one place (h = w = 1).

    Attributes:
        mean: float64 (h, w, c), of the features of each place.
        whitening: float64 (c, c); `(x - mean) @ whitening` has about the unit matrix as covariance
            over all places.
        usual: float64 (h, w), by what the squared distances of a place are divided.
    """

    mean: Floats
    whitening: Floats
    usual: Floats

    @classmethod
    def of(cls, moments: Moments) -> Normal:
        """Compute all from the sums; features that hardly vary count less (shrinkage)."""
        mean = moments.total / moments.count
        squares = moments.products / moments.count
        own = squares - mean[..., :, np.newaxis] * mean[..., np.newaxis, :]
        covariance = own.mean(axis=(0, 1))
        size = len(covariance)
        # features that only rounding tells apart must not be magnified
        rounding = _ROUNDING**2 * np.einsum("hwcc->c", squares) / mean[..., 0].size
        shrinkage = _SHRINKAGE * np.diag(covariance)
        values, vectors = np.linalg.eigh(covariance + np.diag(rounding + shrinkage))
        whitening = vectors / np.sqrt(np.maximum(values, np.finfo(np.float32).tiny))
        usual = np.einsum("ck,hwcd,dk->hw", whitening, own, whitening, optimize=True) / size
        return cls(mean, whitening, _OWN_SHARE * usual + (1 - _OWN_SHARE))

    @classmethod
    def standard(cls, shape: tuple[int, int, int]) -> Normal:
        """Return features (h, w, c) with mean 0 that vary by 1, each by itself."""
        return cls(np.zeros(shape), np.eye(shape[-1]), np.ones(shape[:-1]))

    def squared_distances(self, features: npt.NDArray[np.float32]) -> Floats:
        """Return the squared distance of each place of n pictures: float64 (n, h, w)."""
        white = (features - self.mean) @ self.whitening
        return np.asarray((white**2).mean(axis=-1) / self.usual)


class Compared(NamedTuple):
    """Features that are compared with those of clean pictures.

    Attributes:
        contrasts: (n, h, w, c), of each place.
        whole: (n, 1, 1, 2 c), mean and logarithm of the deviation of each feature in the picture.
    """

    contrasts: Any
    whole: Any


class Odd(NamedTuple):
    """What clean pictures look like.

    Attributes:
        contrasts: those of their places.
        whole: mean and deviation of their features.
        weight: of the whole in the geometric mean, from 0 to 1; the contrasts have the rest.
        scale: squared distance of oddness 1/2.
    """

    contrasts: Normal
    whole: Normal
    weight: float
    scale: float

    @classmethod
    def standard(cls, features: Sequence[Any], height: int, width: int, scale: float = 1.0) -> Odd:
        """Return what needs no pictures: all features have mean 0, and vary by 1.

        Args:
            features: five tensors (n, h, w, c) at strides 2, 4, 8, 16 and 32, of any size.
            height: of the pictures, in pixels.
            width: of the pictures, in pixels.
            scale: squared distance of oddness 1/2.
        """
        channels = features[_PLACE].shape[-1]
        contrasts = Normal.standard((height // STRIDE, width // STRIDE, channels))
        return cls(contrasts, Normal.standard((1, 1, 2 * channels)), 0.5, scale)


def compared_features(features: Sequence[Any]) -> Compared:
    """Return what is compared, of an encoder's features: those at `STRIDE`.

    Args:
        features: five tensors (n, h, w, c) at strides 2, 4, 8, 16 and 32.
    """
    given = features[_PLACE]
    places = layers.AveragePooling2D(
        _FEATURES_AROUND, 1, padding="same", name=f"{NOVELTY}_features"
    )(given)
    mean = _mean_of_picture(f"{NOVELTY}_mean")(given)
    centred = layers.Subtract(name=f"{NOVELTY}_centred")([given, mean])
    squares = layers.Multiply()([centred, centred])
    deviation = keras.ops.sqrt(_mean_of_picture(f"{NOVELTY}_variance")(squares) + LEAST)
    usual = keras.ops.mean(deviation, axis=-1, keepdims=True)
    contrasts = (places - mean) / (deviation + _CONTRAST_FLOOR * usual)
    spread = keras.ops.log(deviation + _WHOLE_FLOOR * usual)
    return Compared(contrasts, layers.Concatenate()([mean, spread]))


def oddness_logits(features: Sequence[Any], odd: Odd) -> Any:
    """Add the layers that say how odd each place is.

    The logit of an oddness is log(d^2 / s^2).

    Args:
        features: five tensors (n, h, w, c) at strides 2, 4, 8, 16 and 32.
        odd: what clean pictures look like.

    Returns:
        A tensor (n, height / STRIDE, width / STRIDE, 1), logits of oddness.
    """
    compared = compared_features(features)
    around = layers.AveragePooling2D(_DISTANCES_AROUND, 1, padding="same")
    contrast = around(_squared_distances("contrast", compared.contrasts, odd.contrasts))
    whole = _squared_distances("whole", compared.whole, odd.whole)
    contrast, whole = (keras.ops.log(one + LEAST) for one in (contrast, whole))
    return (1 - odd.weight) * contrast + odd.weight * whole - math.log(odd.scale)


def _squared_distances(name: str, values: Any, normal: Normal) -> Any:
    """Return the squared distances of features (n, h, w, c): (n, h, w, 1)."""
    size = normal.mean.shape[-1]
    # centred first: a form that rounds to bf16 then multiplies small numbers
    centred = _by_place(f"{name}_mean", np.ones_like(normal.mean), -normal.mean)(values)
    white = _product(f"{name}_white", normal.whitening)(centred)
    squares = layers.Multiply()([white, white])
    distances = _product(f"{name}_distance", np.full((size, 1), 1 / size))(squares)
    return _by_place(f"{name}_usual", 1 / normal.usual[..., np.newaxis])(distances)


def _mean_of_picture(name: str) -> Any:
    return layers.GlobalAveragePooling2D(keepdims=True, name=name)


def smoothed(distances: Floats) -> Floats:
    """Average squared distances (h, w) over neighbours, as the layers do."""
    window = (_DISTANCES_AROUND, _DISTANCES_AROUND)
    total, count = (
        cv2.boxFilter(one, -1, window, normalize=False, borderType=cv2.BORDER_CONSTANT)
        for one in (distances, np.ones_like(distances))
    )
    return np.asarray(total / count)


def _by_place(name: str, factor: Floats, added: Floats | None = None) -> Callable[[Any], Any]:
    """Return a function that multiplies the values of each place, and adds to them: (h, w, c)."""
    layer = layers.EinsumDense(
        "nhwc,hwc->nhwc",
        factor.shape,
        bias_axes=None if added is None else "hwc",
        trainable=False,
        name=f"{NOVELTY}_{name}",
    )
    return _with_weights(layer, [factor, *([] if added is None else [added])])


def _product(name: str, kernel: Floats) -> Callable[[Any], Any]:
    """Return a function that multiplies the features of each place by a matrix (in, out)."""
    layer = layers.Conv2D(
        kernel.shape[1], 1, use_bias=False, trainable=False, name=f"{NOVELTY}_{name}"
    )
    return _with_weights(layer, [kernel[np.newaxis, np.newaxis]])


def _with_weights(layer: Any, weights: list[Floats]) -> Callable[[Any], Any]:
    def applied(values: Any) -> Any:
        result = layer(values)
        layer.set_weights(weights)
        return result

    return applied

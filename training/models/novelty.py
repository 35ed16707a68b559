"""Layers that say how unlike clean pictures the places of a picture are.

A place is a square of `STRIDE` x `STRIDE` pixels, with the encoder's features at that stride,
averaged over the places around it, as PatchCore does (Roth et al., "Towards Total Recall in
Industrial Anomaly Detection", 2022): wide but weak defects are not lost in the noise. Over clean
pictures, the features of each place have a mean of their own, and all places together have a
covariance around it. The squared Mahalanobis distance from the mean, divided by the number of
features, is about 1 for a usual place. Places that vary more than others, such as the edges of a
strip, have their distances divided by what is usual for them. The *oddness* of a place is d^2 /
(d^2 + s^2), from 0 to 1, with a scale s that is usual for the oddest place of a clean picture.

PaDiM (Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and
Localization", 2021) has a covariance of its own for each place. It needs more clean pictures than
features, and megabytes of weights. A mean and a scale of its own cost almost nothing.

In the network, these are a product with the inverse root of the covariance, which is a convolution
of 1 x 1, and a sum of squares. They are compiled with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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

_PLACE = STRIDE.bit_length() - 2  # of the features among those of all strides, from 2
_SHRINKAGE = 0.01  # share of the mean variance that is added to each feature's own
_ROUNDING = 0.01  # of a feature's size: bf16 rounds its values, and those before it, by about this
_OWN_SHARE = 0.5  # how much of what is usual for a place counts, beside what is usual for all
_LEAST = 1e-6  # squared distance that is added, so that its logarithm is finite
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
    """What clean places look like.

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
        shrinkage = _SHRINKAGE * np.trace(covariance) / size
        values, vectors = np.linalg.eigh(covariance + np.diag(rounding + shrinkage))
        whitening = vectors / np.sqrt(np.maximum(values, np.finfo(np.float32).tiny))
        usual = np.einsum("ck,hwcd,dk->hw", whitening, own, whitening, optimize=True) / size
        return cls(mean, whitening, _OWN_SHARE * usual + (1 - _OWN_SHARE))

    def squared_distances(self, features: npt.NDArray[np.float32]) -> Floats:
        """Return the squared distance of each place of n pictures: float64 (n, h, w)."""
        white = (features - self.mean) @ self.whitening
        return np.asarray((white**2).mean(axis=-1) / self.usual)


def compared_features(features: Sequence[Any]) -> Any:
    """Return what is compared, of an encoder's features: those at `STRIDE`, averaged.

    Args:
        features: five tensors (n, h, w, c) at strides 2, 4, 8, 16 and 32.
    """
    average = layers.AveragePooling2D(
        _FEATURES_AROUND, 1, padding="same", name=f"{NOVELTY}_features"
    )
    return average(features[_PLACE])


def oddness_logits(features: Sequence[Any], normal: Normal, scale: float) -> Any:
    """Add the layers that say how odd each place is.

    The logit of an oddness is log(d^2 / s^2).

    Args:
        features: five tensors (n, h, w, c) at strides 2, 4, 8, 16 and 32.
        normal: what clean places look like.
        scale: squared distance of oddness 1/2.

    Returns:
        A tensor (n, height / STRIDE, width / STRIDE, 1), logits of oddness.
    """
    size = normal.mean.shape[-1]
    # centred first: a form that rounds to bf16 then multiplies small numbers
    centred = _by_place("mean", np.ones_like(normal.mean), -normal.mean)(
        compared_features(features)
    )
    white = _product("white", normal.whitening)(centred)
    squares = layers.Multiply()([white, white])
    distances = _product("distance", np.full((size, 1), 1 / (size * scale)))(squares)
    divided = _by_place("usual", 1 / normal.usual[..., np.newaxis])(distances)
    smooth = layers.AveragePooling2D(_DISTANCES_AROUND, 1, padding="same")(divided)
    return keras.ops.log(smooth + _LEAST)


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

"""Losses and metrics of the segmenter, and of the gate of kind `places`.

Truth and prediction are (batch, height, width, classes). Truth is 0 or 1, prediction is a
probability.
"""

from __future__ import annotations

from typing import Any

from training.backend import keras
from training.recipe import LossKind

ops = keras.ops

ALPHA = 0.7
SMOOTH = 1e-6
GAMMA = 0.75

_OF_CLASSES = (0, 1, 2)
"""Axes to sum over for one value of each class."""
_OF_PAIRS = (1, 2)
"""Axes to sum over for one value of each class on each picture."""


def tversky(truth: Any, predicted: Any) -> Any:
    """Compute the Tversky index of a whole batch, all classes pooled.

    (tp + s) / (tp + 0.7 fn + 0.3 fp + s) with s = 1e-6: false negative pixels weigh more than
    false positive pixels. Source: Abraham and Khan, "A novel focal Tversky loss function with
    improved attention U-Net", 2018, and github.com/nabsabraham/focal-tversky-unet, losses.py.
    """
    truth = ops.cast(truth, predicted.dtype)
    both = ops.sum(truth * predicted)
    missed = ops.sum(truth) - both
    invented = ops.sum(predicted) - both
    return (both + SMOOTH) / (both + ALPHA * missed + (1 - ALPHA) * invented + SMOOTH)


class FocalTversky(keras.losses.Loss):  # type: ignore[misc]
    """(1 - Tversky index) ^ 0.75 of a batch.

    For a perfect prediction the slope of the power would be infinite and turn weights into NaN.
    The base is therefore at least Keras' epsilon.
    """

    def call(self, truth: Any, predicted: Any) -> Any:
        """Return the loss, a scalar."""
        return ops.power(
            ops.maximum(1.0 - tversky(truth, predicted), keras.config.epsilon()), GAMMA
        )


class BceDice(keras.losses.Loss):  # type: ignore[misc]
    """Binary cross-entropy over pixels plus the mean of 1 - soft Dice over the classes shown.

    Dice is computed over the pixels of the whole batch, for each class. A class that no picture of
    the batch shows is left out of the mean: most batches do not show a rare class, and would make
    the model unlearn it. The cross-entropy still suppresses false predictions of that class.
    """

    def call(self, truth: Any, predicted: Any) -> Any:
        """Return the loss, a scalar."""
        truth = ops.cast(truth, predicted.dtype)
        return _entropy(truth, predicted) + _one_minus_dice(truth, predicted, _OF_CLASSES)


class BceDiceEach(keras.losses.Loss):  # type: ignore[misc]
    """`BceDice`, half of whose Dice is replaced by that of each picture.

    The mean of 1 - soft Dice over pairs: one class on one picture of the batch, if the truth has a
    pixel there. So a small defect weighs as much as a large one, as in positives-only Dice; among
    the pooled pixels of a batch, it hardly counts beside a large one of its class. The other half
    stays pooled, because a pair says nothing of false pixels where there is no defect.
    """

    def call(self, truth: Any, predicted: Any) -> Any:
        """Return the loss, a scalar."""
        truth = ops.cast(truth, predicted.dtype)
        dice = _one_minus_dice(truth, predicted, _OF_CLASSES)
        of_pairs = _one_minus_dice(truth, predicted, _OF_PAIRS)
        return _entropy(truth, predicted) + (dice + of_pairs) / 2.0


class BceLovasz(keras.losses.Loss):  # type: ignore[misc]
    """Binary cross-entropy plus the mean Lovász extension of 1 - IoU over the classes shown.

    Source: Berman, Triki and Blaschko, "The Lovász-Softmax loss", 2018, algorithm 1, applied to
    each class's errors |truth - predicted| over the pixels of a batch.
    """

    def call(self, truth: Any, predicted: Any) -> Any:
        """Return the loss, a scalar."""
        truth = ops.cast(truth, predicted.dtype)
        classes = predicted.shape[-1]
        truths = ops.transpose(ops.reshape(truth, (-1, classes)))
        errors = ops.transpose(ops.reshape(ops.abs(truth - predicted), (-1, classes)))
        order = ops.argsort(-errors, axis=-1)
        errors = ops.take_along_axis(errors, order, axis=-1)
        truths = ops.take_along_axis(truths, order, axis=-1)
        area = ops.sum(truths, axis=-1)
        left = ops.expand_dims(area, -1) - ops.cumsum(truths, axis=-1)
        union = ops.expand_dims(area, -1) + ops.cumsum(1.0 - truths, axis=-1)
        jaccard = 1.0 - left / union
        steps = ops.concatenate([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], axis=-1)
        extension = ops.sum(errors * ops.stop_gradient(steps), axis=-1)
        return _entropy(truth, predicted) + _mean_over_shown(extension, ops.max(truths, axis=-1))


def _entropy(truth: Any, predicted: Any) -> Any:
    return ops.mean(ops.binary_crossentropy(truth, predicted))


def _one_minus_dice(truth: Any, predicted: Any, axes: tuple[int, ...]) -> Any:
    """Compute the mean of 1 - soft Dice over what the truth shows; `axes` are summed over."""
    area = ops.sum(truth, axis=axes)
    both = ops.sum(truth * predicted, axis=axes)
    dice = 2.0 * both / (area + ops.sum(predicted, axis=axes) + keras.config.epsilon())
    return _mean_over_shown(1.0 - dice, ops.max(truth, axis=axes))


def _mean_over_shown(values: Any, greatest: Any) -> Any:
    """Compute the mean of `values` where the truth is at least 0.5 at a pixel: it shows the class.

    A teacher's maps are above 0 nearly everywhere, also where it finds nothing.

    Args:
        values: one value of each class, or of each class on each picture.
        greatest: greatest value of the truth for each of them, of the same shape.
    """
    shown = ops.cast(greatest >= 0.5, values.dtype)
    return ops.sum(shown * values) / ops.maximum(ops.sum(shown), 1.0)


class PlaceLoss(keras.losses.Loss):  # type: ignore[misc]
    """Loss of a gate of kind `places`; see `training.models.gates`.

    `BceDice` over the places, plus the cross-entropy of the greatest place of each window, which
    is the gate's probability. Truth is (batch, height, width, 1) in pixels of the input. A place
    is defective if any of its pixels is defective.
    """

    def __init__(self, stride: int) -> None:
        """Store the side of a place, in pixels of the input."""
        super().__init__()
        self._stride = stride
        self._places = BceDice()

    def call(self, truth: Any, predicted: Any) -> Any:
        """Return the loss, a scalar."""
        truth = ops.max_pool(ops.cast(truth, predicted.dtype), self._stride)
        return self._places.call(truth, predicted) + _entropy(
            _greatest(truth), _greatest(predicted)
        )


class GreatestAuc(keras.metrics.AUC):  # type: ignore[misc]
    """Area under the ROC curve of pictures; a picture's score is its greatest place."""

    def update_state(self, truth: Any, predicted: Any, sample_weight: Any = None) -> None:
        """Add a batch of maps, (batch, height, width, 1)."""
        super().update_state(_greatest(truth), _greatest(predicted), sample_weight)


def _greatest(maps: Any) -> Any:
    return ops.max(maps, axis=(1, 2))


class PositivesDice(keras.metrics.Metric):  # type: ignore[misc]
    """Mean Dice over (picture, class) pairs with truth, at threshold 0.5, in model pixels."""

    def __init__(self, name: str = "positives_dice") -> None:
        super().__init__(name=name)
        self._sum = self.add_weight(name="sum", initializer="zeros")
        self._pairs = self.add_weight(name="pairs", initializer="zeros")

    def update_state(self, truth: Any, predicted: Any, sample_weight: Any = None) -> None:
        """Add a batch of truth and predictions, (batch, height, width, classes)."""
        del sample_weight
        truth = ops.cast(truth > 0.5, "float32")  # a teacher's maps lie between
        found = ops.cast(predicted > 0.5, "float32")
        area = ops.sum(truth, axis=(1, 2))
        dice = (
            2.0
            * ops.sum(truth * found, axis=(1, 2))
            / (area + ops.sum(found, axis=(1, 2)) + keras.config.epsilon())
        )
        shown = ops.cast(area > 0, "float32")
        self._sum.assign_add(ops.sum(shown * dice))
        self._pairs.assign_add(ops.sum(shown))

    def result(self) -> Any:
        """Return the mean so far; 0 if no pair has truth."""
        return self._sum / ops.maximum(self._pairs, 1.0)


def segmenter_loss(kind: LossKind) -> keras.losses.Loss:
    """Create the loss that a recipe names."""
    return {
        LossKind.FOCAL_TVERSKY: FocalTversky,
        LossKind.BCE_DICE: BceDice,
        LossKind.BCE_DICE_EACH: BceDiceEach,
        LossKind.BCE_LOVASZ: BceLovasz,
    }[kind]()

"""What the segmenter minimises.

Truth and answer are (batch, height, width, classes): truth 0 or 1, answer a probability.
"""

from __future__ import annotations

from typing import Any

from training.backend import keras
from training.recipe import LossKind

ops = keras.ops

ALPHA = 0.7
SMOOTH = 1e-6
GAMMA = 0.75


def tversky(truth: Any, answer: Any) -> Any:
    """Tversky index of a whole batch, all classes pooled.

    (tp + s) / (tp + 0.7 fn + 0.3 fp + s) with s = 1e-6: missed pixels weigh more than invented
    ones. Source: Abraham and Khan, "A novel focal Tversky loss function with improved attention
    U-Net", 2018, and github.com/nabsabraham/focal-tversky-unet, losses.py.
    """
    truth = ops.cast(truth, answer.dtype)
    both = ops.sum(truth * answer)
    missed = ops.sum(truth) - both
    invented = ops.sum(answer) - both
    return (both + SMOOTH) / (both + ALPHA * missed + (1 - ALPHA) * invented + SMOOTH)


class FocalTversky(keras.losses.Loss):  # type: ignore[misc]
    """(1 - Tversky index) ^ 0.75 of a batch.

    At a perfect answer the power's slope is infinite and would turn weights into NaN; the base is
    therefore kept just above 0.
    """

    def call(self, truth: Any, answer: Any) -> Any:
        """Return the loss, a scalar."""
        return ops.power(ops.maximum(1.0 - tversky(truth, answer), keras.config.epsilon()), GAMMA)


class BceDice(keras.losses.Loss):  # type: ignore[misc]
    """Binary cross-entropy over pixels plus 1 - soft Dice, the mean over the classes shown.

    Dice is pooled over a batch for each class. A class that no picture of the batch shows has no
    Dice to improve, only an answer to suppress, which the cross-entropy does; counted in, rare
    classes would be unlearnt in most batches.
    """

    def call(self, truth: Any, answer: Any) -> Any:
        """Return the loss, a scalar."""
        truth = ops.cast(truth, answer.dtype)
        entropy = ops.mean(ops.binary_crossentropy(truth, answer))
        area = ops.sum(truth, axis=(0, 1, 2))
        both = ops.sum(truth * answer, axis=(0, 1, 2))
        dice = 2.0 * both / (area + ops.sum(answer, axis=(0, 1, 2)) + keras.config.epsilon())
        shown = ops.cast(area > 0, answer.dtype)
        missing = ops.sum(shown * (1.0 - dice)) / ops.maximum(ops.sum(shown), 1.0)
        return entropy + missing


def segmenter_loss(kind: LossKind) -> keras.losses.Loss:
    """Make the loss that a recipe names."""
    return {LossKind.FOCAL_TVERSKY: FocalTversky, LossKind.BCE_DICE: BceDice}[kind]()

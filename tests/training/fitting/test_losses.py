"""Losses against values computed by hand, and their properties."""

from __future__ import annotations

import numpy as np
import pytest

from training.backend import keras, tf
from training.fitting.losses import (
    BceDice,
    BceDiceEach,
    BceLovasz,
    FocalTversky,
    GreatestAuc,
    PlaceLoss,
    PositivesDice,
    segmenter_loss,
    tversky,
)
from training.recipe import LossKind

TRUTH = np.array([1, 1, 0, 0], np.float32).reshape(1, 2, 2, 1)
ANSWER = np.array([0.9, 0.4, 0.3, 0.0], np.float32).reshape(1, 2, 2, 1)


def test_tversky_by_hand() -> None:
    # tp 1.3, fn 0.7, fp 0.3
    expected = (1.3 + 1e-6) / (1.3 + 0.7 * 0.7 + 0.3 * 0.3 + 1e-6)
    assert float(tversky(TRUTH, tf.constant(ANSWER))) == pytest.approx(expected, rel=1e-6)


def test_focal_tversky_by_hand() -> None:
    index = (1.3 + 1e-6) / (1.88 + 1e-6)
    assert float(FocalTversky()(TRUTH, ANSWER)) == pytest.approx((1 - index) ** 0.75, rel=1e-5)


def test_missed_pixels_cost_more_than_invented_ones() -> None:
    missed = np.array([1, 0, 0, 0], np.float32).reshape(TRUTH.shape)
    invented = np.array([1, 1, 1, 0], np.float32).reshape(TRUTH.shape)
    assert float(FocalTversky()(TRUTH, missed)) > float(FocalTversky()(TRUTH, invented))


@pytest.mark.parametrize("kind", list(LossKind))
@pytest.mark.parametrize("answer", [TRUTH, 1 - TRUTH, np.zeros_like(TRUTH), np.ones_like(TRUTH)])
@pytest.mark.parametrize("truth", [TRUTH, np.zeros_like(TRUTH)])
def test_slopes_are_finite_at_the_extremes(
    kind: LossKind, answer: np.ndarray, truth: np.ndarray
) -> None:
    variable = tf.Variable(answer)
    with tf.GradientTape() as tape:
        value = segmenter_loss(kind)(truth, variable)
    assert np.isfinite(float(value))
    assert np.isfinite(tape.gradient(value, variable).numpy()).all()


@pytest.mark.parametrize("kind", list(LossKind))
def test_a_perfect_answer_costs_next_to_nothing(kind: LossKind) -> None:
    assert float(segmenter_loss(kind)(TRUTH, TRUTH)) < 1e-4


def test_bce_dice_by_hand() -> None:
    entropy = -np.mean(np.log([0.9, 0.4, 0.7, 1.0]))
    dice = 2 * 1.3 / (2 + 1.6)
    assert float(BceDice()(TRUTH, ANSWER)) == pytest.approx(entropy + 1 - dice, rel=1e-4)


def test_a_class_that_no_picture_shows_adds_no_dice() -> None:
    absent = np.zeros_like(TRUTH)
    quiet = np.full_like(ANSWER, 0.01)
    alone = float(BceDice()(TRUTH, ANSWER))
    both = float(
        BceDice()(np.concatenate([TRUTH, absent], -1), np.concatenate([ANSWER, quiet], -1))
    )
    entropy = -np.mean(np.log([0.9, 0.4, 0.7, 1.0]))
    # entropy is now the mean over twice the pixels; the Dice part is what it was
    expected = alone - entropy + (entropy - np.log(0.99)) / 2
    assert both == pytest.approx(expected, rel=1e-4)


def test_half_of_the_dice_weighs_each_pair_the_same_whatever_its_size() -> None:
    truth = np.zeros((2, 4, 4, 2), np.float32)
    truth[0, :, :, 0] = 1  # a large defect, and below a small one of the same class
    truth[1, 0, 0, 0] = 1
    answer = np.full_like(truth, 0.01)
    answer[0, :, :, 0] = 0.9
    answer[1, 0, 0, 0] = 0.3
    entropy = -np.mean(truth * np.log(answer) + (1 - truth) * np.log(1 - answer))
    large = 2 * 16 * 0.9 / (16 + 16 * 0.9)
    small = 2 * 0.3 / (1 + 0.3 + 15 * 0.01)
    pooled = 2 * (16 * 0.9 + 0.3) / (17 + 16 * 0.9 + 0.3 + 15 * 0.01)
    expected = entropy + 1 - ((large + small) / 2 + pooled) / 2
    assert float(BceDiceEach()(truth, answer)) == pytest.approx(expected, rel=1e-4)


def test_without_a_pair_shown_only_the_entropy_is_left() -> None:
    truth = np.zeros((2, 4, 4, 2), np.float32)
    answer = np.full_like(truth, 0.2)
    assert float(BceDiceEach()(truth, answer)) == pytest.approx(-np.log(0.8), rel=1e-5)


def lovasz_by_definition(truth: np.ndarray, answer: np.ndarray) -> float:
    """Compute equation 8 of Berman et al.: sorted errors times their increase of 1 - IoU."""
    errors = np.abs(truth - answer)
    total, before = 0.0, 0.0
    order = np.argsort(-errors, kind="stable")
    for count in range(1, len(order) + 1):
        wrong = order[:count]
        missed = truth[wrong].sum()
        invented = (1 - truth[wrong]).sum()
        loss = 1 - (truth.sum() - missed) / (truth.sum() + invented)
        total += errors[order[count - 1]] * (loss - before)
        before = loss
    return total


def test_lovasz_is_its_definition() -> None:
    rng = np.random.default_rng(2)
    truth = (rng.random((2, 4, 5, 2)) > 0.6).astype(np.float32)
    answer = rng.uniform(0.05, 0.95, truth.shape).astype(np.float32)
    entropy = -np.mean(truth * np.log(answer) + (1 - truth) * np.log(1 - answer))
    each = [
        lovasz_by_definition(truth[..., one].ravel(), answer[..., one].ravel()) for one in (0, 1)
    ]
    assert float(BceLovasz()(truth, answer)) == pytest.approx(entropy + np.mean(each), rel=1e-4)


def test_positives_dice_is_the_mean_over_pairs_with_truth() -> None:
    truth = np.zeros((2, 2, 2, 2), np.float32)
    truth[0, 0, :, 0] = 1  # found by half: Dice 2 * 1 / (2 + 1)
    truth[1, :, :, 1] = 1  # found whole: 1
    answer = np.full_like(truth, 0.2)
    answer[0, 0, 0, 0] = 0.9
    answer[1, :, :, 1] = 0.8
    answer[1, :, :, 0] = 0.9  # invented, in a pair without truth: does not count here
    metric = PositivesDice()
    metric.update_state(truth[:1], answer[:1])
    metric.update_state(truth[1:], answer[1:])
    assert float(metric.result()) == pytest.approx((2 / 3 + 1) / 2, rel=1e-5)


def test_losses_of_partial_batches_are_weighted_by_keras() -> None:
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Conv2D(1, 1)])
    model.compile(loss=FocalTversky())
    batches = tf.data.Dataset.from_tensor_slices((ANSWER.repeat(3, 0), TRUTH.repeat(3, 0))).batch(2)
    assert np.isfinite(model.evaluate(batches, verbose=0))


PLACES = np.array([0.9, 0.2], np.float32).reshape(1, 1, 2, 1)


def test_one_defective_pixel_makes_a_place_defective() -> None:
    pixels = np.zeros((1, 2, 4, 1), np.float32)
    pixels[0, 1, 0] = 1  # in the first of two places of 2 x 2 pixels
    truth = np.array([1, 0], np.float32).reshape(PLACES.shape)
    of_places = float(BceDice()(truth, PLACES))
    assert float(PlaceLoss(2)(pixels, PLACES)) == pytest.approx(of_places - np.log(0.9), rel=1e-4)


def test_a_clean_window_is_judged_by_its_most_suspicious_place() -> None:
    pixels = np.zeros((1, 2, 4, 1), np.float32)
    entropy = -np.log([0.1, 0.8]).mean()
    assert float(PlaceLoss(2)(pixels, PLACES)) == pytest.approx(entropy - np.log(0.1), rel=1e-4)


def test_pictures_are_ranked_by_their_greatest_place() -> None:
    truth = np.zeros((3, 4, 4, 1), np.float32)
    truth[:2, 0, 0] = 1
    answers = np.full((3, 2, 2, 1), 0.1, np.float32)
    for picture, value in enumerate((0.9, 0.4, 0.6)):  # one defective picture ranks below the clean
        answers[picture, 1, 1] = value
    auc = GreatestAuc(name="auc")
    auc.update_state(truth, answers)
    assert float(auc.result()) == pytest.approx(0.5, abs=0.01)

"""Unlabelled pictures: their answers come from the average of the weights, and labels stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeldefect.errors import DataError, SettingsError
from steeldefect.pictures.preprocessing import InputSpec, Scaling
from training.backend import keras, tf
from training.data.batches import Others, Plan, training_batches
from training.data.dataset import read_dataset
from training.data.samples import UNLABELLED, segmenter_samples
from training.data.unlabelled import unlabelled_pictures
from training.fitting.checkpoint import STATE_FILE, load_state
from training.fitting.fit_model import Batches, Objective, fit_model
from training.fitting.losses import BceDiceEach, PositivesDice
from training.fitting.mean_teacher import MeanTeacher
from training.fitting.schedule import Clock
from training.recipe import Augment, Segmenter, Unlabelled, read_recipe
from training.splitting.split import Split, split_pictures
from training.splitting.unlabelled import read_unlabelled

SPEC = InputSpec(height=16, width=32, channels=1, scaling=Scaling.STANDARD)
RECIPES = Path(__file__).parents[3] / "conf" / "recipes"


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 32, 1))
    hidden = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    outputs = keras.layers.Conv2D(2, 1, activation="sigmoid")(hidden)
    return keras.Model(inputs, outputs, name="unet")


def student() -> MeanTeacher:
    model = network()
    return MeanTeacher(model.inputs, model.outputs[0], name=model.name, seed=3)


def compiled(average: float = 0.5) -> MeanTeacher:
    model = student()
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=average)
    model.compile(optimizer, BceDiceEach(), metrics=[PositivesDice()])
    return model


def batch(unlabelled: tuple[int, ...]) -> tuple[tf.Tensor, tf.Tensor]:
    """Four pictures with a bright half, which is their truth; some are not labelled."""
    rng = np.random.default_rng(1)
    truth = np.zeros((4, 16, 32, 2), np.float32)
    truth[:, :, :16, 0] = 1
    pictures = truth[..., :1] + 0.1 * rng.standard_normal((4, 16, 32, 1)).astype(np.float32)
    truth[list(unlabelled)] = UNLABELLED
    return tf.constant(pictures, tf.float32), tf.constant(truth)


def completed(model: MeanTeacher, unlabelled: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    pictures, truth = batch(unlabelled)
    changed, answers = model._completed(pictures, truth, truth[:, :1, :1, :1] < 0)
    return pictures.numpy(), truth.numpy(), np.asarray(changed), np.asarray(answers)


def test_labelled_pictures_stay_as_they_are() -> None:
    model = compiled()
    model.train_on_batch(*batch(()))
    pictures, truth, changed, answers = completed(model, (2,))
    for number in (0, 1, 3):
        np.testing.assert_array_equal(changed[number], pictures[number])
        np.testing.assert_array_equal(answers[number], truth[number])


def test_the_average_answers_and_a_part_is_that_of_another_picture() -> None:
    model = compiled()
    for _ in range(5):
        model.train_on_batch(*batch(()))
    pictures, truth, changed, answers = completed(model, (2,))
    own = model.get_weights()
    assert not np.allclose(own[0], model.optimizer._model_variables_moving_average[0])
    model.optimizer.finalize_variable_values(model.trainable_variables)
    averaged = model.predict(pictures, verbose=0)
    model.set_weights(own)
    taken = np.isclose(answers[2], truth[1]).all(axis=-1)  # exact: a labelled picture
    assert 0.15 < taken.mean() < 0.6
    rows, columns = np.where(taken)
    assert taken[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all(), (
        "a rectangle"
    )
    np.testing.assert_allclose(answers[2][~taken], averaged[2][~taken], atol=1e-5)
    assert not np.allclose(changed[2], pictures[2], atol=0.02)
    assert np.corrcoef(changed[2].ravel(), pictures[2].ravel())[0, 1] > 0.8


def test_before_the_first_step_the_weights_answer_themselves() -> None:
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    pictures = batch(())[0]
    np.testing.assert_allclose(
        np.asarray(model._teacher(pictures)), model.predict(pictures, verbose=0), atol=1e-6
    )


def test_labelled_batches_train_as_without_a_teacher() -> None:
    taught, plain = compiled(), network()
    plain.compile(keras.optimizers.SGD(0.1), BceDiceEach(), metrics=[PositivesDice()])
    for model in (taught, plain):
        values = [model.train_on_batch(*batch(()), return_dict=True) for _ in range(3)]
    assert values[-1].keys() == {"loss", "positives_dice"}
    for one, other in zip(taught.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_metrics_count_labelled_pictures_alone() -> None:
    model = compiled()
    for _ in range(30):
        values = model.train_on_batch(*batch(()), return_dict=True)
    assert values["positives_dice"] > 0.5
    model.reset_metrics()
    values = model.train_on_batch(*batch((0, 1, 2, 3)), return_dict=True)
    assert values["positives_dice"] == 0
    assert values["loss"] > 0


def test_a_fit_that_was_killed_ends_as_one_that_was_not(tmp_path: Path) -> None:
    content = {
        "kind": "resunet",
        "input": {"height": 16, "width": 32, "channels": 1, "scaling": "standard"},
        "epochs": 4,
        "batch_size": 4,
        "loss": "bce_dice_each",
        "optimizer": {"kind": "adam", "learning_rate": 0.01, "averaging": 0.9},
    }
    settings = Segmenter.model_validate(content)
    objective = Objective(BceDiceEach(), (PositivesDice(),))

    def until(batches: int) -> Batches:
        def checked(number: Any, pair: Any) -> Any:
            with tf.control_dependencies(
                [tf.debugging.assert_less(number, tf.constant(batches, tf.int64))]
            ):
                return tf.identity(pair[0]), tf.identity(pair[1])

        def train(first: int, last: int, whole: bool, clock: Clock) -> tf.data.Dataset:
            fed = tf.data.Dataset.from_tensors(batch((1, 3))).repeat().enumerate()
            return fed.map(checked)

        return Batches(train, 2, tf.data.Dataset.from_tensors(batch(())))

    whole, resumed = student(), student()
    straight = fit_model(whole, until(1000), settings, objective, tmp_path / "whole")
    with pytest.raises(tf.errors.InvalidArgumentError):
        fit_model(student(), until(5), settings, objective, tmp_path / "other")
    assert load_state(tmp_path / "other" / STATE_FILE).epochs == 2
    again = fit_model(resumed, until(1000), settings, objective, tmp_path / "other")
    assert again.history["loss"] == pytest.approx(straight.history["loss"], rel=1e-4)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("begun", [0, 2])
def test_an_epoch_draws_others_once_they_are_due(learnable: Path, begun: int) -> None:
    pictures = read_dataset(learnable).pictures
    labelled, others = pictures[:20], pictures[20:28]
    samples = segmenter_samples(labelled, SPEC, (1, 2), 0.5, 2**30, unlabelled=others)
    assert len(samples) == 28
    plan = Plan(
        batch_size=5,
        changes=Augment(paste=1.0),
        seed=1,
        epochs=(0, 4),
        donors=(0, 1, 2),
        others=Others(8, 0.5, lambda epoch: epoch >= begun),
    )
    truth = [one[1].numpy() for one in training_batches(samples, SPEC, plan)]
    assert len(truth) == 16, "an epoch does not become longer"
    for epoch in range(4):
        drawn = np.concatenate(truth[4 * epoch : 4 * epoch + 4])
        without = (drawn == UNLABELLED).all(axis=(1, 2, 3)).sum()
        assert (2 < without < 18) if epoch >= begun else without == 0


def test_what_shows_a_held_out_picture_is_left_out(learnable: Path) -> None:
    pictures = read_dataset(learnable).pictures
    parts = split_pictures(pictures, Split(validation=0.25, test=0.25), 0)
    found = read_unlabelled(Unlabelled(folder=str(learnable)), parts)
    names = {one.name.rpartition("/")[2] for one in found.pictures}
    held_out = {one.name for one in (*parts.validation, *parts.test)}
    assert not names & held_out
    assert names <= {one.name for one in parts.train}
    out = len(pictures) - len(names)
    assert f"; {out} show what held-out pictures show, and are left out" in found.notes[0]


def test_folders_without_pictures_are_named(tmp_path: Path) -> None:
    for folder, reason in ((tmp_path / "none", "no such folder"), (tmp_path, "holds no picture")):
        with pytest.raises(DataError, match=rf"{reason}.*; data\.unlabelled\.folder names a"):
            list(unlabelled_pictures(folder, "a", "data.unlabelled.folder"))


def test_settings_need_an_average_and_a_segmenter() -> None:
    asked = ["data.unlabelled.folder=archive"]
    assert read_recipe(RECIPES / "strong.yaml", asked).data.unlabelled is not None
    with pytest.raises(SettingsError, match=r"averaging, such as 0\.98"):
        read_recipe(RECIPES / "strong.yaml", [*asked, "segmenter.optimizer.averaging=0"])
    with pytest.raises(SettingsError, match="needs a segmenter to teach"):
        read_recipe(RECIPES / "normal.yaml", asked)

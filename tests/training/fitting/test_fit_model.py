"""Fitting one model: the best epoch, time, going on after a kill, and losses that explode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeldefect.errors import DeviceError, SettingsError
from training.backend import keras, tf
from training.fitting.checkpoint import STATE_FILE, load_state
from training.fitting.fit_model import Batches, Objective, fit_model
from training.fitting.optimizer import make_optimizer
from training.fitting.schedule import Clock
from training.recipe import Augment, Crop, Gate, Optimizer

INPUT = {"height": 2, "width": 2, "channels": 1, "scaling": "unit"}
MSE = Objective("mse", ())


def settings(**changes: Any) -> Gate:
    content = {
        "kind": "small",
        "input": INPUT,
        "epochs": 3,
        "batch_size": 4,
        "optimizer": {"kind": "adam", "learning_rate": 0.1},
    }
    return Gate.model_validate(content | changes)


def model() -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = [keras.Input((4,)), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    return keras.Sequential(layers, name="line")


def batches(noise: float = 0.0) -> Batches:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(24, 4)).astype(np.float32)
    truth = inputs.sum(axis=1, keepdims=True) + noise * rng.normal(size=(24, 1))
    data = tf.data.Dataset.from_tensor_slices((inputs, truth.astype(np.float32))).batch(5)
    other = data.map(lambda one, two: (one * 2, two))  # stands for whole pictures

    def train(first: int, last: int, whole: bool, clock: Clock) -> tf.data.Dataset:
        return (other if whole else data).repeat(last - first)

    return Batches(train, 5, data.take(2))


def with_windows(settings: Gate, whole_share: float) -> Gate:
    """Return settings that show whole pictures at the end; a gate of this kind has no windows."""
    crop = Crop(height=32, width=32, whole_share=whole_share)
    return settings.model_copy(update={"augment": Augment(crop=crop)})


def test_it_ends_with_the_best_epoch(tmp_path: Path) -> None:
    # so fast that the loss rises again
    optimizer = {"kind": "adam", "learning_rate": 1.5}
    fitted = model()
    state = fit_model(fitted, batches(), settings(epochs=12, optimizer=optimizer), MSE, tmp_path)
    losses = state.history["val_loss"]
    assert min(losses) < losses[-1]
    assert losses[state.kept_epoch] == min(losses)
    final = fitted.evaluate(batches().validation, verbose=0)
    assert final == pytest.approx(min(losses), rel=1e-4)


def test_it_ends_with_the_last_epoch_if_it_keeps_that(tmp_path: Path) -> None:
    fast = {"kind": "adam", "learning_rate": 1.5}  # so fast that the loss rises again
    to_the_last = settings(epochs=12, patience=1, keep="last", optimizer=fast)
    fitted = model()
    state = fit_model(fitted, batches(), to_the_last, MSE, tmp_path)
    losses = state.history["val_loss"]
    assert len(losses) == 12
    assert state.kept_epoch == 11
    assert losses[11] > min(losses)
    final = fitted.evaluate(batches().validation, verbose=0)
    assert final == pytest.approx(losses[11], rel=1e-4)


def test_it_stops_early(tmp_path: Path) -> None:
    stuck = settings(epochs=50, patience=2, optimizer={"kind": "adam", "learning_rate": 9.0})
    state = fit_model(model(), batches(noise=50.0), stuck, MSE, tmp_path)
    assert len(state.history["val_loss"]) < 50
    assert state.stopped == "no better epoch in 2"


@pytest.mark.parametrize(("averaging", "whole_share"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.5)])
def test_a_fit_that_was_killed_ends_as_one_that_was_not(
    tmp_path: Path, averaging: float, whole_share: float
) -> None:
    optimizer = {
        "kind": "adamw",
        "learning_rate": 0.05,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "averaging": averaging,
    }
    long = with_windows(settings(epochs=6, optimizer=optimizer), whole_share)
    whole, resumed = model(), model()
    straight = fit_model(whole, batches(), long, MSE, tmp_path / "whole")

    class Killed(Exception):
        pass

    class Kill(keras.losses.Loss):  # type: ignore[misc]
        """Squared error, until the fit is in its fourth epoch."""

        def call(self, truth: Any, answer: Any) -> Any:
            return tf.reduce_mean((truth - answer) ** 2)

    counted = batches()

    def until_killed(first: int, last: int, whole: bool, clock: Clock) -> tf.data.Dataset:
        def one_by_one() -> Any:
            for number, batch in enumerate(counted.train(first, last, whole, clock)):
                if number == (2 if whole else 17):
                    raise Killed
                yield batch

        signature = counted.train(0, 1, False, clock).element_spec
        return tf.data.Dataset.from_generator(one_by_one, output_signature=signature)

    dying = Batches(until_killed, counted.steps, counted.validation)
    with pytest.raises(Exception, match="Killed"):
        fit_model(model(), dying, long, MSE, tmp_path / "other")
    assert load_state(tmp_path / "other" / STATE_FILE).epochs == 3
    again = fit_model(resumed, counted, long, MSE, tmp_path / "other")
    assert again.history["val_loss"] == pytest.approx(straight.history["val_loss"], rel=1e-6)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_it_ends_with_whole_pictures(tmp_path: Path) -> None:
    shown: list[tuple[int, int, bool]] = []
    fed = batches()

    def noted(first: int, last: int, whole: bool, clock: Clock) -> tf.data.Dataset:
        shown.append((first, last, whole))
        return fed.train(first, last, whole, clock)

    feed = Batches(noted, fed.steps, fed.validation)
    state = fit_model(model(), feed, with_windows(settings(epochs=10), 0.3), MSE, tmp_path)
    assert shown == [(0, 10, False), (7, 10, True)]
    losses = state.history["loss"]
    assert len(losses) == 10
    assert losses[7] > 1.5 * losses[6], "the other pictures were not shown"
    assert state.stopped is None


def test_averaged_weights_are_what_is_validated_and_kept(tmp_path: Path) -> None:
    optimizer = {"kind": "adam", "learning_rate": 0.5, "averaging": 0.95}
    fitted = model()
    state = fit_model(fitted, batches(), settings(epochs=8, optimizer=optimizer), MSE, tmp_path)
    plain = fit_model(
        model(),
        batches(),
        settings(epochs=8, optimizer=optimizer | {"averaging": 0.0}),
        MSE,
        tmp_path / "plain",
    )
    assert state.history["loss"] == pytest.approx(plain.history["loss"], rel=1e-4)
    assert state.history["val_loss"] != pytest.approx(plain.history["val_loss"], rel=1e-2)
    final = fitted.evaluate(batches().validation, verbose=0)
    assert final == pytest.approx(min(state.history["val_loss"]), rel=1e-4)


def test_a_finished_fit_is_not_fitted_again(tmp_path: Path) -> None:
    first = fit_model(model(), batches(), settings(), MSE, tmp_path)
    other = model()
    second = fit_model(other, batches(), settings(), MSE, tmp_path)
    assert second.history == first.history
    for one, value in zip(first.kept, other.get_weights(), strict=True):
        assert (one == value).all()


def test_time_ends_a_fit_with_a_model(tmp_path: Path) -> None:
    forever = settings(epochs=100_000, patience=100_000)
    state = fit_model(model(), batches(), forever, MSE, tmp_path, budget=2.0)
    assert 0 < state.epochs < 100_000
    assert state.kept
    assert "its time was over" in (state.stopped or "")


def test_with_a_budget_the_last_epoch_is_validated_and_not_every_other(tmp_path: Path) -> None:
    forever = settings(epochs=100_000, patience=100_000)
    fitted = model()
    state = fit_model(fitted, batches(), forever, MSE, tmp_path, budget=3.0)
    losses = np.array(state.history["val_loss"])
    assert len(losses) == len(state.history["loss"]) == state.epochs
    assert np.isfinite(losses[[0, -1]]).all()
    assert np.isnan(losses).any(), "one batch costs as much time as validation"
    assert losses[state.kept_epoch] == np.nanmin(losses)
    assert fitted.evaluate(batches().validation, verbose=0) == pytest.approx(np.nanmin(losses))
    assert load_state(tmp_path / STATE_FILE).history.keys() == state.history.keys()


def test_with_a_budget_the_rate_falls_by_time(tmp_path: Path) -> None:
    cosine = {"kind": "adam", "learning_rate": 0.1, "schedule": "cosine"}
    forever = settings(epochs=100_000, patience=100_000, optimizer=cosine)
    state = fit_model(model(), batches(), forever, MSE, tmp_path, budget=3.0)
    assert state.history["learning_rate"][-1] < 0.01


def test_a_loss_that_is_never_finite_is_an_error(tmp_path: Path) -> None:
    objective = Objective(lambda truth, answer: (truth - answer) * float("nan"), ())
    with pytest.raises(SettingsError, match="line: the loss is not finite; lower"):
        fit_model(model(), batches(), settings(), objective, tmp_path)


def test_a_loss_that_explodes_later_keeps_the_best_before(tmp_path: Path) -> None:
    count = tf.Variable(0)

    def explode(truth: Any, answer: Any) -> Any:
        factor = tf.where(count.assign_add(1) > 15, float("nan"), 1.0)
        return tf.reduce_mean((truth - answer) ** 2) * factor

    fitted = model()
    state = fit_model(fitted, batches(), settings(epochs=9), Objective(explode, ()), tmp_path)
    assert "not finite in epoch" in (state.stopped or "")
    assert all(np.isfinite(one).all() for one in fitted.get_weights())


def test_memory_that_does_not_suffice_is_explained(tmp_path: Path) -> None:
    def too_large(first: int, last: int, whole: bool, clock: Clock) -> tf.data.Dataset:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    greedy = Batches(too_large, 5, batches().validation)
    with pytest.raises(DeviceError, match="line: out of memory; lower its batch_size"):
        fit_model(model(), greedy, settings(), MSE, tmp_path)


def test_a_log_has_one_line_for_each_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit_model(model(), batches(), settings(), MSE, tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("line 1/3  loss ")
    assert "val_loss" in lines[0]
    assert lines[2].endswith("left")
    assert list((tmp_path / "tensorboard").rglob("events.out.tfevents*"))


@pytest.mark.parametrize(
    ("kind", "expected"), [("adam", "Adam"), ("nadam", "Nadam"), ("adamw", "AdamW")]
)
def test_optimizers_take_the_recipes_numbers(kind: str, expected: str) -> None:
    stated = Optimizer.model_validate({"kind": kind, "learning_rate": 0.05, "epsilon": 0.1})
    optimizer = make_optimizer(stated)
    assert type(optimizer).__name__ == expected
    assert float(optimizer.learning_rate) == pytest.approx(0.05)
    assert optimizer.epsilon == pytest.approx(0.1)

"""Fitting one model: optimizers, the best epoch, and losses that explode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeldefect.errors import SettingsError
from training.backend import keras, tf
from training.fitting import Objective, fit_model, make_optimizer
from training.recipe import Gate, Optimizer

INPUT = {"height": 2, "width": 2, "channels": 1, "scaling": "unit"}


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
    layers = [keras.Input((4,)), keras.layers.Dense(1)]
    return keras.Sequential(layers, name="line")


def batches(noise: float = 0.0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(24, 4)).astype(np.float32)
    truth = inputs.sum(axis=1, keepdims=True) + noise * rng.normal(size=(24, 1))
    data = tf.data.Dataset.from_tensor_slices((inputs, truth.astype(np.float32))).batch(5)
    return data, data.take(2)


def test_it_ends_with_the_best_epoch(tmp_path: Path) -> None:
    # so fast that the loss rises again
    optimizer = {"kind": "adam", "learning_rate": 1.5}
    fitted = model()
    path = tmp_path / "best.weights.h5"
    history = fit_model(
        fitted, batches(), settings(epochs=12, optimizer=optimizer), Objective("mse", ()), path
    )
    assert min(history["val_loss"]) < history["val_loss"][-1]
    final = fitted.evaluate(batches()[1], verbose=0)
    assert final == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_it_stops_early(tmp_path: Path) -> None:
    path = tmp_path / "best.weights.h5"
    stuck = settings(epochs=50, patience=2, optimizer={"kind": "adam", "learning_rate": 9.0})
    history = fit_model(model(), batches(noise=50.0), stuck, Objective("mse", ()), path)
    assert len(history["val_loss"]) < 50


def test_a_loss_that_is_never_finite_is_an_error(tmp_path: Path) -> None:
    objective = Objective(lambda truth, answer: (truth - answer) * float("nan"), ())
    with pytest.raises(SettingsError, match="line: the loss is not finite; lower"):
        fit_model(model(), batches(), settings(), objective, tmp_path / "best.weights.h5")


def test_a_log_has_one_line_for_each_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit_model(model(), batches(), settings(), Objective("mse", ()), tmp_path / "b.weights.h5")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("line 1/3  loss ")
    assert "val_loss" in lines[0]
    assert lines[2].endswith("left")


@pytest.mark.parametrize(("kind", "expected"), [("adam", "Adam"), ("nadam", "Nadam")])
def test_optimizers_take_the_recipes_numbers(kind: str, expected: str) -> None:
    stated = Optimizer.model_validate({"kind": kind, "learning_rate": 0.05, "epsilon": 0.1})
    optimizer = make_optimizer(stated, steps=10)
    assert type(optimizer).__name__ == expected
    assert float(optimizer.learning_rate) == pytest.approx(0.05)
    assert optimizer.epsilon == pytest.approx(0.1)


def test_cosine_rises_and_falls_to_nothing() -> None:
    stated = Optimizer.model_validate({"kind": "adam", "learning_rate": 0.01, "schedule": "cosine"})
    rate = make_optimizer(stated, steps=100)._learning_rate
    assert float(rate(0)) == 0.0
    assert float(rate(10)) == pytest.approx(0.01)
    assert float(rate(55)) == pytest.approx(0.005, rel=0.01)
    assert float(rate(100)) == pytest.approx(0.0, abs=1e-6)

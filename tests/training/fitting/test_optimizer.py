"""Variables that learn more slowly, and which ones those are in a fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.short_fits import tiny_recipe

from training.backend import keras
from training.data.dataset import read_dataset
from training.fitting.gate_and_segmenter import Job, fit_segmenter
from training.fitting.optimizer import Slower, make_optimizer
from training.models.encoders import colour_network
from training.recipe import Encoder, Optimizer, Recipe
from training.splitting.split import split_pictures

RATE, SHARE = 0.01, 0.1


@pytest.mark.parametrize("kind", ["adam", "adamw", "nadam"])
def test_slower_variables_take_smaller_steps(kind: str) -> None:
    keras.utils.set_random_seed(1)
    first, last = keras.layers.Dense(3, use_bias=False), keras.layers.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input((4,)), first, last])
    settings = Optimizer.model_validate({"kind": kind, "learning_rate": RATE, "averaging": 0.5})
    optimizer = make_optimizer(settings, Slower(first.trainable_variables, SHARE))
    model.compile(optimizer, "mse")
    before = [one.numpy() for one in (first.kernel, last.kernel)]
    model.fit(np.ones((2, 4)), np.full((2, 1), 9.0), verbose=0)
    slow, fast = (
        np.abs(one.numpy() - old)
        for one, old in zip((first.kernel, last.kernel), before, strict=True)
    )
    # the first step of these optimizers has about the same size for every gradient
    assert fast.min() > RATE / 3
    np.testing.assert_allclose(slow, SHARE * fast.mean(), rtol=0.06)


@pytest.mark.parametrize("pre_trained", [True, False])
def test_only_a_pre_trained_encoder_is_slower(
    learnable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, pre_trained: bool
) -> None:
    path = tmp_path / "mobilenetv2.weights.h5"
    colour_network(Encoder.MOBILENETV2).save_weights(path)
    weights = str(path) if pre_trained else None
    content: dict[str, Any] = tiny_recipe(epochs=1)
    content["segmenter"] |= {"kind": "unet", "encoder_rate": SHARE, "weights": weights}
    recipe = Recipe.model_validate(content)
    dataset = read_dataset(learnable)
    parts = split_pictures(dataset.pictures, recipe.split, recipe.seed)

    class Asked(Exception):
        pass

    asked: list[Slower] = []

    def instead(model: keras.Model, *others: Any) -> None:
        asked.append(others[-1])
        inside = {id(one) for one in asked[0].variables}
        learning = [id(one) in inside for one in model.trainable_variables]
        assert any(learning) == pre_trained
        assert not all(learning), "the decoder begins at random"
        raise Asked

    monkeypatch.setattr("training.fitting.gate_and_segmenter.fit_model", instead)
    with pytest.raises(Asked):
        fit_segmenter(Job(recipe, parts, tuple(dataset.class_names), tmp_path / "fit"))
    assert asked[0].share == (SHARE if pre_trained else 1)

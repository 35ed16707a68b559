"""Fits one model: optimizer, early stopping, and back to the best epoch at the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steeldefect.errors import SettingsError
from training.backend import keras, tf
from training.progress import EpochLines, on_terminal
from training.recipe import Gate, Optimizer, OptimizerKind, Schedule, Segmenter

History = dict[str, list[float]]

_WARM_UP = 0.1  # share of all steps in which a cosine schedule rises to its learning rate
_OPTIMIZERS = {
    OptimizerKind.ADAM: keras.optimizers.Adam,
    OptimizerKind.NADAM: keras.optimizers.Nadam,
}


@dataclass(frozen=True)
class Objective:
    """What a fit minimises, and what it reports besides."""

    loss: Any
    metrics: tuple[Any, ...]


def fit_model(
    model: keras.Model,
    batches: tuple[tf.data.Dataset, tf.data.Dataset],
    settings: Gate | Segmenter,
    objective: Objective,
    checkpoint: Path,
) -> History:
    """Fit a model in place; it ends with the weights of the epoch whose val_loss was the least.

    Args:
        model: uncompiled.
        batches: of training and of validation.
        settings: epochs, patience and optimizer.
        objective: loss and metrics.
        checkpoint: path ending in `.weights.h5` where the best weights are kept meanwhile.

    Returns:
        The value of each loss and metric in each epoch.

    Raises:
        SettingsError: the loss was never finite.
    """
    train, validation = batches
    steps = settings.epochs * int(train.cardinality())
    model.compile(
        optimizer=make_optimizer(settings.optimizer, steps),
        loss=objective.loss,
        metrics=list(objective.metrics),
        jit_compile=bool(tf.config.list_physical_devices("GPU")),  # on a CPU, XLA is the slower
    )
    callbacks = [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.ModelCheckpoint(
            str(checkpoint),
            monitor="val_loss",
            mode="min",
            save_best_only=True,
            save_weights_only=True,
        ),
        keras.callbacks.EarlyStopping(monitor="val_loss", mode="min", patience=settings.patience),
    ]
    if not on_terminal():
        callbacks.append(EpochLines(model.name, settings.epochs))
    fitted = model.fit(
        train,
        validation_data=validation,
        epochs=settings.epochs,
        callbacks=callbacks,
        shuffle=False,  # the batches are, already
        verbose=1 if on_terminal() else 0,
    )
    history = {name: [float(value) for value in values] for name, values in fitted.history.items()}
    if not any(math.isfinite(value) for value in history.get("val_loss", [])):
        raise SettingsError(
            f"{model.name}: the loss is not finite; lower its optimizer.learning_rate"
        )
    model.load_weights(checkpoint)
    return history


def make_optimizer(settings: Optimizer, steps: int) -> keras.optimizers.Optimizer:
    """Make the optimizer of a recipe for a fit of at most `steps` batches."""
    rate: Any = settings.learning_rate
    if settings.schedule is Schedule.COSINE:
        warm_up = max(1, round(_WARM_UP * steps))
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            decay_steps=max(1, steps - warm_up),
            warmup_target=settings.learning_rate,
            warmup_steps=warm_up,
        )
    options = {} if settings.epsilon is None else {"epsilon": settings.epsilon}
    return _OPTIMIZERS[settings.kind](learning_rate=rate, **options)

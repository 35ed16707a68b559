"""Fits one model: optimizer, early stopping, time, and back to the best epoch at the end.

Keras runs the epochs; the callbacks here decide what is kept. After every epoch the state is on
disk, so that a fit that was killed goes on with the epoch after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steeldefect.errors import DeviceError, SettingsError
from training.backend import keras, tf
from training.fitting.checkpoint import Arrays, FitState, best_epoch, load_state, save_state
from training.fitting.epoch_lines import EpochLines
from training.fitting.schedule import Clock, Pace
from training.progress import on_terminal, say
from training.recipe import Gate, Optimizer, OptimizerKind, Segmenter

STATE_FILE = "state.npz"

_OPTIMIZERS = {
    OptimizerKind.ADAM: keras.optimizers.Adam,
    OptimizerKind.ADAMW: keras.optimizers.AdamW,
    OptimizerKind.NADAM: keras.optimizers.Nadam,
}


@dataclass(frozen=True)
class Objective:
    """What a fit minimises, and what it reports besides."""

    loss: Any
    metrics: tuple[Any, ...]


@dataclass(frozen=True)
class Batches:
    """What a fit is fed.

    Attributes:
        train: gives the batches of epochs from one number to, but without, another.
        steps: batches of one epoch.
        validation: the same in every epoch.
    """

    train: Callable[[int, int], tf.data.Dataset]
    steps: int
    validation: tf.data.Dataset


def fit_model(
    model: keras.Model,
    batches: Batches,
    settings: Gate | Segmenter,
    objective: Objective,
    folder: Path,
    budget: float | None = None,
) -> FitState:
    """Fit a model in place; it ends with the weights of its best epoch (`state.best_epoch`).

    Args:
        model: uncompiled.
        batches: of training and of validation.
        settings: epochs, patience and optimizer.
        objective: loss and metrics.
        folder: where the state lies, of this fit or of one that was killed, and TensorBoard's logs.
        budget: seconds over all starts; None for as long as it takes.

    Returns:
        How it went: history, best epoch, seconds, and why it stopped, if early.

    Raises:
        SettingsError: the loss was never finite.
        DeviceError: batches do not fit into memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = load_state(folder / STATE_FILE)
    if state.finished:
        say(f"{model.name}: fitted already, {state.epochs} epochs, going on from there")
        model.set_weights(state.best)
        return state
    model.compile(
        optimizer=make_optimizer(settings.optimizer),
        loss=objective.loss,
        metrics=list(objective.metrics),
        jit_compile=bool(tf.config.list_physical_devices("GPU")),  # on a CPU, XLA is the slower
    )
    if state.epochs:
        _restore(model, state)
        say(f"{model.name}: going on after epoch {state.epochs} of {settings.epochs}")
    clock = Clock(budget, state.seconds)
    keeper = Keeper(state, settings.patience, folder / STATE_FILE, clock)
    pace = Pace(
        settings.optimizer, settings.epochs * batches.steps, state.epochs * batches.steps, clock
    )
    with _memory_explained(model.name):
        model.fit(
            batches.train(state.epochs, settings.epochs),
            steps_per_epoch=batches.steps,
            validation_data=batches.validation,
            initial_epoch=state.epochs,
            epochs=settings.epochs,
            callbacks=_callbacks(model, settings, folder, pace, keeper),
            shuffle=False,  # the batches are, already
            verbose=1 if on_terminal() else 0,
        )
    if not state.best:
        raise SettingsError(
            f"{model.name}: the loss is not finite; lower its optimizer.learning_rate"
        )
    state.finished = True
    save_state(state, folder / STATE_FILE)
    model.set_weights(state.best)
    return state


def make_optimizer(settings: Optimizer) -> keras.optimizers.Optimizer:
    """Make the optimizer of a recipe; its rate is set batch by batch (`fitting.schedule`)."""
    options: dict[str, Any] = {}
    if settings.epsilon is not None:
        options["epsilon"] = settings.epsilon
    if settings.weight_decay:
        options["weight_decay"] = settings.weight_decay
    if settings.averaging:
        options |= {"use_ema": True, "ema_momentum": settings.averaging}
    return _OPTIMIZERS[settings.kind](learning_rate=settings.learning_rate, **options)


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the best epoch's weights and the whole state; ends a fit that no longer improves."""

    def __init__(self, state: FitState, patience: int, path: Path, clock: Clock) -> None:
        """Take the state to go on from; it is changed in place."""
        super().__init__()
        self._state = state
        self._patience = patience
        self._path = path
        self._clock = clock
        self._validated: Arrays = []

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take the weights that were validated, before averaged ones are swapped out again."""
        self._validated = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compare, and write everything down."""
        state, values = self._state, {name: float(value) for name, value in (logs or {}).items()}
        loss = values.get("val_loss", float("nan"))
        if not all(math.isfinite(values.get(name, loss)) for name in ("loss", "val_loss")):
            self._stop(f"the loss was not finite in epoch {epoch + 1}; the best before it is kept")
            return
        for name, value in values.items():
            state.history.setdefault(name, []).append(value)
        if best_epoch(state.history) == epoch:
            state.best_epoch, state.best = epoch, self._validated
        state.epochs, state.seconds = epoch + 1, self._clock.used
        state.variables = _values(self.model.variables)
        state.optimizer = _values(self.model.optimizer.variables)
        if self._clock.over:
            self._stop(f"its time was over in epoch {epoch + 1}")
        elif epoch - state.best_epoch >= self._patience:
            self._stop(f"no better epoch in {self._patience}")
        save_state(state, self._path)

    def _stop(self, reason: str) -> None:
        self._state.stopped = reason
        self.model.stop_training = True


def _callbacks(
    model: keras.Model, settings: Gate | Segmenter, folder: Path, pace: Pace, keeper: Keeper
) -> list[keras.callbacks.Callback]:
    # the order counts: the rate is noted before lines are written, and the keeper takes averaged
    # weights before they are swapped out
    callbacks = [keras.callbacks.TerminateOnNaN(), pace, keeper]
    if settings.optimizer.averaging:
        callbacks.append(keras.callbacks.SwapEMAWeights())
    if not on_terminal():
        callbacks.append(EpochLines(model.name, settings.epochs))
    callbacks.append(keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False))
    return callbacks


def _values(variables: Sequence[Any]) -> Arrays:
    return [np.array(keras.ops.convert_to_numpy(one)) for one in variables]


def _restore(model: keras.Model, state: FitState) -> None:
    model.optimizer.build(model.trainable_variables)
    for variables, values in (
        (model.variables, state.variables),
        (model.optimizer.variables, state.optimizer),
    ):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


@contextmanager
def _memory_explained(name: str) -> Iterator[None]:
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise DeviceError(
            f"{name}: out of memory; lower its batch_size or input size, or train on crops "
            "(augment.crop)"
        ) from None

"""Fit one model: make optimizer and callbacks, run the epochs, restore the epoch that is kept.

Keras runs the epochs; `fitting.early_stopping` chooses the one that is kept. The state is
written after every epoch, so a killed fit resumes with the next epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steeldefect.errors import DeviceError, SettingsError
from steeldefect.program.progress import say
from training.backend import keras, tf
from training.fitting.checkpoint import STATE_FILE, FitState, load_state, save_state
from training.fitting.early_stopping import EarlyStopping
from training.fitting.epoch_lines import EpochLines, bar_is_seen
from training.fitting.optimizer import NOTHING_SLOWER, Slower, make_optimizer
from training.fitting.schedule import Clock, Pace, Windows
from training.fitting.validations import Validations
from training.recipe import Gate, Segmenter


@dataclass(frozen=True)
class Objective:
    """The loss that a fit minimises, and the metrics that it reports."""

    loss: Any
    metrics: tuple[Any, ...]


@dataclass(frozen=True)
class Batches:
    """The batches of a fit.

    Attributes:
        train: function that returns the training batches of the epochs from its first argument up
            to, but without, its second; its third says whether they show whole pictures, and its
            fourth is the clock of the fit.
        steps: number of training batches in one epoch.
        validation: validation batches, the same in every epoch.
    """

    train: Callable[[int, int, bool, Clock], tf.data.Dataset]
    steps: int
    validation: tf.data.Dataset


def fit_model(
    model: keras.Model,
    batches: Batches,
    settings: Gate | Segmenter,
    objective: Objective,
    folder: Path,
    budget: float | None = None,
    slower: Slower = NOTHING_SLOWER,
) -> FitState:
    """Fit a model in place; at the end it has the weights that its settings keep.

    Args:
        model: uncompiled model.
        batches: training and validation batches.
        settings: section of the recipe with epochs, patience, optimizer, and what to keep.
        objective: loss and metrics.
        folder: folder of the state and of TensorBoard's logs. A fit resumes from the state in it.
        budget: seconds over all starts; None: no limit.
        slower: variables that learn more slowly.

    Returns:
        The state at the end: history, kept epoch, seconds, and the reason for an early stop.

    Raises:
        SettingsError: the loss was never finite.
        DeviceError: a batch does not fit into memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = load_state(folder / STATE_FILE)
    if state.finished:
        say(f"{model.name}: fitted already, {state.epochs} epochs, going on from there")
        model.set_weights(state.kept)
        return state
    model.compile(
        optimizer=make_optimizer(settings.optimizer, slower),
        loss=objective.loss,
        metrics=list(objective.metrics),
        jit_compile=bool(tf.config.list_physical_devices("GPU")),  # XLA is slower on a CPU
    )
    if state.epochs:
        _restore(model, state)
        say(f"{model.name}: going on after epoch {state.epochs} of {settings.epochs}")
    clock = Clock(budget, state.seconds)
    validations = Validations(settings.epochs, clock)
    stopping = EarlyStopping(state, settings, folder / STATE_FILE, clock)
    pace = Pace(
        settings.optimizer, settings.epochs * batches.steps, state.epochs * batches.steps, clock
    )
    crop = settings.augment.crop
    windows = Windows(0.0 if crop is None else crop.whole_share, settings.epochs, clock)
    callbacks = [validations, *_callbacks(model, settings, folder, pace, stopping)]
    parts = (True,) if windows.are_over(state.epochs) else (False, True)
    with _memory_explained(model.name):
        for whole in parts:
            model.fit(
                batches.train(state.epochs, settings.epochs, whole, clock),
                steps_per_epoch=batches.steps,
                validation_data=batches.validation,
                validation_freq=validations.frequency,
                initial_epoch=state.epochs,
                epochs=settings.epochs,
                callbacks=callbacks if whole else [*callbacks, windows],
                shuffle=False,  # the batches are shuffled already
                verbose=1 if bar_is_seen() else 0,
            )
            if state.stopped or state.epochs == settings.epochs:
                break
            _restore(model, state)  # as after a kill: Keras has taken over the averaged weights
            model.make_train_function(force=True)  # for the other size alone, not for any size
    if not state.kept:
        raise SettingsError(
            f"{model.name}: the loss is not finite; lower its optimizer.learning_rate"
        )
    state.finished = True
    save_state(state, folder / STATE_FILE)
    model.set_weights(state.kept)
    return state


def _callbacks(
    model: keras.Model,
    settings: Gate | Segmenter,
    folder: Path,
    pace: Pace,
    stopping: EarlyStopping,
) -> list[keras.callbacks.Callback]:
    # the order matters: the learning rate is added to the logs before they are stored and written,
    # and averaged weights are copied before they are swapped out
    callbacks = [keras.callbacks.TerminateOnNaN(), pace, stopping]
    if settings.optimizer.averaging:
        callbacks.append(keras.callbacks.SwapEMAWeights())
    if not bar_is_seen():
        callbacks.append(EpochLines(model.name, settings.epochs))
    callbacks.append(keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False))
    return callbacks


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

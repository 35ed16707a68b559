"""Fits the two models of a recipe on the parts of a split: segmenter first, then gate.

The segmenter comes first because a gate may begin with its encoder: what has learnt from every
pixel where defects are knows better what a defective picture is than any label can teach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steeldefect.program.progress import say, warn
from training.backend import keras, tf
from training.data.batches import Plan, batches_of_epoch, fixed_batches, training_batches
from training.data.dataset import LabelledPicture
from training.data.samples import Samples, gate_samples, place_samples, segmenter_samples
from training.fitting.checkpoint import FitState, History
from training.fitting.early_stopping import PLACE_AUC
from training.fitting.fit_model import Batches, Objective, fit_model
from training.fitting.losses import GreatestAuc, PlaceLoss, PositivesDice, segmenter_loss
from training.models import build_gate, build_segmenter, for_export
from training.models.gates import STRIDE, greatest_place
from training.models.weights import LoadedWeights, section_of
from training.recipe import Gate, GateKind, Recipe, Sampling, Segmenter, SegmenterPictures
from training.splitting.split import Parts

_GIB = 2**30
_CLEAN_SHARE = 0.5  # of what a gate is shown
_CLEAN = 0  # stands for clean pictures among class ids, which begin at 1


@dataclass(frozen=True)
class Job:
    """What both models of one fit share.

    Attributes:
        recipe: with the sizes of its inputs fixed.
        parts: of the split.
        class_ids: in the order of the segmenter's maps.
        folder: where states and logs lie.
        seconds: for both models over all starts; None for as long as it takes.
    """

    recipe: Recipe
    parts: Parts
    class_ids: tuple[int, ...]
    folder: Path
    seconds: float | None = None

    @property
    def cache_bytes(self) -> int:
        """How much memory samples may take."""
        return int(self.recipe.cache_gib * _GIB)


@dataclass(frozen=True)
class Drawing:
    """How training pictures are drawn: weights for `by_class`, and donors of defects to paste."""

    weights: npt.NDArray[np.float64]
    donors: tuple[int, ...] = ()


@dataclass(frozen=True)
class FittedModel:
    """One model after its fit, float32, for whole pictures; with what the bundle says about it."""

    model: keras.Model
    history: History
    seconds: float
    notes: tuple[str, ...] = ()


def fit_segmenter(job: Job) -> FittedModel:
    """Fit the segmenter of a recipe."""
    settings = job.recipe.segmenter
    model, loaded = _built(job, lambda: build_segmenter(settings, len(job.class_ids)))
    load = partial(
        segmenter_samples,
        spec=settings.spec,
        class_ids=job.class_ids,
        coverage=settings.mask_coverage,
        cache_bytes=job.cache_bytes,
    )
    train = _for_segmenter(job.parts.train, settings)
    samples = (load(train), load(_for_segmenter(job.parts.validation, settings)))
    weights = _drawn_by_class(train, clean_share=1 / (1 + len(job.class_ids)))
    objective = Objective(segmenter_loss(settings.loss), (PositivesDice(),))
    share = 1.0 if job.recipe.gate.kind is GateKind.NONE else 1 - job.recipe.gate_share
    budget = None if job.seconds is None else share * job.seconds
    state = _fit(job, model, settings, samples, Drawing(weights, _donors(train)), objective, budget)
    whole = for_export(model, settings.spec)
    return FittedModel(whole, state.history, state.seconds, _notes(model.name, state, loaded))


def fit_gate(job: Job, segmenter: FittedModel) -> FittedModel | None:
    """Fit the gate of a recipe; None where it has none."""
    settings = job.recipe.gate
    if settings.kind is GateKind.NONE:
        return None
    model, loaded = _built(job, lambda: build_gate(settings, segmenter.model))
    budget = None if job.seconds is None else max(1.0, job.seconds - segmenter.seconds)
    if settings.kind is GateKind.PLACES:
        state = _fit_places(job, model, budget)
        whole = greatest_place(for_export(model, settings.spec))
    else:
        load = partial(gate_samples, spec=settings.spec, cache_bytes=job.cache_bytes)
        samples = (load(job.parts.train), load(job.parts.validation))
        drawing = Drawing(_drawn_by_class(job.parts.train, clean_share=_CLEAN_SHARE))
        metrics = ("accuracy", keras.metrics.AUC(name="auc"))
        objective = Objective("binary_crossentropy", metrics)
        state = _fit(job, model, settings, samples, drawing, objective, budget)
        whole = for_export(model, settings.spec)
    return FittedModel(whole, state.history, state.seconds, _notes(model.name, state, loaded))


def _fit_places(job: Job, model: keras.Model, budget: float | None) -> FitState:
    """Fit a gate that learns from outlines, as a segmenter does."""
    settings = job.recipe.gate
    load = partial(
        place_samples,
        spec=settings.spec,
        coverage=job.recipe.segmenter.mask_coverage,
        cache_bytes=job.cache_bytes,
    )
    train, validation = (
        [one for one in part if one.outlined] for part in (job.parts.train, job.parts.validation)
    )
    drawing = Drawing(_drawn_by_class(train, clean_share=_CLEAN_SHARE), _donors(train))
    objective = Objective(PlaceLoss(STRIDE), (GreatestAuc(name=PLACE_AUC),))
    samples = (load(train), load(validation))
    return _fit(job, model, settings, samples, drawing, objective, budget)


def _donors(pictures: Sequence[LabelledPicture]) -> tuple[int, ...]:
    return tuple(number for number, picture in enumerate(pictures) if picture.runs)


Built = tuple[keras.Model, LoadedWeights]


def _built(job: Job, build: Callable[[], Built]) -> Built:
    """Build a model in the recipe's arithmetic, its random weights from the recipe's seed."""
    keras.utils.set_random_seed(job.recipe.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(job.recipe.arithmetic.value)
    try:
        model, loaded = build()
    finally:
        keras.config.set_dtype_policy(before)
    if loaded.note and not loaded.layers:
        warn(loaded.note)
    return model, loaded


def _fit(
    job: Job,
    model: keras.Model,
    settings: Gate | Segmenter,
    samples: tuple[Samples, Samples],
    drawing: Drawing,
    objective: Objective,
    budget: float | None,
) -> FitState:
    train, validation = samples
    spec, size = settings.spec, settings.batch_size
    say(
        f"{model.name}: {model.count_params():,} parameters, input {spec.height}x{spec.width}, "
        f"{len(train)} pictures to train on, {len(validation)} to validate"
    )
    drawn = drawing.weights if settings.sampling is Sampling.BY_CLASS else None

    def batches(first: int, last: int) -> tf.data.Dataset:
        plan = Plan(size, settings.augment, job.recipe.seed, (first, last), drawn, drawing.donors)
        return training_batches(train, spec, plan)

    feed = Batches(
        batches, batches_of_epoch(len(train), size), fixed_batches(validation, spec, size)
    )
    folder = job.folder / section_of(settings)
    return fit_model(model, feed, settings, objective, folder, budget)


def _for_segmenter(
    pictures: Sequence[LabelledPicture], settings: Segmenter
) -> list[LabelledPicture]:
    """Choose the pictures whose true masks are known, and that the recipe wants."""
    everything = settings.pictures is SegmenterPictures.ALL
    return [picture for picture in pictures if picture.runs or (everything and picture.outlined)]


def _drawn_by_class(
    pictures: Sequence[LabelledPicture], clean_share: float
) -> npt.NDArray[np.float64]:
    """Weigh pictures so that all classes are drawn equally often, and clean ones as stated.

    A picture with several classes counts as its rarest. Defective pictures without masks are one
    class more.
    """
    counts = Counter(number for picture in pictures for number in picture.runs)
    kinds = [
        min(picture.runs, key=lambda number: (counts[number], number), default=_unmasked(picture))
        for picture in pictures
    ]
    members = Counter(kinds)
    defects = max(1, len(members) - (_CLEAN in members))
    shares = dict.fromkeys(members, (1 - clean_share) / defects) | {_CLEAN: clean_share}
    return np.array([shares[kind] / members[kind] for kind in kinds])


def _unmasked(picture: LabelledPicture) -> int:
    return -1 if picture.defective else _CLEAN


def _notes(name: str, state: FitState, loaded: LoadedWeights) -> tuple[str, ...]:
    """Say what the bundle should tell of a fit."""
    stopped = None if state.stopped is None else f"{name} stopped: {state.stopped}"
    return tuple(note for note in (loaded.note, stopped) if note)

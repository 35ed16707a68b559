"""Fit the two models of a recipe on the parts of a split: first the segmenter, then the gate.

The segmenter is fitted first because a gate may begin with the segmenter's encoder. That encoder
has learnt from outlined pixels, which teach more than the label of a whole picture.
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
from training.data.batches import Others, Plan, batches_of_epoch, fixed_batches, training_batches
from training.data.dataset import LabelledPicture
from training.data.samples import Samples, Taught, gate_samples, place_samples, segmenter_samples
from training.fitting.checkpoint import FitState, History
from training.fitting.early_stopping import PLACE_AUC
from training.fitting.fit_model import Batches, Objective, fit_model
from training.fitting.losses import GreatestAuc, PlaceLoss, PositivesDice, segmenter_loss
from training.fitting.mean_teacher import MeanTeacher
from training.fitting.optimizer import NOTHING_SLOWER, Slower
from training.fitting.schedule import Clock
from training.fitting.teacher import OpenedTeacher
from training.models import build_gate, build_segmenter, for_export
from training.models.encoders import ENCODER
from training.models.faster import faster
from training.models.gates import STRIDE, greatest_place
from training.models.weights import LoadedWeights, section_of
from training.recipe import (
    Arithmetic,
    Gate,
    GateKind,
    Recipe,
    Sampling,
    Segmenter,
    SegmenterPictures,
)
from training.splitting.extra import NO_EXTRA, Extra
from training.splitting.split import Parts
from training.splitting.unlabelled import WithoutLabels

_GIB = 2**30
_CLEAN_SHARE = 0.5  # share of clean pictures among the pictures drawn for a gate
_CLEAN = 0  # class id that stands for clean pictures; real class ids begin at 1


@dataclass(frozen=True)
class Job:
    """Settings and pictures for both models of one fit.

    Attributes:
        recipe: recipe with fixed input sizes.
        parts: parts of the split.
        class_ids: class ids in the order of the segmenter's maps.
        folder: work folder for states and logs.
        seconds: seconds for both models over all starts; None: no limit.
        extra: further pictures to train on.
        teacher: bundle whose class maps the segmenter learns, too.
        unlabelled: further pictures, which the segmenter learns from its own average.
    """

    recipe: Recipe
    parts: Parts
    class_ids: tuple[int, ...]
    folder: Path
    seconds: float | None = None
    extra: Extra = NO_EXTRA
    teacher: OpenedTeacher | None = None
    unlabelled: WithoutLabels | None = None

    @property
    def train(self) -> tuple[LabelledPicture, ...]:
        """All pictures to train on: those of the train part, then the extra ones."""
        return (*self.parts.train, *self.extra.pictures)

    @property
    def cache_bytes(self) -> int:
        """Memory in bytes that samples may use."""
        return int(self.recipe.cache_gib * _GIB)


@dataclass(frozen=True)
class Drawing:
    """How training pictures are drawn.

    Attributes:
        by_class: float64 (samples,), relative frequency of each picture for `by_class`.
        even: the same for `even`; None: each picture is drawn once an epoch.
        donors: numbers of the samples whose defects may be pasted: those of the train part, not
            extra pictures, whose defects are copies already or in doubt.
    """

    by_class: npt.NDArray[np.float64]
    even: npt.NDArray[np.float64] | None = None
    donors: tuple[int, ...] = ()


@dataclass(frozen=True)
class FittedModel:
    """One fitted model.

    Attributes:
        model: float32 model for whole pictures.
        history: values of each curve by name, one value per epoch.
        seconds: seconds that the fit took, over all starts.
        notes: notes on the fit for the bundle's manifest.
    """

    model: keras.Model
    history: History
    seconds: float
    notes: tuple[str, ...] = ()


def fit_segmenter(job: Job) -> FittedModel:
    """Fit the segmenter of a recipe; one of kind `none` only gets its pre-trained weights."""
    settings = job.recipe.segmenter
    classes = max(1, len(job.class_ids))  # of kind none, there are none
    built = _built(job, lambda: build_segmenter(settings, classes))
    model, loaded = built
    if not job.recipe.learns_classes:
        notes = () if loaded.note is None else (loaded.note,)
        return FittedModel(for_export(model, settings.spec), {}, 0.0, notes)
    load = partial(
        segmenter_samples,
        spec=settings.spec,
        class_ids=job.class_ids,
        coverage=settings.mask_coverage,
        cache_bytes=job.cache_bytes,
    )
    train = _for_segmenter(job.train, settings)
    samples = (_taught(job, load, train), load(_for_segmenter(job.parts.validation, settings)))
    drawing = drawing_of(train, 1 / (1 + len(job.class_ids)), job.extra)
    objective = Objective(segmenter_loss(settings.loss), (PositivesDice(),))
    share = 1.0 if job.recipe.gate.kind is GateKind.NONE else 1 - job.recipe.gate_share
    budget = None if job.seconds is None else share * job.seconds
    state = _fit(job, built, settings, samples, drawing, objective, budget)
    whole = for_export(model, settings.spec)
    return FittedModel(whole, state.history, state.seconds, _notes(model.name, state, loaded))


def _taught(job: Job, load: Callable[..., Samples], train: list[LabelledPicture]) -> Samples:
    """Return the samples to train on, with the teacher's class maps, and with unlabelled ones."""
    unlabelled = () if job.unlabelled is None else job.unlabelled.pictures
    if job.teacher is None:
        return load(train, unlabelled=unlabelled)
    spec = job.recipe.segmenter.spec
    soft = job.teacher.soft_maps(train, spec, job.folder / section_of(job.recipe.segmenter))
    taught = Taught(soft, job.teacher.settings.share)
    return load(train, taught=taught, unlabelled=unlabelled)


def fit_gate(job: Job, segmenter: FittedModel) -> FittedModel | None:
    """Fit the gate of a recipe; return None if the recipe has no gate.

    A gate of kind `shared` still has one output for every place;
    `training.models.shared.in_two_parts` completes it.
    """
    settings = job.recipe.gate
    if settings.kind is GateKind.NONE:
        return None
    built = _built(job, lambda: build_gate(settings, segmenter.model))
    model, loaded = built
    budget = None if job.seconds is None else max(1.0, job.seconds - segmenter.seconds)
    if settings.kind is GateKind.SHARED:
        state = _fit_places(job, built, budget)
        whole = model
    elif settings.kind is GateKind.PLACES:
        state = _fit_places(job, built, budget)
        whole = greatest_place(for_export(model, settings.spec))
    else:
        load = partial(gate_samples, spec=settings.spec, cache_bytes=job.cache_bytes)
        samples = (load(job.train), load(job.parts.validation))
        drawing = drawing_of(job.train, _CLEAN_SHARE, job.extra)
        metrics = ("accuracy", keras.metrics.AUC(name="auc"))
        objective = Objective("binary_crossentropy", metrics)
        state = _fit(job, built, settings, samples, drawing, objective, budget)
        whole = for_export(model, settings.spec)
    return FittedModel(whole, state.history, state.seconds, _notes(model.name, state, loaded))


def _fit_places(job: Job, built: Built, budget: float | None) -> FitState:
    """Fit a gate of kind `places` or `shared`, which learns from outlines as a segmenter does."""
    settings = job.recipe.gate
    load = partial(
        place_samples,
        spec=settings.spec,
        coverage=job.recipe.segmenter.mask_coverage,
        cache_bytes=job.cache_bytes,
    )
    train, validation = (
        [one for one in part if one.outlined] for part in (job.train, job.parts.validation)
    )
    drawing = drawing_of(train, _CLEAN_SHARE, job.extra)
    objective = Objective(PlaceLoss(STRIDE), (GreatestAuc(name=PLACE_AUC),))
    samples = (load(train), load(validation))
    return _fit(job, built, settings, samples, drawing, objective, budget)


def drawing_of(
    pictures: Sequence[LabelledPicture], clean_share: float, extra: Extra = NO_EXTRA
) -> Drawing:
    """Return how often each picture is drawn, and which pictures are donors.

    Args:
        pictures: n pictures to train on, extra ones among them.
        clean_share: share of clean pictures among the pictures drawn by class.
        extra: the extra pictures with their weights.
    """
    weights = np.array([extra.weight_of(picture) for picture in pictures])
    donors = [
        number
        for number, picture in enumerate(pictures)
        if picture.runs and not extra.holds(picture)
    ]
    return Drawing(
        by_class=_drawn_by_class(pictures, clean_share, weights),
        even=None if (weights == 1).all() else weights,
        donors=tuple(donors),
    )


Built = tuple[keras.Model, LoadedWeights]


def _built(job: Job, build: Callable[[], Built]) -> Built:
    """Build a model with the recipe's arithmetic, and with random weights from its seed."""
    keras.utils.set_random_seed(job.recipe.seed)
    before, arithmetic = keras.config.dtype_policy(), job.recipe.arithmetic
    if arithmetic is Arithmetic.AUTO:
        arithmetic = Arithmetic.FLOAT32  # `faster` does the rest
    keras.config.set_dtype_policy(arithmetic.value)
    try:
        model, loaded = build()
    finally:
        keras.config.set_dtype_policy(before)
    if loaded.note and not loaded.layers:
        warn(loaded.note)
    return model, loaded


def _fit(
    job: Job,
    built: Built,
    settings: Gate | Segmenter,
    samples: tuple[Samples, Samples],
    drawing: Drawing,
    objective: Objective,
    budget: float | None,
) -> FitState:
    model = built[0]
    train, validation = samples
    spec, size = settings.spec, settings.batch_size
    unlabelled = job.unlabelled if isinstance(settings, Segmenter) else None
    count = 0 if unlabelled is None else len(unlabelled.pictures)
    say(
        f"{model.name}: {model.count_params():,} parameters, input {spec.height}x{spec.width}, "
        f"{len(train) - count} pictures to train on, {len(validation)} to validate"
        + (f", {count} unlabelled" if count else "")
    )
    drawn = drawing.by_class if settings.sampling is Sampling.BY_CLASS else drawing.even

    def others(clock: Clock) -> Others | None:
        learnt = job.recipe.data.unlabelled
        if not count or learnt is None:
            return None
        return Others(
            count,
            learnt.share,
            lambda epoch: max(epoch / settings.epochs, clock.share) >= learnt.begin,
        )

    def batches(first: int, last: int, whole: bool, clock: Clock) -> tf.data.Dataset:
        plan = Plan(
            batch_size=size,
            changes=settings.augment.of_whole_pictures() if whole else settings.augment,
            seed=job.recipe.seed,
            epochs=(first, last),
            weights=drawn,
            donors=drawing.donors,
            others=others(clock),
        )
        return training_batches(train, spec, plan)

    feed = Batches(
        batches, batches_of_epoch(len(train) - count, size), fixed_batches(validation, spec, size)
    )
    folder = job.folder / section_of(settings)
    trained = faster(model, job.recipe.arithmetic)
    if count:
        trained = MeanTeacher(
            trained.inputs, trained.outputs[0], name=trained.name, seed=job.recipe.seed
        )
    return fit_model(trained, feed, settings, objective, folder, budget, _slower(built, settings))


def _slower(built: Built, settings: Gate | Segmenter) -> Slower:
    """Return the variables of a pre-trained encoder if they learn more slowly."""
    model, loaded = built
    if settings.encoder_rate == 1 or not loaded.layers:
        return NOTHING_SLOWER
    return Slower(model.get_layer(ENCODER).trainable_variables, settings.encoder_rate)


def _for_segmenter(
    pictures: Sequence[LabelledPicture], settings: Segmenter
) -> list[LabelledPicture]:
    """Return the pictures with masks; with `pictures: all`, also the clean pictures."""
    everything = settings.pictures is SegmenterPictures.ALL
    return [picture for picture in pictures if picture.runs or (everything and picture.outlined)]


def _drawn_by_class(
    pictures: Sequence[LabelledPicture], clean_share: float, weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Compute weights that draw all classes equally often, and clean pictures with `clean_share`.

    A picture with several classes counts for its rarest class. Defective pictures without masks
    count as a class of their own. Within a class, a picture is drawn in proportion to its weight.

    Args:
        pictures: n pictures.
        clean_share: share of clean pictures among the pictures drawn.
        weights: float64 (n,), relative frequency of each picture among those of its class.

    Returns:
        float64 (pictures,), the weights.
    """
    counts = Counter(number for picture in pictures for number in picture.runs)
    kinds = [
        min(picture.runs, key=lambda number: (counts[number], number), default=_unmasked(picture))
        for picture in pictures
    ]
    members = Counter(kinds)
    defects = max(1, len(members) - (_CLEAN in members))
    shares = dict.fromkeys(members, (1 - clean_share) / defects) | {_CLEAN: clean_share}
    totals = {kind: weights[[one == kind for one in kinds]].sum() for kind in members}
    return np.array(
        [shares[kind] * weight / totals[kind] for kind, weight in zip(kinds, weights, strict=True)]
    )


def _unmasked(picture: LabelledPicture) -> int:
    return -1 if picture.defective else _CLEAN


def _notes(name: str, state: FitState, loaded: LoadedWeights) -> tuple[str, ...]:
    """Return the notes on a fit for the bundle's manifest."""
    stopped = None if state.stopped is None else f"{name} stopped: {state.stopped}"
    return tuple(note for note in (loaded.note, stopped) if note)

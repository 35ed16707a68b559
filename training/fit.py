"""A whole fit: data and recipe in, sealed bundle out."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from steeldefect import manifest
from steeldefect.bundle import Bundle
from steeldefect.errors import DataError
from training import export
from training.backend import keras
from training.dataset import DataSet, LabelledPicture, read_dataset
from training.evaluation import held_out_scores
from training.fitting import History, Objective, fit_model
from training.losses import segmenter_loss, tversky
from training.models import build_gate, build_segmenter
from training.pipeline import fixed_batches, training_batches
from training.progress import say, warn
from training.recipe import Gate, GateKind, Recipe, Segmenter, SegmenterPictures
from training.samples import Samples, gate_samples, segmenter_samples
from training.split import Parts, split_pictures

_GIB = 2**30
_CHECKED_PICTURES = 8  # of the validation part, on which Keras and OpenVINO have to agree


@dataclass(frozen=True)
class FitResult:
    """The bundle that a fit wrote, opened, and how long it took."""

    bundle: Bundle
    minutes: float


@dataclass(frozen=True)
class _Run:
    """What both models of one fit share."""

    recipe: Recipe
    parts: Parts
    class_ids: tuple[int, ...]
    workdir: Path

    @property
    def cache_bytes(self) -> int:
        return int(self.recipe.cache_gib * _GIB)


@dataclass(frozen=True)
class _Fitted:
    """One model after its fit, with what the manifest says about it."""

    model: keras.Model
    history: History
    notes: tuple[str, ...] = ()


def fit(data: Path, recipe: Recipe, bundle: Path) -> FitResult:
    """Train gate and segmenter, and write them as a bundle.

    Args:
        data: folder of labelled pictures; see `training.dataset`.
        recipe: all settings.
        bundle: folder to write; must not exist.

    Raises:
        DataError: the data are incomplete or contradict themselves, or cannot train this recipe.
        SettingsError: the recipe asks for weights that cannot be had, or does not converge.
        AlreadyExistsError: `bundle` exists.
    """
    started = time.monotonic()
    export.refuse_existing(bundle)
    dataset = read_dataset(data)
    parts = split_pictures(dataset.pictures, recipe.split, recipe.seed)
    _check_trainable(parts, recipe)
    say(_describe(dataset, parts))
    with tempfile.TemporaryDirectory(prefix="steeldefect-fit-") as workdir:
        run = _Run(recipe, parts, tuple(dataset.class_names), Path(workdir))
        gate = _fit_gate(run)
        segmenter = _fit_segmenter(run)
    models = {"gate": gate, "segmenter": segmenter}
    minutes = (time.monotonic() - started) / 60
    notes = [note for one in models.values() if one is not None for note in one.notes]
    history = {name: one.history for name, one in models.items() if one is not None}
    written = export.write_bundle(
        bundle,
        export.Models(None if gate is None else gate.model, segmenter.model),
        _draft(dataset, parts, recipe, notes, minutes),
        check_on=[picture.read() for picture in parts.validation[:_CHECKED_PICTURES]],
        attachments={
            "split.csv": parts.to_csv(),
            "history.json": json.dumps(history, indent=1) + "\n",
        },
        measure=partial(held_out_scores, pictures=parts.test),
    )
    return FitResult(written, minutes)


def _fit_gate(run: _Run) -> _Fitted | None:
    settings = run.recipe.gate
    if settings.kind is GateKind.NONE:
        return None
    keras.utils.set_random_seed(run.recipe.seed)
    model, loaded = build_gate(settings)
    if loaded.note and not loaded.layers:
        warn(loaded.note)
    load = partial(gate_samples, spec=settings.input, cache_bytes=run.cache_bytes)
    samples = (load(run.parts.train), load(run.parts.validation))
    objective = Objective("binary_crossentropy", ("accuracy", keras.metrics.AUC(name="auc")))
    history = _fit(run, model, samples, settings, objective)
    return _Fitted(model, history, (loaded.note,) if loaded.note else ())


def _fit_segmenter(run: _Run) -> _Fitted:
    settings = run.recipe.segmenter
    keras.utils.set_random_seed(run.recipe.seed)
    model = build_segmenter(settings, len(run.class_ids))
    load = partial(
        segmenter_samples,
        spec=settings.input,
        class_ids=run.class_ids,
        coverage=settings.mask_coverage,
        cache_bytes=run.cache_bytes,
    )
    samples = (
        load(_for_segmenter(run.parts.train, settings)),
        load(_for_segmenter(run.parts.validation, settings)),
    )
    objective = Objective(segmenter_loss(settings.loss), (tversky,))
    return _Fitted(model, _fit(run, model, samples, settings, objective))


def _fit(
    run: _Run,
    model: keras.Model,
    samples: tuple[Samples, Samples],
    settings: Gate | Segmenter,
    objective: Objective,
) -> History:
    train, validation = samples
    spec, size = settings.input, settings.batch_size
    say(
        f"{model.name}: {model.count_params():,} parameters, {len(train)} pictures to train on, "
        f"{len(validation)} to validate"
    )
    batches = (
        training_batches(train, spec, size, settings.augment, run.recipe.seed),
        fixed_batches(validation, spec, size),
    )
    return fit_model(model, batches, settings, objective, run.workdir / f"{model.name}.weights.h5")


def _for_segmenter(
    pictures: Sequence[LabelledPicture], settings: Segmenter
) -> list[LabelledPicture]:
    """Choose the pictures whose true masks are known, and that the recipe wants."""
    everything = settings.pictures is SegmenterPictures.ALL
    return [picture for picture in pictures if picture.runs or (everything and picture.outlined)]


def _check_trainable(parts: Parts, recipe: Recipe) -> None:
    """Refuse data that a part of the recipe cannot learn from."""
    for name, pictures in (("train", parts.train), ("validation", parts.validation)):
        if not any(picture.runs for picture in pictures):
            raise DataError(f"no picture with a mask in the {name} part; add labelled pictures")
        labels = {picture.defective for picture in pictures}
        if recipe.gate.kind is not GateKind.NONE and len(labels) < 2:
            kind = "clean" if True in labels else "defective"
            raise DataError(
                f"a gate cannot learn without {kind} pictures: the {name} part has none; add "
                "some, or go without a gate: --set gate.kind=none"
            )


def _describe(dataset: DataSet, parts: Parts) -> str:
    defective = sum(picture.defective for picture in dataset.pictures)
    counts = ", ".join(f"{count} {name}" for name, count in parts.counts().items())
    return (
        f"{dataset.folder}: {len(dataset.pictures)} pictures ({defective} defective), "
        f"{len(dataset.class_names)} classes; {counts}"
    )


def _draft(
    dataset: DataSet, parts: Parts, recipe: Recipe, notes: list[str], minutes: float
) -> manifest.Manifest:
    settings = recipe.segmenter
    classes = [
        manifest.DefectClass(
            id=number,
            name=name,
            pixel_threshold=settings.pixel_threshold,
            min_area=settings.min_area,
        )
        for number, name in dataset.class_names.items()
    ]
    gate = None
    if recipe.gate.kind is not GateKind.NONE:
        gate = manifest.Gate(input=recipe.gate.input, threshold=recipe.gate.threshold)
    record = manifest.TrainingRecord(
        recipe_name=recipe.name,
        recipe=recipe.model_dump(mode="json"),
        seed=recipe.seed,
        data_fingerprint=dataset.fingerprint,
        pictures=parts.counts(),
        notes=notes,
        minutes=round(minutes, 2),
    )
    return export.draft_manifest(
        classes, gate, manifest.Segmenter(input=settings.input), _sizes(dataset), record
    )


def _sizes(dataset: DataSet) -> manifest.PictureSizes:
    heights = [picture.shape[0] for picture in dataset.pictures]
    widths = [picture.shape[1] for picture in dataset.pictures]
    return manifest.PictureSizes(
        height=(min(heights), max(heights)), width=(min(widths), max(widths))
    )

"""Run a whole fit: read data and recipe, fit both models, write a sealed bundle.

A work folder beside the bundle (`BUNDLE.fit`) holds the states of both models and their
TensorBoard logs. After a fit was killed, the same command resumes from this folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import UNKNOWN
from steeldefect.errors import DataError, SettingsError
from steeldefect.program.progress import say, warn
from training.data.dataset import DataSet, read_dataset, with_one_class
from training.export.draft_manifest import draft_of_fit
from training.export.staging import Models, refuse_existing
from training.finish import Fitted, finish
from training.fitting.checkpoint import STATE_FILE
from training.fitting.gate_and_segmenter import FittedModel, Job, fit_gate, fit_segmenter
from training.fitting.teacher import MAPS_FILE, OpenedTeacher
from training.models.shared import in_two_parts, of_the_unknown
from training.novelty.fit_novelty import FittedNovelty, fit_novelty
from training.recipe import GateKind, MissingClass, Recipe
from training.splitting.extra import Extra, read_extra
from training.splitting.split import Parts, parts_for
from training.splitting.unlabelled import WithoutLabels, read_unlabelled

_IDENTITY = "identity.json"
AFTERWARDS: Any = {
    "calibrate": True,
    "compile": True,
    "novelty": True,
    "gate": {"threshold"},
    "segmenter": {"pixel_threshold", "min_area", "mirrors"},
}
"""Settings used only after the models are fitted; they may differ between starts of one fit."""

_FOR_MODELS = 0.9  # share of a time budget for fitting; the rest is for calibration and export


@dataclass(frozen=True)
class FitOptions:
    """Options of a fit beside its recipe.

    Attributes:
        split_file: file written by `python -m training split`; None: make the recipe's split.
        fold: number of the fold that is the test part, from 0; for a split file with folds.
        max_minutes: minutes for the whole fit, over all starts; None: no limit.
        work: work folder for states and logs; None: `BUNDLE.fit` beside the bundle.
        keep_states: whether the models' states stay in the work folder after the fit.
    """

    split_file: Path | None = None
    fold: int | None = None
    max_minutes: float | None = None
    work: Path | None = None
    keep_states: bool = False


@dataclass(frozen=True)
class FitResult:
    """The opened bundle that a fit wrote."""

    bundle: Bundle

    @property
    def minutes(self) -> float:
        """Minutes that the models took to fit."""
        return self.bundle.manifest.training.minutes


_DEFAULTS = FitOptions()


def fit(data: Path, recipe: Recipe, bundle: Path, options: FitOptions = _DEFAULTS) -> FitResult:
    """Fit gate and segmenter, and write them as a bundle.

    Args:
        data: folder of labelled pictures; see `training.data.dataset`.
        recipe: all settings of the fit.
        bundle: folder of the bundle; must not exist.
        options: split file, time limit and work folder.

    Raises:
        DataError: the data are incomplete or contradictory, or not enough for this recipe.
        SettingsError: pre-trained weights cannot be loaded, the loss is never finite, or the work
            folder holds another fit.
        AlreadyExistsError: `bundle` exists.
    """
    refuse_existing(bundle)
    dataset = read_dataset(data)
    if not recipe.learns_classes:
        dataset = with_one_class(dataset, UNKNOWN)
    recipe = recipe.for_pictures([picture.shape for picture in dataset.pictures])
    parts = parts_for(dataset, recipe.split, recipe.seed, options.split_file, options.fold)
    extra = read_extra(recipe.data.extra, dataset, parts)
    missing = _check_trainable(dataset, parts, extra, recipe)
    say(_describe(dataset, parts, extra))
    teacher = None
    if recipe.data.teacher is not None:
        teacher = OpenedTeacher(recipe.data.teacher, dataset, parts)
    unlabelled = None
    if recipe.data.unlabelled is not None:
        unlabelled = read_unlabelled(recipe.data.unlabelled, parts)
    work = options.work or bundle.with_name(f"{bundle.name}.fit")
    _claim_work_folder(work, _identity(dataset, parts, extra, recipe, teacher, unlabelled))
    seconds = None if options.max_minutes is None else _FOR_MODELS * 60 * options.max_minutes
    classes = tuple(dataset.class_names) if recipe.learns_classes else ()
    job = Job(recipe, parts, classes, work, seconds, extra, teacher, unlabelled)
    segmenter = fit_segmenter(job)
    gate = fit_gate(job, segmenter)
    novelty = _fit_novelty(job, segmenter)
    written = finish(_fitted(dataset, job, segmenter, gate, novelty, missing), bundle)
    if not options.keep_states:
        _delete_states(work)
    return FitResult(written)


def _fitted(
    dataset: DataSet,
    job: Job,
    segmenter: FittedModel,
    gate: FittedModel | None,
    novelty: FittedNovelty | None,
    missing: list[str],
) -> Fitted:
    """Collect the inputs of `finish`."""
    models = {"segmenter": segmenter} | ({} if gate is None else {"gate": gate})
    parts: list[FittedModel | FittedNovelty] = [*models.values()]
    if novelty is not None:
        parts.append(novelty)
    minutes = sum(one.seconds for one in parts) / 60
    taught = () if job.teacher is None else job.teacher.notes
    taught += () if job.unlabelled is None else job.unlabelled.notes
    notes = [*missing, *job.extra.notes, *taught, *(note for one in parts for note in one.notes)]
    if job.recipe.novelty is not None and novelty is None:
        notes.append("novelty is not judged: it needs gate.kind: shared")
    record = None if novelty is None else novelty.record
    counts = _counts(job.parts, job.extra)
    return Fitted(
        models=_models(job.recipe, segmenter, gate, novelty),
        draft=draft_of_fit(dataset, counts, job.recipe, notes, minutes, record),
        history={name: one.history for name, one in models.items() if one.history},
        recipe=job.recipe,
        parts=job.parts,
    )


def _fit_novelty(job: Job, segmenter: FittedModel) -> FittedNovelty | None:
    settings = job.recipe.novelty
    if settings is None or not job.recipe.judges_novelty:
        return None
    return fit_novelty(job, segmenter.model, settings)


def _models(
    recipe: Recipe,
    segmenter: FittedModel,
    gate: FittedModel | None,
    novelty: FittedNovelty | None,
) -> Models:
    """Return the models of the bundle; see `training.models.shared` for a gate that shares."""
    odd = None if novelty is None else novelty.odd
    if odd is not None and not recipe.learns_classes:
        return Models(*of_the_unknown(segmenter.model, recipe.segmenter, odd))
    if gate is None:
        return Models(None, segmenter.model)
    if recipe.gate.kind is GateKind.SHARED:
        return Models(*in_two_parts(gate.model, segmenter.model, recipe.gate, odd))
    return Models(gate.model, segmenter.model)


def _counts(parts: Parts, extra: Extra) -> dict[str, int]:
    """Return the number of pictures in each part, and of extra ones if there are any."""
    return parts.counts() | ({"extra": len(extra.pictures)} if extra.pictures else {})


def _check_trainable(dataset: DataSet, parts: Parts, extra: Extra, recipe: Recipe) -> list[str]:
    """Check that the parts are sufficient for the recipe; return notes on missing classes.

    Extra pictures count for the train part.

    Raises:
        DataError: a part has no masks, a gate has no clean or no defective pictures, or no picture
            of the train part shows a class; or there is no clean picture to learn from.
    """
    if not recipe.learns_classes:
        if all(picture.defective for picture in parts.train):
            raise DataError("no clean picture in the train part; add some to learn from")
        return []
    parts = replace(parts, train=(*parts.train, *extra.pictures))
    if recipe.judges_novelty and UNKNOWN in dataset.class_names.values():
        raise DataError(
            f"{dataset.folder} names a class {UNKNOWN}, as what novelty finds: give it another "
            "name in classes.json, or go without: --set novelty=null"
        )
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
    return _missing_classes(dataset, parts, recipe)


def _missing_classes(dataset: DataSet, parts: Parts, recipe: Recipe) -> list[str]:
    notes = []
    for part, pictures in parts.named().items():
        counts = Counter(number for picture in pictures for number in picture.runs)
        missing = [f"{one} {name}" for one, name in dataset.class_names.items() if not counts[one]]
        if missing and part == "train" and recipe.missing_class is MissingClass.ERROR:
            raise DataError(
                f"no picture of the train part shows class {', '.join(missing)}: it cannot be "
                "learnt; add pictures, split with another --seed, take it out of classes.json, "
                "or accept that it is never found: --set missing_class=warn"
            )
        if missing:
            notes.append(f"no picture of the {part} part shows class {', '.join(missing)}")
    for note in notes:
        warn(note)
    return notes


def _identity(
    dataset: DataSet,
    parts: Parts,
    extra: Extra,
    recipe: Recipe,
    teacher: OpenedTeacher | None,
    unlabelled: WithoutLabels | None,
) -> dict[str, Any]:
    """Return what tells a fit from others, as far as its models depend on it."""
    return {
        "recipe": recipe.model_dump(mode="json", exclude=AFTERWARDS),
        "data": dataset.fingerprint,
        "split": hashlib.sha256(parts.to_csv().encode()).hexdigest(),
        "extra": dict(extra.fingerprints),
        "teacher": None if teacher is None else teacher.digest,
        "unlabelled": None if unlabelled is None else unlabelled.fingerprint,
    }


def _claim_work_folder(work: Path, identity: dict[str, Any]) -> None:
    """Create the work folder for this fit, or check that it belongs to this fit.

    Raises:
        SettingsError: the work folder belongs to another fit.
    """
    path = work / _IDENTITY
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != identity:
        raise SettingsError(
            f"{work} holds a fit of another recipe, data or split; delete it, or give another with "
            "--work"
        )
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(identity, indent=1) + "\n", encoding="utf-8")


def _delete_states(work: Path) -> None:
    """Delete the files that only a resumed fit needs; TensorBoard's logs stay."""
    (work / _IDENTITY).unlink(missing_ok=True)
    for pattern in (STATE_FILE, MAPS_FILE):
        for file in work.glob(f"*/{pattern}"):
            file.unlink()
    for folder in [*work.iterdir(), work]:
        if folder.is_dir() and not any(folder.iterdir()):
            shutil.rmtree(folder)


def _describe(dataset: DataSet, parts: Parts, extra: Extra) -> str:
    defective = sum(picture.defective for picture in dataset.pictures)
    counts = ", ".join(f"{count} {name}" for name, count in _counts(parts, extra).items())
    return (
        f"{dataset.folder}: {len(dataset.pictures)} pictures ({defective} defective), "
        f"{len(dataset.class_names)} classes; {counts}"
    )

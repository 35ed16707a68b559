"""Write several bundles as one that gives the mean of their answers.

The mean is calibrated anew, its forms are compared with Keras, and it is measured, as after a fit
(`training.finish`). It costs as much as its members together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steeldefect.bundle import manifest
from steeldefect.bundle.files import Bundle, ModelForm, ModelName
from steeldefect.program.progress import say
from steeldefect.runtimes.keras_files import load_keras_model
from steeldefect.stores import S3Settings
from training.backend import keras
from training.data.dataset import DataSet, read_dataset
from training.export.draft_manifest import draft_manifest, sizes_of
from training.export.staging import Models, refuse_existing
from training.finish import Fitted, finish
from training.models.pooled import mean_gate, mean_segmenter
from training.pooling.evidence import Answered, answered_by
from training.pooling.members import Member, open_members


def pool_as_bundle(addresses: Sequence[str], data: Path, target: Path, s3: S3Settings) -> Bundle:
    """Write the mean of several bundles as a bundle.

    Args:
        addresses: two or more bundles: fits of one split file, or its folds.
        data: data folder of their fits.
        target: folder of the new bundle; must not exist.
        s3: settings of the S3 connection.

    Returns:
        The new bundle, opened and checked.

    Raises:
        AlreadyExistsError: `target` exists.
        BundleError: a bundle is missing or altered, or they cannot be one.
        DataError: they were fitted on other data, or have pictures in common that they held out.
    """
    refuse_existing(target)
    dataset = read_dataset(data)
    members = open_members(addresses, dataset, s3)
    answered = answered_by(members)
    say(f"{len(members)} bundles become one, which costs as much as all of them")
    return finish(_joined(members, answered, dataset), target, answered.evidence)


def _joined(members: Sequence[Member], answered: Answered, dataset: DataSet) -> Fitted:
    first = members[0].manifest
    odd = first.novelty is not None
    gate = None
    if first.gate is not None:
        gate = mean_gate(_models(members, ModelName.GATE), first.shares_network, odd)
    segmenter = mean_segmenter(_models(members, ModelName.SEGMENTER), odd)
    return Fitted(
        models=Models(gate, segmenter),
        draft=_draft(members, answered, dataset),
        history={},
        recipe=members[0].recipe,
        parts=answered.parts,
    )


def _models(members: Sequence[Member], name: ModelName) -> list[keras.Model]:
    form = ModelForm.KERAS
    return [load_keras_model(one.bundle.model_path(name, form)) for one in members]


def _draft(members: Sequence[Member], answered: Answered, dataset: DataSet) -> manifest.Manifest:
    """Return a manifest with the values of the recipe, all of which are chosen anew."""
    first, recipe = members[0].manifest, members[0].recipe
    classes = [
        manifest.DefectClass(
            id=one.id,
            name=one.name,
            pixel_threshold=recipe.segmenter.pixel_threshold,
            min_area=recipe.segmenter.min_area,
        )
        for one in first.classes
    ]
    gate = None
    if first.gate is not None:
        gate = manifest.Gate(
            input=first.gate.input, threshold=recipe.gate.threshold, shared=first.shares_network
        )
    return draft_manifest(
        classes,
        gate,
        manifest.Segmenter(input=first.segmenter.input, mirrors=list(first.segmenter.mirrors)),
        sizes_of(dataset),
        _record(members, answered),
        first.novelty,
    )


def _record(members: Sequence[Member], answered: Answered) -> manifest.TrainingRecord:
    records = [one.manifest.training for one in members]
    names = sorted({one.recipe_name for one in records})
    update: dict[str, Any] = {
        "recipe_name": f"pool of {len(members)}: {', '.join(names)}",
        "pictures": answered.parts.counts(),
        "minutes": round(sum(one.minutes for one in records), 2),
        "notes": [*_members_note(members), *answered.notes],
    }
    return records[0].model_copy(update=update)


def _members_note(members: Sequence[Member]) -> list[str]:
    named = ", ".join(
        f"{one.bundle.digest[:12]} (seed {one.manifest.training.seed})" for one in members
    )
    notes = [f"the mean of {len(members)} bundles: {named}"]
    if members[0].manifest.novelty is not None:
        notes.append(f"novelty is that of {members[0].bundle.digest[:12]}")
    return notes

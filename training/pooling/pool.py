"""Write several bundles as one that gives the mean of their answers.

The mean is calibrated anew, its forms are compared with Keras, and it is measured, as after a fit
(`training.finish`). It costs as much as its members together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steeldefect.bundle.files import Bundle, ModelName
from steeldefect.bundle.manifest import Manifest
from steeldefect.program.progress import say
from steeldefect.stores import S3Settings
from training.data.dataset import DataSet, read_dataset
from training.export.draft_manifest import draft_of_fit
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
        gate = mean_gate([one.model(ModelName.GATE) for one in members], first.shares_network, odd)
    segmenter = mean_segmenter([one.model(ModelName.SEGMENTER) for one in members], odd)
    recipe, notes = answered.admitted(members[0].recipe)
    return Fitted(
        models=Models(gate, segmenter),
        draft=_draft(members, answered, dataset, notes),
        history={},
        recipe=recipe,
        parts=answered.parts,
    )


def _draft(
    members: Sequence[Member], answered: Answered, dataset: DataSet, notes: Sequence[str]
) -> Manifest:
    """Return a manifest with the values of the recipe, all of which are chosen anew."""
    records = [one.manifest.training for one in members]
    draft = draft_of_fit(
        dataset,
        answered.parts.counts(),
        members[0].recipe,
        [*_members_note(members), *notes],
        sum(one.minutes for one in records),
        members[0].manifest.novelty,
    )
    names = ", ".join(sorted({one.recipe_name for one in records}))
    name = {"recipe_name": f"pool of {len(members)}: {names}"}
    return draft.model_copy(update={"training": draft.training.model_copy(update=name)})


def _members_note(members: Sequence[Member]) -> list[str]:
    named = ", ".join(
        f"{one.bundle.digest[:12]} (seed {one.manifest.training.seed})" for one in members
    )
    notes = [f"the mean of {len(members)} bundles: {named}"]
    if members[0].manifest.novelty is not None:
        notes.append(f"novelty is that of {members[0].bundle.digest[:12]}")
    return notes

"""Calibrate a bundle anew: the same models, with thresholds by other settings or a newer version.

Nothing is fitted. The validation part of the bundle's split chooses thresholds again, its forms are
exported and compared again, and its test part measures, as after a fit (`training.finish`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steeldefect.bundle.files import Bundle, ModelName
from steeldefect.errors import SettingsError
from steeldefect.program.progress import say
from steeldefect.settings import apply_overrides, validate
from steeldefect.stores import S3Settings
from training.data.dataset import read_dataset
from training.export.draft_manifest import draft_of_fit
from training.export.staging import Models, refuse_existing
from training.finish import Fitted, finish, read_history
from training.fit import AFTERWARDS
from training.pooling.members import Member, open_member
from training.recipe import Recipe


def recalibrate(
    address: str, data: Path, target: Path, s3: S3Settings, overrides: Sequence[str] = ()
) -> Bundle:
    """Write the models of a bundle as a new bundle that is calibrated anew.

    Args:
        address: folder, S3 address or alias of the bundle.
        data: data folder of its fit.
        target: folder of the new bundle; must not exist.
        s3: settings of the S3 connection.
        overrides: texts `section.setting=value`, such as `calibrate.gate_recall=0.95`; only those
            in `training.fit.AFTERWARDS`, without `novelty`.

    Returns:
        The new bundle, opened and checked.

    Raises:
        AlreadyExistsError: `target` exists.
        BundleError: the bundle is missing or altered, or has learnt no classes.
        DataError: it was fitted on other data, or has no validation pictures with masks.
        SettingsError: an override is wrong, or would take another fit.
    """
    refuse_existing(target)
    dataset = read_dataset(data)
    member = open_member(address, dataset, s3)
    recipe = _changed(member.recipe, overrides)
    digest, record = member.bundle.digest[:12], member.manifest.training
    say(f"bundle {digest} is calibrated anew")
    draft = draft_of_fit(
        dataset,
        record.pictures,
        recipe,
        [f"calibrated anew: the models are those of bundle {digest}"],
        record.minutes,
        member.manifest.novelty,
    )
    update = {"recipe_name": record.recipe_name}
    draft = draft.model_copy(update={"training": draft.training.model_copy(update=update)})
    history = read_history(member.bundle)
    return finish(Fitted(_models(member), draft, history, recipe, member.parts), target)


def _changed(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    values = recipe.model_dump(mode="json")
    problems = apply_overrides(values, overrides)
    changed = validate(Recipe, values, "recipe of the bundle", problems)
    if _of_the_models(changed) != _of_the_models(recipe):
        raise SettingsError(
            f"--set {' '.join(overrides)}: the models or their novelty depend on it; fit again"
        )
    return changed


def _of_the_models(recipe: Recipe) -> tuple[object, ...]:
    """Return the settings that take another fit; the limit of novelty is chosen with one."""
    return recipe.model_dump(exclude=AFTERWARDS), recipe.novelty


def _models(member: Member) -> Models:
    gate = None if member.manifest.gate is None else member.model(ModelName.GATE)
    return Models(gate, member.model(ModelName.SEGMENTER))

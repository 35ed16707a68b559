"""Calibrate a bundle anew: the same models, with thresholds by other settings or a newer version.

Nothing is fitted. The validation part of the bundle's split chooses thresholds again, its forms are
exported and compared again, and its test part measures, as after a fit (`training.finish`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from steeldefect.bundle.files import Bundle, ModelForm, ModelName
from steeldefect.errors import SettingsError
from steeldefect.program.progress import say
from steeldefect.runtimes.keras_files import load_keras_model
from steeldefect.settings import apply_overrides, validate
from steeldefect.stores import S3Settings
from training.backend import keras
from training.data.dataset import read_dataset
from training.export.draft_manifest import draft_of_fit
from training.export.staging import Models, refuse_existing
from training.finish import HISTORY_NAME, Fitted, finish
from training.fitting.checkpoint import History
from training.pooling.members import Member, open_member
from training.recipe import Recipe

_CHANGEABLE = ("calibrate", "compile")
"""Sections of a recipe that the models do not depend on."""


def recalibrate(
    address: str, data: Path, target: Path, s3: S3Settings, overrides: Sequence[str] = ()
) -> Bundle:
    """Write the models of a bundle as a new bundle that is calibrated anew.

    Args:
        address: folder, S3 address or alias of the bundle.
        data: data folder of its fit.
        target: folder of the new bundle; must not exist.
        s3: settings of the S3 connection.
        overrides: texts `calibrate.setting=value` or `compile.setting=value`.

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
    return finish(Fitted(_models(member), draft, _history(member), recipe, member.parts), target)


def _changed(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    for one in overrides:
        if one.partition(".")[0] not in _CHANGEABLE:
            raise SettingsError(
                f"--set {one}: only settings of calibrate and compile can change; for all others, "
                "fit again"
            )
    values = recipe.model_dump(mode="json")
    problems = apply_overrides(values, overrides)
    return validate(Recipe, values, "recipe of the bundle", problems)


def _models(member: Member) -> Models:
    def load(name: ModelName) -> keras.Model:
        return load_keras_model(member.bundle.model_path(name, ModelForm.KERAS))

    gate = None if member.manifest.gate is None else load(ModelName.GATE)
    return Models(gate, load(ModelName.SEGMENTER))


def _history(member: Member) -> dict[str, History]:
    """Return the curves of the fit; none if an early version has kept none."""
    path = member.bundle.folder / HISTORY_NAME
    if not path.exists():
        return {}
    stated = json.loads(path.read_text(encoding="utf-8"))
    return {
        model: {
            name: [float("nan") if value is None else value for value in values]
            for name, values in one.items()
        }
        for model, one in stated.items()
    }

"""A bundle is calibrated anew: the same models and parts, thresholds by other settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.short_fits import tiny_recipe

from steeldefect.bundle.files import Bundle, ModelForm, ModelName, open_bundle
from steeldefect.bundle.manifest import Mirror
from steeldefect.detection.selftest import check_selftest
from steeldefect.errors import SettingsError
from steeldefect.stores import S3Settings
from training.__main__ import main
from training.finish import HISTORY_NAME
from training.fit import fit
from training.recalibrate import recalibrate
from training.recipe import Recipe
from training.splitting.split import SPLIT_NAME

THRESHOLDS = ("pixel_threshold", "seed_threshold", "min_area")


@pytest.fixture(scope="module")
def fitted(learnable: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    recipe = Recipe.model_validate(tiny_recipe(epochs=2))
    return fit(learnable, recipe, tmp_path_factory.mktemp("fit") / "bundle").bundle


def test_without_a_change_all_values_stay(fitted: Bundle, learnable: Path, tmp_path: Path) -> None:
    again = recalibrate(str(fitted.folder), learnable, tmp_path / "again", S3Settings())
    check_selftest(open_bundle(again.folder))
    assert again.manifest.classes == fitted.manifest.classes
    assert again.manifest.gate == fitted.manifest.gate
    assert again.manifest.held_out_scores == fitted.manifest.held_out_scores
    assert again.manifest.training.notes[0] == (
        f"calibrated anew: the models are those of bundle {fitted.digest[:12]}"
    )
    assert again.manifest.training.recipe_name == fitted.manifest.training.recipe_name
    for name in (HISTORY_NAME, SPLIT_NAME):
        assert (again.folder / name).read_bytes() == (fitted.folder / name).read_bytes()
    for model in ModelName:
        files = [one.model_path(model, ModelForm.KERAS) for one in (fitted, again)]
        assert files[0].stat().st_size == files[1].stat().st_size


def test_settings_of_the_calibration_may_change(
    fitted: Bundle, learnable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ["calibrate.objective=null", "calibrate.gate_recall=null"]
    target = tmp_path / "as-stated"
    asked = [str(fitted.folder), "--as-bundle", str(target), "--data", str(learnable)]
    assert main(["recalibrate", *asked, *(f"--set={one}" for one in changes)]) == 0
    assert f"bundle {target}" in capsys.readouterr().out
    made = open_bundle(target).manifest
    assert {tuple(getattr(one, name) for name in THRESHOLDS) for one in made.classes} == {
        (0.4, None, 4)
    }
    assert made.calibration is not None
    assert made.calibration.objective == "none"
    assert made.training.recipe["calibrate"]["objective"] is None


def test_mirrored_copies_take_no_fit(fitted: Bundle, learnable: Path, tmp_path: Path) -> None:
    changes = ["segmenter.mirrors=[horizontal]", "compile.int8_pictures=0"]
    made = recalibrate(str(fitted.folder), learnable, tmp_path / "b", S3Settings(), changes)
    assert made.manifest.segmenter.mirrors == [Mirror.HORIZONTAL]


@pytest.mark.parametrize("change", ["segmenter.epochs=3", "seed=1", "novelty={false_alarms: 0.1}"])
def test_what_takes_a_fit_is_refused(
    fitted: Bundle, learnable: Path, tmp_path: Path, change: str
) -> None:
    problem = re.escape(f"--set {change}: the models or their novelty depend on it; fit again")
    with pytest.raises(SettingsError, match=problem):
        recalibrate(str(fitted.folder), learnable, tmp_path / "b", S3Settings(), [change])
    assert not (tmp_path / "b").exists()

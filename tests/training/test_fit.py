"""Whole fits on a data folder in miniature, by function and by command."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.short_fits import tiny_recipe

from steeldefect.bundle.files import Bundle, ModelForm, ModelName, open_bundle
from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.selftest import check_selftest
from steeldefect.errors import AlreadyExistsError, DataError, SettingsError
from steeldefect.pictures.preprocessing import prepare
from steeldefect.runtimes import RuntimeChoice, RuntimeOptions, choose_engine, open_runtime
from steeldefect.watch.reference import reference_from_json
from training.__main__ import main
from training.backend import keras
from training.data.dataset import read_dataset
from training.fit import FitOptions, FitResult, fit
from training.fitting.gate_and_segmenter import Job, fit_gate, fit_segmenter
from training.fitting.teacher import OpenedTeacher
from training.recipe import Recipe, Teacher
from training.splitting.split import split_pictures
from training.summary import summarise

Write = Callable[[dict[str, Any]], Path]


@pytest.fixture(scope="module")
def fitted(learnable: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    recipe = Recipe.model_validate(tiny_recipe(epochs=2) | {"calibrate": PROVEN})
    return fit(learnable, recipe, tmp_path_factory.mktemp("fit") / "bundle")


PROVEN = {"guarantee": {"missed": 0.05}, "regions": True}
AS_STATED = {"gate_recall": None, "objective": None, "temperature": False}


def test_the_bundle_tells_where_it_comes_from(fitted: FitResult, learnable: Path) -> None:
    manifest = open_bundle(fitted.bundle.folder).manifest
    assert [(one.id, one.name) for one in manifest.classes] == [(1, "light"), (2, "bright")]
    assert str(manifest.picture_sizes) == "64x32"
    record = manifest.training
    assert record.recipe_name == "tiny"
    assert record.pictures == {
        "train": 20,
        "validation": 10,
        "test": 10,
    }
    asked = Recipe.model_validate(tiny_recipe(epochs=2) | {"calibrate": PROVEN})
    assert Recipe.model_validate(record.recipe) == asked
    assert record.data_fingerprint == read_dataset(learnable).fingerprint


def test_scores_come_from_the_test_part_alone(fitted: FitResult) -> None:
    supports = {
        (one.name, one.class_id): one.support for one in fitted.bundle.manifest.held_out_scores
    }
    assert supports["mean_dice", None] == 10 * 2
    assert supports["mean_dice", 1] == 10
    assert supports["gate_accuracy", None] == supports["gate_auc", None] == 10
    assert ("verdict_recall", None) in supports


def test_thresholds_are_chosen_on_the_validation_part(fitted: FitResult) -> None:
    manifest = fitted.bundle.manifest
    calibration = manifest.calibration
    assert manifest.gate is not None
    assert calibration is not None
    assert (calibration.pictures, calibration.target_recall) == (10, 0.99)
    assert calibration.gate_recall == 1.0
    assert calibration.gate_recall_interval is not None
    assert calibration.gate_recall_interval[0] < 0.9, "seven pictures cannot show more"
    assert manifest.gate.threshold != 0.2


def test_what_few_pictures_cannot_prove_is_said_and_the_fit_goes_on(fitted: FitResult) -> None:
    manifest = fitted.bundle.manifest
    assert manifest.calibration is not None
    records = manifest.calibration.guarantees
    assert [(one.class_id, one.held) for one in records] == [(None, False), (1, False), (2, False)]
    assert {one.needed_groups for one in records} == {45}
    notes = "\n".join(manifest.training.notes)
    assert "7 groups of defective validation pictures test it; 45 suffice" in notes
    report = (fitted.bundle.folder / "report.html").read_text(encoding="utf-8")
    assert "Guarantees" in report
    assert "guarantee: class 1 (light): no guarantee; see the note" in summarise(fitted.bundle)


def test_regions_are_calibrated_or_a_note_says_why_not(fitted: FitResult) -> None:
    manifest = fitted.bundle.manifest
    notes = "\n".join(manifest.training.notes)
    for one in manifest.classes:
        refused = (
            f"class {one.id} ({one.name}): the mean probabilities of its regions stay" in notes
        )
        assert refused is (one.region_curve is None)
    assert manifest.calibration is not None
    # after two epochs, the segmenter finds many regions that are not there
    before, after = manifest.calibration.region_calibration_error or (0.0, 0.0)
    assert after < before
    (score,) = (one for one in manifest.held_out_scores if one.name == "gate_calibration_error")
    assert 0 <= (score.value or 0) < 1
    assert score.support == manifest.training.pictures["test"]
    (score,) = (one for one in manifest.held_out_scores if one.name == "region_calibration_error")
    assert score.value is not None
    assert score.value < before


def test_forms_are_measured_and_one_is_the_default(fitted: FitResult) -> None:
    compiled = fitted.bundle.manifest.compiled
    assert compiled is not None
    measured = {one.precision for one in compiled.forms}
    assert {CpuPrecision.F32, CpuPrecision.INT8} <= measured
    assert compiled.default in measured
    assert compiled.default.value in compiled.reason


@pytest.fixture(scope="module")
def fitted_with_extra(
    learnable: Path, extra_pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> FitResult:
    """Fit with extra pictures and the recipe's own thresholds; the work folder stays."""
    content = tiny_recipe(epochs=1) | {"calibrate": AS_STATED, "compile": {"int8_pictures": 0}}
    content["data"] = {"extra": [{"folder": str(extra_pictures), "weight": 0.5}]}
    target = tmp_path_factory.mktemp("extra") / "bundle"
    return fit(learnable, Recipe.model_validate(content), target, FitOptions(keep_states=True))


def test_extra_pictures_are_counted_named_and_in_no_part(
    fitted_with_extra: FitResult, extra_pictures: Path
) -> None:
    record = fitted_with_extra.bundle.manifest.training
    assert record.pictures == {"train": 20, "validation": 10, "test": 10, "extra": 4}
    assert any(note.startswith("4 extra pictures of ") for note in record.notes)
    extra = Recipe.model_validate(record.recipe).data.extra
    assert [(one.folder, one.weight) for one in extra] == [(str(extra_pictures), 0.5)]
    folder = fitted_with_extra.bundle.folder
    assert len((folder / "split.csv").read_text(encoding="utf-8").splitlines()) == 41
    work = folder.with_name("bundle.fit")
    identity = json.loads((work / "identity.json").read_text(encoding="utf-8"))
    assert identity["extra"] == {str(extra_pictures): read_dataset(extra_pictures).fingerprint}


def test_a_recipe_may_keep_its_own_thresholds(fitted_with_extra: FitResult) -> None:
    manifest = fitted_with_extra.bundle.manifest
    assert {(one.min_area, one.pixel_threshold) for one in manifest.classes} == {(4, 0.4)}
    assert manifest.gate is not None
    assert (manifest.gate.threshold, manifest.gate.temperature) == (0.2, 1.0)
    assert manifest.compiled is not None
    assert CpuPrecision.INT8 not in {one.precision for one in manifest.compiled.forms}


def test_split_history_answers_and_report_are_part_of_the_bundle(fitted: FitResult) -> None:
    attached = {"split.csv", "history.json", "held_out.csv", "report.html", "reference.json"}
    assert attached <= set(fitted.bundle.manifest.files)
    folder = fitted.bundle.folder
    assert len((folder / "split.csv").read_text(encoding="utf-8").splitlines()) == 41
    assert len((folder / "held_out.csv").read_text(encoding="utf-8").splitlines()) == 21
    history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    assert len(history["gate"]["val_loss"]) == len(history["segmenter"]["val_loss"]) == 2
    reference = reference_from_json((folder / "reference.json").read_text(encoding="utf-8"))
    split = (folder / "split.csv").read_text(encoding="utf-8")
    assert reference.profiles.overall.pictures == split.count("validation")
    check_selftest(fitted.bundle)


def test_logs_stay_beside_the_bundle_and_states_do_not(fitted: FitResult) -> None:
    work = fitted.bundle.folder.with_name("bundle.fit")
    assert {path.name for path in work.iterdir()} == {"gate", "segmenter"}
    assert not list(work.rglob("*.npz"))
    assert list(work.rglob("events.out.tfevents*"))


def test_keras_and_openvino_give_the_same_answers(fitted: FitResult, learnable: Path) -> None:
    pictures = [one.read() for one in read_dataset(learnable).pictures[:5]]
    for name in fitted.bundle.models:
        answers = []
        for choice in (RuntimeChoice.OPENVINO, RuntimeChoice.TENSORFLOW):
            manifest = fitted.bundle.manifest
            is_gate = name is ModelName.GATE and manifest.gate is not None
            spec = manifest.gate.input if is_gate else manifest.segmenter.input  # type: ignore[union-attr]
            batch = np.stack([prepare(picture, spec) for picture in pictures])
            options = RuntimeOptions(runtime=choice, threads=0)
            answers.append(
                open_runtime(
                    fitted.bundle, name, choose_engine(options, fitted.bundle.manifest.compiled)
                ).predict(batch)
            )
        assert np.abs(answers[0] - answers[1]).max() < 1e-4


def test_the_summary_names_scores_path_and_digest(fitted: FitResult) -> None:
    text = summarise(fitted.bundle)
    for part in ("positives_dice", "2 bright", "gate_recall", fitted.bundle.digest):
        assert part in text
    assert str(fitted.bundle.folder) in text


def test_it_learns(learnable: Path, tmp_path: Path) -> None:
    asked = {"calibrate": {"guarantee": {"missed": 0.7, "confidence": 0.6}}}
    result = fit(
        learnable, Recipe.model_validate(tiny_recipe(epochs=15) | asked), tmp_path / "bundle"
    )
    manifest = open_bundle(result.bundle.folder).manifest
    values = {(one.name, one.class_id): one.value for one in manifest.held_out_scores}
    assert (values["positives_dice", None] or 0) > 0.7
    assert manifest.calibration is not None
    gate, light, bright = manifest.calibration.guarantees
    assert manifest.format_version >= 5
    assert gate.held
    assert (light.held_out_groups or 0) + (bright.held_out_groups or 0) == gate.held_out_groups
    assert "guarantee: gate: at most 70% of the groups are missed" in summarise(result.bundle)


@pytest.mark.parametrize("gated", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_models_may_learn_in_windows_and_then_on_whole_pictures(
    learnable: Path, tmp_path: Path, gated: bool
) -> None:
    content = tiny_recipe(epochs=2)
    crop = {"height": 32, "width": 32, "defect_share": 0.5, "whole_share": 0.5}
    content["segmenter"] |= {"kind": "unet", "augment": {"crop": crop}}
    content["gate"] |= {
        "kind": "places",
        "weights": "segmenter",
        "freeze_base": True,
        "sampling": "by_class",
        "augment": {"crop": crop, "paste": 0.3},
    }
    recipe = Recipe.model_validate(content)
    dataset = read_dataset(learnable)
    parts = split_pictures(dataset.pictures, recipe.split, recipe.seed)
    job = Job(recipe, parts, tuple(dataset.class_names), tmp_path)
    segmenter = fit_segmenter(job)
    assert len(segmenter.history["val_loss"]) == 2
    if not gated:
        return
    gate = fit_gate(job, segmenter)
    assert gate is not None
    assert gate.notes == ("gate began with the weights of the segmenter",)
    assert len(gate.history["val_place_auc"]) == 2
    assert gate.model(np.zeros((3, 32, 64, 1), np.float32)).shape == (3, 1)


def test_the_same_seed_gives_the_same_history(learnable: Path, tmp_path: Path) -> None:
    content = tiny_recipe(epochs=1)
    content["gate"]["kind"] = "none"
    recipe = Recipe.model_validate(content)
    histories = []
    for name in ("one", "other"):
        folder = fit(learnable, recipe, tmp_path / name).bundle.folder
        histories.append(json.loads((folder / "history.json").read_text(encoding="utf-8")))
    for model, curves in histories[0].items():
        for curve, values in curves.items():
            assert values == pytest.approx(histories[1][model][curve], rel=1e-3), (model, curve)


def test_a_segmenter_is_taught_what_its_teacher_answers(
    fitted: FitResult, learnable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"bundle": str(fitted.bundle.folder), "share": 1.0}
    recipe = Recipe.model_validate(tiny_recipe(epochs=1) | {"data": {"teacher": settings}})
    dataset = read_dataset(learnable)
    parts = split_pictures(dataset.pictures, recipe.split, recipe.seed)
    assert recipe.data.teacher is not None
    teacher = OpenedTeacher(recipe.data.teacher, dataset, parts)
    assert teacher.notes == (
        f"the segmenter was taught by bundle {fitted.bundle.digest[:12]}, weight 1 of its class "
        "maps",
    )
    soft = teacher.soft_maps(parts.train, recipe.segmenter.spec, tmp_path)
    detector = open_detector(fitted.bundle, RuntimeOptions(runtime=RuntimeChoice.OPENVINO))
    for picture in parts.train:
        maps = detector.maps([detector.prepare(picture.read())])[0]
        np.testing.assert_allclose(soft(picture) / 255, maps, atol=0.01)
    with monkeypatch.context() as patched:
        patched.setattr("training.fitting.teacher.open_detector", pytest.fail)
        again = teacher.soft_maps(parts.train, recipe.segmenter.spec, tmp_path)
    for picture in parts.train:
        assert (again(picture) == soft(picture)).all(), "a fit that resumes does not ask again"
    classes = tuple(dataset.class_names)
    losses = [
        fit_segmenter(Job(recipe, parts, classes, tmp_path / str(taught), teacher=taught)).history
        for taught in (None, teacher)
    ]
    assert losses[0]["loss"] != pytest.approx(losses[1]["loss"], rel=1e-3)
    assert losses[0]["val_loss"] != losses[1]["val_loss"]


def test_a_segmenter_learns_unlabelled_pictures_from_its_own_average(
    learnable: Path, extra_pictures: Path, tmp_path: Path
) -> None:
    content = tiny_recipe(epochs=1)
    content["gate"]["kind"] = "none"
    content["segmenter"]["optimizer"] = content["segmenter"]["optimizer"] | {"averaging": 0.9}
    content["data"] = {"unlabelled": {"folder": str(extra_pictures), "begin": 0.0}}
    bundle = fit(learnable, Recipe.model_validate(content), tmp_path / "b").bundle
    assert bundle.manifest.training.pictures == {"train": 20, "validation": 10, "test": 10}
    notes = "\n".join(bundle.manifest.training.notes)
    assert f"the segmenter learnt 4 unlabelled pictures of {extra_pictures} from its own" in notes
    history = json.loads((bundle.folder / "history.json").read_text(encoding="utf-8"))
    assert np.isfinite(history["segmenter"]["loss"]).all()


def test_a_teacher_must_not_know_what_is_held_out(fitted: FitResult, learnable: Path) -> None:
    dataset = read_dataset(learnable)
    settings = Teacher(bundle=str(fitted.bundle.folder))
    other = split_pictures(dataset.pictures, Recipe.model_validate(tiny_recipe(1)).split, seed=1)
    with pytest.raises(DataError, match=r"was fitted on \d+ pictures that this fit holds out"):
        OpenedTeacher(settings, dataset, other)
    renamed = replace(dataset, class_names={1: "light", 2: "other"})
    with pytest.raises(DataError, match="has other classes than"):
        OpenedTeacher(settings, renamed, other)
    unknown = replace(dataset, fingerprint="other")
    assert "was not checked" in OpenedTeacher(settings, unknown, other).notes[1]


@pytest.mark.slow
def test_a_split_file_serves_every_recipe(learnable: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.csv"
    arguments = ["split", "--data", str(learnable), "--out", str(split), "--folds", "3"]
    assert main(arguments) == 0
    content = tiny_recipe(epochs=1) | {"calibrate": AS_STATED, "compile": {"int8_pictures": 0}}
    recipe = Recipe.model_validate(content)
    folders = []
    for fold in range(3):
        options = FitOptions(split_file=split, fold=fold)
        folders.append(fit(learnable, recipe, tmp_path / f"b{fold}", options).bundle.folder)
    assert main(["pool", *map(str, folders)]) == 0
    assert main(["pool", str(folders[0]), str(folders[0])]) == DataError.exit_code


KILLED_AFTER = """
import os, sys
from training.fitting import early_stopping
keep = early_stopping.save_state
def save_and_die(state, path):
    keep(state, path)
    if path.parent.name == sys.argv[1] and state.epochs == 2:
        os.kill(os.getpid(), 9)
early_stopping.save_state = save_and_die
from training.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("model", ["segmenter", "gate"])
def test_a_fit_that_was_killed_ends_as_one_that_was_not(
    learnable: Path, tmp_path: Path, write_recipe: Write, model: str
) -> None:
    content = tiny_recipe(epochs=4) | {"compile": {"int8_pictures": 0}}
    for part in ("gate", "segmenter"):
        content[part]["optimizer"] |= {"schedule": "cosine", "averaging": 0.9}
    recipe = str(write_recipe(content))

    def arguments(bundle: str) -> list[str]:
        return [
            *("fit", "--data", str(learnable), "--recipe", recipe),
            *("--bundle", str(tmp_path / bundle)),
        ]

    assert main(arguments("straight")) == 0
    dying = [sys.executable, "-c", KILLED_AFTER, model, *arguments("killed")]
    assert subprocess.run(dying, check=False, capture_output=True).returncode == -9
    assert not (tmp_path / "killed").exists()
    assert main(arguments("killed")) == 0
    models = []
    for name in ("straight", "killed"):
        bundle = open_bundle(tmp_path / name)
        models.append([keras_weights(bundle, one) for one in bundle.models])
    for one, other in zip(*models, strict=True):
        for expected, found in zip(one, other, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def keras_weights(bundle: Bundle, model: ModelName) -> list[np.ndarray]:
    path = bundle.model_path(model, ModelForm.KERAS)
    loaded = keras.saving.load_model(path, compile=False)
    return loaded.get_weights()  # type: ignore[no-any-return]


def test_a_work_folder_of_another_fit_is_refused(learnable: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "identity.json").write_text('{"recipe": "another"}', encoding="utf-8")
    recipe = Recipe.model_validate(tiny_recipe(epochs=1))
    with pytest.raises(SettingsError, match="another recipe, data or split; delete it"):
        fit(learnable, recipe, tmp_path / "b", FitOptions(work=work))


@pytest.mark.slow
def test_a_time_budget_ends_in_a_valid_bundle(learnable: Path, tmp_path: Path) -> None:
    content = tiny_recipe(epochs=100_000) | {"compile": {"int8_pictures": 0}}
    for part in ("gate", "segmenter"):
        content[part]["patience"] = 100_000
    recipe = Recipe.model_validate(content)
    began = time.monotonic()
    result = fit(learnable, recipe, tmp_path / "b", FitOptions(max_minutes=0.5))
    assert time.monotonic() - began < 300
    assert result.minutes < 2
    assert sum("its time was over" in note for note in result.bundle.manifest.training.notes) == 2
    check_selftest(open_bundle(tmp_path / "b"))


def test_a_class_without_pictures_is_named(learnable: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(learnable, data)
    names = {"1": "light", "2": "bright", "7": "never seen"}
    (data / "classes.json").write_text(json.dumps(names), encoding="utf-8")
    content = tiny_recipe(epochs=1) | {"calibrate": AS_STATED, "compile": {"int8_pictures": 0}}
    with pytest.raises(DataError, match=r"shows class 7 never seen.*missing_class=warn"):
        fit(data, Recipe.model_validate(content), tmp_path / "b")
    content["missing_class"] = "warn"
    manifest = fit(data, Recipe.model_validate(content), tmp_path / "b").bundle.manifest
    assert any("7 never seen" in note for note in manifest.training.notes)


def test_an_existing_bundle_stops_the_fit_before_it_begins(tmp_path: Path) -> None:
    recipe = Recipe.model_validate(tiny_recipe(epochs=1))
    with pytest.raises(AlreadyExistsError):
        fit(tmp_path / "no data needed", recipe, tmp_path)


@pytest.fixture
def all_defective(folder: Any) -> Path:
    for number in range(12):
        folder.picture(f"p{number:02d}.png", {1: folder.square(number, 3 * number)})
    folder.masks_table()
    return folder.path


def test_a_gate_needs_clean_pictures(all_defective: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(tiny_recipe(epochs=1))
    with pytest.raises(DataError, match=r"without clean pictures.*--set gate\.kind=none"):
        fit(all_defective, recipe, tmp_path / "bundle")


def test_without_a_gate_every_picture_is_segmented(
    all_defective: Path, tmp_path: Path, write_recipe: Write
) -> None:
    target = tmp_path / "bundle"
    recipe = write_recipe(tiny_recipe(epochs=9))
    arguments = ["fit", "--data", str(all_defective), "--recipe", str(recipe)]
    arguments += ["--bundle", str(target), "--set", "gate.kind=none", "--epochs", "1"]
    assert main(arguments) == 0
    bundle = open_bundle(target)
    assert bundle.manifest.gate is None
    assert bundle.models == (ModelName.SEGMENTER,)
    assert bundle.manifest.training.recipe["gate"]["kind"] == "none"  # type: ignore[index,call-overload]


def test_errors_end_in_one_line_and_their_exit_code(
    tmp_path: Path,
    settings: dict[str, Any],
    write_recipe: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = str(write_recipe(settings))
    arguments = ["fit", "--data", str(tmp_path / "gone"), "--bundle", str(tmp_path / "b")]
    assert main([*arguments, "--recipe", recipe]) == DataError.exit_code
    assert main([*arguments, "--recipe", recipe, "--set", "gate.kind=5", "--set", "x"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)


@pytest.mark.parametrize("minutes", ["0", "-3", "nan", "inf", "soon"])
def test_minutes_are_above_nothing(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fit", "--data", "d", "--recipe", "r", "--bundle", "b", "--max-minutes", minutes]
    assert main(arguments) == SettingsError.exit_code
    assert "not a number of minutes above 0" in capsys.readouterr().err


def test_help_does_not_wait_for_tensorflow() -> None:
    code = (
        "import sys; from training.__main__ import main\n"
        "try: main(['fit', '--help'])\n"
        "except SystemExit: print('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--recipe" in done.stdout
    assert done.stdout.endswith("False\n")


def test_generate_then_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", "--data", str(tmp_path / "d"), "--pictures", "3", "--seed", "1"]
    assert main(arguments) == 0
    assert len(read_dataset(tmp_path / "d").pictures) == 3
    assert main(["generate", "--data", str(tmp_path / "e"), "--pictures", "0"]) == 2
    assert "error: " in capsys.readouterr().err

"""Bundles that become one: it gives their mean, and nobody chooses by what it was fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.random_models import awake

from steeldefect.bundle import manifest
from steeldefect.bundle.files import Bundle, open_bundle
from steeldefect.bundle.manifest import Manifest, Mirror, with_lowest_format
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.selftest import check_selftest
from steeldefect.errors import AlreadyExistsError, BundleError, DataError
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from steeldefect.stores import S3Settings
from steeldefect.watch.bundle_reference import REFERENCE_NAME
from steeldefect.watch.reference import reference_from_json
from training.__main__ import main
from training.backend import keras
from training.calibration.calibrate import calibrate
from training.calibration.measure import measure
from training.calibration.region_confidence import calibrate_regions
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.evaluation.held_out_csv import HELD_OUT_NAME, read_held_out
from training.evaluation.run_detector import run_detector
from training.evaluation.score_held_out import score_held_out
from training.export.seal import seal
from training.export.staging import Models, staging
from training.models import build_gate, build_segmenter
from training.models.novelty import Odd
from training.models.pooled import mean_gate, mean_segmenter
from training.models.shared import in_two_parts
from training.pooling.evidence import NO_GUARANTEE, OF_FOLDS, answered_by
from training.pooling.members import Member, recipe_of
from training.pooling.pool import pool_as_bundle
from training.recipe import Calibrate, Gate, Guarantee, Recipe, Segmenter
from training.splitting.split import SPLIT_NAME, Parts, read_split

PART = {
    "kind": "small",
    "input": {"height": 32, "width": 64, "channels": 1, "scaling": "standard"},
    "epochs": 1,
    "batch_size": 8,
    "optimizer": {"kind": "adam", "learning_rate": 0.01},
}
RECIPE = Recipe.model_validate(
    {
        "name": "tiny",
        "gate": {**PART, "threshold": 0.2},
        "segmenter": {**PART, "loss": "bce_dice", "min_area": 4, "pixel_threshold": 0.4},
        "compile": {"int8_pictures": 0},
        "calibrate": {"regions": True},
    }
)
EXACT = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.F32, threads=0)
AS_SCORED = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.AUTO, threads=0)
DraftOf = Callable[..., Manifest]


@dataclass(frozen=True)
class Plant:
    """A data folder, and a function that writes a bundle with random models and given parts."""

    data: Path
    dataset: DataSet
    write: Callable[..., Bundle]


@pytest.fixture(scope="module")
def plant(learnable: Path, draft: DraftOf, tmp_path_factory: pytest.TempPathFactory) -> Plant:
    dataset = read_dataset(learnable)

    def write(seed: int, parts: Parts, recipe: Recipe = RECIPE, **other: Any) -> Bundle:
        keras.utils.set_random_seed(seed)
        models = Models(
            awake(build_gate(recipe.gate)[0]), awake(build_segmenter(recipe.segmenter, 2)[0])
        )
        made = draft()
        record = made.training.model_copy(
            update={
                "recipe_name": "tiny",
                "recipe": recipe.model_dump(mode="json"),
                "seed": seed,
                "data_fingerprint": dataset.fingerprint,
                "pictures": parts.counts(),
            }
        )
        names = dataset.class_names
        classes = [
            one.model_copy(
                update={"name": names[one.id], "pixel_threshold": 0.3 + 0.1 * (seed % 3)}
            )
            for one in made.classes
        ]
        manifest = made.model_copy(update={"training": record, "classes": classes} | other)
        target = tmp_path_factory.mktemp("members") / f"b{seed}"
        with staging(target, models, manifest) as staged:
            return seal(staged, target, manifest, {SPLIT_NAME: parts.to_csv()})

    return Plant(learnable, dataset, write)


def parts_of(pictures: Sequence[LabelledPicture], first: int) -> Parts:
    """Return parts whose test part begins with picture `first`."""
    turned = [*pictures[first:], *pictures[:first]]
    return Parts(tuple(turned[20:]), tuple(turned[10:20]), tuple(turned[:10]))


@pytest.fixture(scope="module")
def seeds(plant: Plant) -> list[Bundle]:
    parts = parts_of(plant.dataset.pictures, 0)
    return [plant.write(seed, parts) for seed in (1, 2)]


@pytest.fixture(scope="module")
def of_seeds(plant: Plant, seeds: list[Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    target = tmp_path_factory.mktemp("pooled") / "mean"
    return pool_as_bundle(addresses(seeds), plant.data, target, S3Settings())


@pytest.fixture(scope="module")
def folds(plant: Plant) -> list[Bundle]:
    pictures = plant.dataset.pictures
    return [plant.write(seed, parts_of(pictures, 10 * seed)) for seed in (0, 1)]


@pytest.fixture(scope="module")
def of_folds(plant: Plant, folds: list[Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    target = tmp_path_factory.mktemp("pooled") / "mean"
    return pool_as_bundle(addresses(folds), plant.data, target, S3Settings())


def addresses(bundles: Sequence[Bundle]) -> list[str]:
    return [str(one.folder) for one in bundles]


def raw(bundle: Bundle, pictures: Sequence[LabelledPicture]) -> tuple[Any, Any]:
    """Return the gate's probabilities before their temperature, and the class maps."""
    assert bundle.manifest.gate is not None
    gate = bundle.manifest.gate.model_copy(update={"temperature": 1.0})
    stated = bundle.manifest.model_copy(update={"gate": gate})
    detector = open_detector(replace(bundle, manifest=stated), EXACT)
    prepared = [detector.prepare(one.read()) for one in pictures]
    return detector.gate(prepared), detector.maps(prepared)


def test_answers_are_the_mean_of_the_members(
    plant: Plant, seeds: list[Bundle], of_seeds: Bundle
) -> None:
    some = plant.dataset.pictures[:5]
    members = [raw(one, some) for one in seeds]
    pooled = raw(of_seeds, some)
    for place in (0, 1):
        each = [one[place] for one in members]
        assert not np.allclose(each[0], each[1], atol=0.01), "the members differ"
        np.testing.assert_allclose(pooled[place], np.mean(each, axis=0), atol=1e-5)


def test_it_is_a_whole_bundle_that_names_its_members(seeds: list[Bundle], of_seeds: Bundle) -> None:
    again = open_bundle(of_seeds.folder)
    check_selftest(again)
    record = again.manifest.training
    assert record.recipe_name == "pool of 2: tiny"
    assert record.notes[0] == (
        f"the mean of 2 bundles: {seeds[0].digest[:12]} (seed 1), {seeds[1].digest[:12]} (seed 2)"
    )
    assert again.manifest.calibration is not None
    assert again.manifest.calibration.pictures == 10


def test_bundles_of_one_split_are_measured_on_its_test_part(plant: Plant, of_seeds: Bundle) -> None:
    test = parts_of(plant.dataset.pictures, 0).test
    held_out = score_held_out(open_detector(of_seeds, AS_SCORED), test)
    stated = of_seeds.manifest.held_out_scores
    assert stated[: len(held_out.scores)] == held_out.scores
    assert [one.name for one in stated[len(held_out.scores) :]] == ["gate_calibration_error"]
    assert (of_seeds.folder / HELD_OUT_NAME).read_text() == held_out.to_csv()


def test_each_picture_of_folds_is_measured_by_the_member_that_held_it_out(
    plant: Plant, folds: list[Bundle], of_folds: Bundle
) -> None:
    """Its thresholds are those that the pictures of the other fold choose."""
    path = of_folds.folder / HELD_OUT_NAME
    rows = read_held_out(path.read_bytes(), "pooled")
    assert len(rows.pictures) == 20
    for number, member in enumerate(folds):
        test = parts_of(plant.dataset.pictures, 10 * number).test
        chosen = chosen_by(folds[1 - number], plant, 10 * (1 - number))
        values = {"classes": chosen.classes, "gate": chosen.gate}
        stated = with_lowest_format(member.manifest.model_copy(update=values))
        detector = open_detector(replace(member, manifest=stated), AS_SCORED)
        own = score_held_out(detector, test).table
        of_member = read_held_out(own.to_csv(index=False).encode(), "member")
        same = rows.pictures.loc[of_member.pictures.index]
        assert same["probability"].to_numpy() == pytest.approx(
            of_member.pictures["probability"].to_numpy(), abs=1e-6
        )
        pairs = rows.pairs[rows.pairs["ImageId"].isin(of_member.pictures.index)]
        assert pairs["tp"].tolist() == of_member.pairs["tp"].tolist()
    assert OF_FOLDS in of_folds.manifest.training.notes
    assert of_folds.manifest.training.pictures == {"train": 40, "validation": 0, "test": 0}
    assert of_folds.manifest.calibration is not None
    assert of_folds.manifest.calibration.pictures == 20


def chosen_by(member: Bundle, plant: Plant, first: int) -> Manifest:
    """Return a draft, calibrated on the answers of one member for its test part."""
    gate = manifest.Gate(input=RECIPE.gate.spec, threshold=0.2)
    classes = [
        one.model_copy(update={"pixel_threshold": 0.4, "min_area": 4, "region_curve": None})
        for one in member.manifest.classes
    ]
    draft = member.manifest.model_copy(update={"gate": gate, "classes": classes})
    test = parts_of(plant.dataset.pictures, first).test
    measured = measure(open_detector(replace(member, manifest=draft), EXACT), test)
    made = calibrate(measured, draft, test, RECIPE.calibrate).manifest
    results = run_detector(open_detector(replace(member, manifest=made), EXACT), test)
    return calibrate_regions(made, [one for each in results for one in each.regions]).manifest


def test_the_reference_of_folds_is_made_of_what_they_held_out(
    plant: Plant, folds: list[Bundle], of_folds: Bundle
) -> None:
    expected: list[float] = []
    for number, member in enumerate(folds):
        stated = member.manifest.model_copy(update={"gate": of_folds.manifest.gate})
        detector = open_detector(replace(member, manifest=stated), EXACT)
        test = parts_of(plant.dataset.pictures, 10 * number).test
        answers = detector.judge([detector.prepare(one.read()) for one in test])
        expected += answers.probability.tolist()
    reference = reference_from_json((of_folds.folder / REFERENCE_NAME).read_bytes())
    values = reference.profiles.overall.samples["gate_probability"].values
    assert values == pytest.approx(sorted(expected), abs=1e-6)


def test_folds_guarantee_nothing(plant: Plant, folds: list[Bundle]) -> None:
    dataset = plant.dataset
    members = [Member(one, read_split(one.folder / SPLIT_NAME, dataset.pictures)) for one in folds]
    wanted = Calibrate(guarantee=Guarantee(missed=0.3, confidence=0.8))
    asked = RECIPE.model_copy(update={"calibrate": wanted})
    recipe, notes = answered_by(members).admitted(asked)
    assert recipe.calibrate == Calibrate()
    assert notes == [OF_FOLDS, NO_GUARANTEE]
    same = answered_by([members[0], members[0]])
    assert same.admitted(asked) == (asked, []), "one split: the mean itself is tested"


def test_the_command_writes_the_bundle_and_prints_its_scores(
    of_seeds: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def pooled(*arguments: Any) -> Bundle:
        asked.extend(arguments[:3])
        return of_seeds

    monkeypatch.setattr("training.pooling.pool.pool_as_bundle", pooled)
    arguments = ["--as-bundle", str(tmp_path / "mean"), "--data", str(tmp_path)]
    assert main(["pool", "b1", "b2", *arguments]) == 0
    assert asked == [["b1", "b2"], tmp_path, tmp_path / "mean"]
    out = capsys.readouterr().out
    assert "held-out scores on 10 pictures" in out
    assert f"digest {of_seeds.digest}" in out


@pytest.mark.parametrize("missing", ["--data", "--as-bundle"])
def test_one_option_without_the_other_is_refused(
    seeds: list[Bundle], tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--as-bundle": str(tmp_path / "mean"), "--data": str(tmp_path)}
    del given[missing]
    assert (
        main(["pool", *addresses(seeds), *(part for pair in given.items() for part in pair)]) == 2
    )
    assert "give --as-bundle and --data together" in capsys.readouterr().err


class TestRefused:
    def pool(self, plant: Plant, bundles: Sequence[Bundle], target: Path) -> None:
        pool_as_bundle(addresses(bundles), plant.data, target, S3Settings())

    def test_one_bundle_twice(self, plant: Plant, seeds: list[Bundle], tmp_path: Path) -> None:
        for bundles in ([seeds[0]], [seeds[0], seeds[0]]):
            with pytest.raises(BundleError, match="two or more bundles, and each of them once"):
                self.pool(plant, bundles, tmp_path / "mean")

    def test_a_folder_that_exists(self, plant: Plant, seeds: list[Bundle], tmp_path: Path) -> None:
        with pytest.raises(AlreadyExistsError):
            self.pool(plant, seeds, tmp_path)

    def test_other_mirrors(self, plant: Plant, seeds: list[Bundle], tmp_path: Path) -> None:
        mirrors = [Mirror.HORIZONTAL]
        segmenter = seeds[0].manifest.segmenter.model_copy(update={"mirrors": mirrors})
        other = plant.write(5, parts_of(plant.dataset.pictures, 0), segmenter=segmenter)
        with pytest.raises(BundleError, match="differ in: mirrored copies; fit them"):
            self.pool(plant, [seeds[0], other], tmp_path / "mean")

    def test_a_recipe_of_a_newer_version(self, seeds: list[Bundle]) -> None:
        record = seeds[0].manifest.training
        recipe = {**record.recipe, "gate": {**record.recipe["gate"], "looks": 2}}  # type: ignore[dict-item]
        training = record.model_copy(update={"recipe": recipe})
        newer = seeds[0].manifest.model_copy(update={"training": training})
        with pytest.raises(BundleError, match=r"gate\.looks: no such setting.*; use the version"):
            recipe_of(replace(seeds[0], manifest=newer))

    def test_other_data(self, plant: Plant, seeds: list[Bundle], tmp_path: Path) -> None:
        record = seeds[0].manifest.training.model_copy(update={"data_fingerprint": "other"})
        other = plant.write(6, parts_of(plant.dataset.pictures, 0), training=record)
        with pytest.raises(DataError, match="was fitted on other data"):
            self.pool(plant, [seeds[0], other], tmp_path / "mean")

    def test_test_parts_with_common_pictures(
        self, plant: Plant, seeds: list[Bundle], tmp_path: Path
    ) -> None:
        other = plant.write(7, parts_of(plant.dataset.pictures, 5))
        with pytest.raises(DataError, match="neither one split nor test parts without common"):
            self.pool(plant, [seeds[0], other], tmp_path / "mean")
        assert not (tmp_path / "mean").exists()


CONTENT = {**PART, "kind": "unet", "loss": "bce_dice"}
SHARED = Gate.model_validate(
    {**PART, "kind": "shared", "weights": "segmenter", "freeze_base": True}
)


def two_parts(seed: int, odd: bool) -> tuple[keras.Model, keras.Model]:
    """Return both parts of a random network with a shared encoder."""
    keras.utils.set_random_seed(seed)
    segmenter = awake(build_segmenter(Segmenter.model_validate(CONTENT), 2)[0])
    gate = awake(build_gate(SHARED, segmenter)[0])
    judged = None
    if odd:
        judged = Odd.standard(gate.get_layer("encoder").output, 32, 64, 30.0 * seed)
    return in_two_parts(gate, segmenter, SHARED, judged)


@pytest.mark.parametrize("odd", [False, True], ids=["classes", "novelty too"])
def test_networks_with_a_shared_encoder_are_joined(odd: bool) -> None:
    members = [two_parts(seed, odd) for seed in (1, 2)]
    gate = mean_gate([one[0] for one in members], shared=True, odd=odd)
    segmenter = mean_segmenter([one[1] for one in members], odd=odd)
    pictures = np.random.default_rng(1).normal(size=(3, 32, 64, 1)).astype(np.float32)
    answers, *features = gate(pictures)
    maps = np.asarray(segmenter(features))
    each = [(one[0](pictures)[0], one[1](one[0](pictures)[1:])) for one in members]
    named = slice(0, -1) if odd else slice(None)
    for mean, of_members in ((answers, [one[0] for one in each]), (maps, [one[1] for one in each])):
        of_classes = np.mean([np.asarray(one)[..., named] for one in of_members], axis=0)
        np.testing.assert_allclose(np.asarray(mean)[..., named], of_classes, atol=1e-6)
        if odd:
            first = np.asarray(of_members[0])[..., -1]
            assert not np.allclose(first, np.asarray(of_members[1])[..., -1])
            np.testing.assert_array_equal(np.asarray(mean)[..., -1], first)

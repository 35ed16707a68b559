"""`rethreshold` says what the bundle would have found, compared with its own class maps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import (
    CLASSES,
    HEIGHT,
    WIDTH,
    build_rule_bundle,
    plain_picture,
    save,
    score_arguments,
)
from support.short_runs import OPTIONS, score_without_spark

from steeldefect.analysis.level_masks import boxes, run_length_texts
from steeldefect.analysis.rethreshold import _ADDED, NewThreshold, rethresholded
from steeldefect.analysis.sql import kaggle_rows, query
from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import Gate, GateMode
from steeldefect.cli import main as steeldefect
from steeldefect.detection import gating
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.outline import Finding, find_defect
from steeldefect.errors import SettingsError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import InputSpec, Scaling
from steeldefect.stores import Store, open_store
from steeldefect.upkeep.health import check_tables

LEVELS = (0.3, 0.7, 0.9)
PICTURES = 8
BRIGHT = 1


def blurred_picture(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a picture whose bright places have soft edges: probabilities of all sizes."""
    noise = np.random.default_rng(seed).random((HEIGHT, WIDTH), dtype=np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    scaled = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return (100 + 115 * scaled).astype(np.uint8)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for seed in range(PICTURES):
        save(blurred_picture(seed), folder / f"{seed}.png")
    save(plain_picture(), folder / "plain.png")
    return folder


@pytest.fixture(scope="module")
def scored(archive: Path, rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The tables of a run that kept masks at three levels."""
    output = tmp_path_factory.mktemp("scored") / "output"
    arguments = score_arguments(archive, rule_bundle.folder, output)
    levels = ("--set", f"mask_levels={list(LEVELS)}")
    assert score_without_spark([*arguments, *levels]) == 0
    store = open_store(str(output))
    assert check_tables(store) == []
    return store


def expected(
    archive: Path, bundle: Bundle, threshold: float, min_area: int, seed: float | None = None
) -> dict[str, Finding]:
    """Return what the bundle finds with other thresholds, computed from its class maps."""
    detector = open_detector(bundle, OPTIONS)
    wanted = bundle.manifest.classes[0].model_copy(
        update={"pixel_threshold": threshold, "seed_threshold": seed, "min_area": min_area}
    )
    found = {}
    for path in sorted(archive.iterdir()):
        prepared = detector.prepare(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        if not detector.passes(detector.gate([prepared]))[0]:
            continue
        maps = detector.maps([prepared])[0]
        finding = find_defect(maps[:, :, 0], prepared.shape, wanted)
        if finding is not None:
            found[path.name] = finding
    return found


def answered(store: Store, **asked: Any) -> dict[str, dict[str, Any]]:
    with rethresholded(store, NewThreshold(BRIGHT, **asked)) as answer:
        rows = [row for table in answer.found() for row in table.to_pylist()]
    assert len({row["key"] for row in rows}) == len(rows)
    return {row["key"]: row for row in rows}


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("min_area", [0, 40, 400])
def test_answers_are_those_of_the_class_maps(
    scored: Store, archive: Path, rule_bundle: Bundle, threshold: float, min_area: int
) -> None:
    found = answered(scored, threshold=threshold, min_area=min_area)
    wanted = expected(archive, rule_bundle, threshold, min_area)
    assert sorted(found) == sorted(wanted)
    for key, finding in wanted.items():
        row = found[key]
        assert row["run_lengths"] == run_lengths.to_text(finding.runs)
        assert (row["area"], row["regions"]) == (finding.area, finding.region_count)
        assert (row["box_top"], row["box_left"]) == (finding.box.top, finding.box.left)
        assert (row["box_bottom"], row["box_right"]) == (finding.box.bottom, finding.box.right)
        assert row["share"] == finding.share
        assert row["mean_probability"] == np.float32(finding.mean_probability)
        assert row["max_probability"] == np.float32(finding.max_probability)


def test_the_own_threshold_gives_the_own_predictions(scored: Store) -> None:
    own = query(scored, "select * from predictions where class_id = 1").to_pylist()
    for asked in ({}, {"threshold": 0.5}, {"threshold": 0.5, "min_area": 0}):
        found = answered(scored, **asked)
        assert sorted(found) == sorted(row["key"] for row in own)
        for row in own:
            assert found[row["key"]].items() <= row.items()


def test_each_level_lies_inside_the_one_before(scored: Store) -> None:
    rows = query(
        scored, "select key, class_id, level, starts, lengths from mask_levels"
    ).to_pylist()
    masks: dict[tuple[str, int], dict[float, set[int]]] = {}
    for row in rows:
        pixels = {
            pixel
            for start, length in zip(row["starts"], row["lengths"], strict=True)
            for pixel in range(start, start + length)
        }
        masks.setdefault((row["key"], row["class_id"]), {})[row["level"]] = pixels
    assert len(masks) >= PICTURES
    for levels in masks.values():
        ordered = [levels[level] for level in sorted(levels)]
        assert all(later < earlier for earlier, later in pairwise(ordered))


def test_a_seed_threshold_holds_at_the_own_threshold_alone(archive: Path, tmp_path: Path) -> None:
    bright, dark = CLASSES
    values = {"pixel_threshold": 0.3, "seed_threshold": 0.9, "min_area": 30}
    classes = (bright.model_copy(update=values), dark)
    bundle = build_rule_bundle(tmp_path / "seeded", classes=classes)
    arguments = score_arguments(archive, bundle.folder, tmp_path / "output")
    assert score_without_spark([*arguments, "--set", "mask_levels=[0.5]"]) == 0
    store = open_store(str(tmp_path / "output"))
    cases = {"seeded": (0.3, 0, 0.9), "with its own area": (0.3, 30, 0.9), "plain": (0.5, 0, None)}
    for name, (threshold, min_area, seed) in cases.items():
        found = answered(store, threshold=threshold, min_area=min_area)
        wanted = expected(archive, bundle, threshold, min_area, seed)
        assert wanted
        masks = {key: run_lengths.to_text(one.runs) for key, one in wanted.items()}
        assert {key: row["run_lengths"] for key, row in found.items()} == masks, name
    unseeded = expected(archive, bundle, 0.3, 0)
    seeded = expected(archive, bundle, 0.3, 0, 0.9)
    assert sum(one.area for one in seeded.values()) < sum(one.area for one in unseeded.values())
    assert {row["key"] for row in query(store, "select key from predictions where class_id = 1")
            .to_pylist()} == set(expected(archive, bundle, 0.3, 30, 0.9))  # fmt: skip


def test_between_two_levels_there_is_no_answer(scored: Store) -> None:
    problem = r"kept no masks of class 1 at 0\.6; it kept 0\.3, 0\.5, 0\.7, 0\.9; choose one"
    with (
        pytest.raises(SettingsError, match=problem),
        rethresholded(scored, NewThreshold(BRIGHT, 0.6)),
    ):
        pass
    with (
        pytest.raises(SettingsError, match="--class 9: the bundle has the classes 1, 2"),
        rethresholded(scored, NewThreshold(9)),
    ):
        pass


def test_without_levels_only_larger_areas_are_answered(
    archive: Path, rule_bundle: Bundle, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    assert score_without_spark(score_arguments(archive, rule_bundle.folder, output)) == 0
    store = open_store(str(output))
    assert answered(store, min_area=400).keys() == expected(archive, rule_bundle, 0.5, 400).keys()
    with (
        pytest.raises(SettingsError, match="without the setting mask_levels it kept only what"),
        rethresholded(store, NewThreshold(BRIGHT, 0.7)),
    ):
        pass


def test_the_command_writes_tables_of_their_own(
    scored: Store,
    archive: Path,
    rule_bundle: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["--class", "1", "--threshold", "0.7", "--min-area", "40"]
    target = tmp_path / "answer"
    arguments = ["rethreshold", "--output", scored.uri, *asked, "--to", str(target)]
    assert steeldefect(arguments) == 0
    shown = capsys.readouterr().out.splitlines()
    wanted = expected(archive, rule_bundle, 0.7, 40)
    area = sum(finding.area for finding in wanted.values())
    assert f"found on {len(wanted)} pictures, {area} pixels; as it was scored: on" in shown[0]
    store = open_store(str(target))
    assert check_tables(store) == []
    derived = f"{rule_bundle.digest}/class=1,threshold=0.7,min_area=40"
    assert shown[1].endswith(f"as bundle {derived}; tables at {target}")
    exported = {
        (row["ImageId"], row["ClassId"]): row["EncodedPixels"]
        for row in kaggle_rows(store, None, False).to_pylist()
    }
    ours = {(key, 1): run_lengths.to_text(one.runs) for key, one in wanted.items()}
    others = query(scored, "select image_id, class_id, run_lengths from predictions").to_pylist()
    kept = {
        (row["image_id"], row["class_id"]): row["run_lengths"]
        for row in others
        if row["class_id"] != 1
    }
    assert exported == ours | kept
    images = query(store, "select * from images").to_pylist()
    assert len(images) == PICTURES + 1
    assert {row["bundle"] for row in images} == {derived}
    for row in images:
        classes = [key for key in exported if key[0] == row["image_id"]]
        assert row["defects"] == len(classes)
        gated = row["image_id"] == "plain.png"
        assert row["verdict"] == ("gated" if gated else "defect" if classes else "clean")
        assert row["regions"] is None
    (run,) = query(store, "select job, settings, thresholds from runs").to_pylist()
    assert run["job"] == "rethreshold"
    assert rule_bundle.digest in run["settings"]
    assert '"1":{"pixel_threshold":0.7,"min_area":40}' in run["thresholds"]
    assert steeldefect(["rethreshold", "--output", scored.uri, *asked, "--to", scored.uri]) == 2
    assert "the answer needs an output of its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--threshold", "1"], "--threshold 1: expected above 0 and below 1"),
        (["--min-area", "-1"], "--min-area -1: expected 0 or more"),
    ],
)
def test_wrong_arguments(
    scored: Store, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steeldefect(["rethreshold", "--output", scored.uri, "--class", "1", *arguments]) == 2
    assert problem in capsys.readouterr().err


@given(st.floats(0, 1, width=32), st.floats(0.01, 1), st.integers(0, 10_000))
def test_a_soft_gate_asks_for_the_area_that_scoring_asks_for(
    probability: float, threshold: float, soft_area: int
) -> None:
    spec = InputSpec(height=8, width=8, channels=1, scaling=Scaling.UNIT)
    gate = Gate(input=spec, threshold=threshold, mode=GateMode.SOFT, soft_area=soft_area)
    wanted = int(gating.added_area(gate, np.array([probability], np.float32))[0])
    statement = f"SELECT {_ADDED} FROM (SELECT $1::FLOAT AS gate_probability, $2, $3)"  # noqa: S608
    (found,) = duckdb.execute(statement, [probability, 0, 0, threshold, soft_area]).fetchone() or (
        None,
    )
    assert found == wanted


@given(st.lists(st.booleans(), min_size=12, max_size=12).filter(any), st.sampled_from([1, 3, 4]))
def test_lists_of_runs_become_texts_and_boxes(pixels: list[bool], height: int) -> None:
    mask = np.array(pixels).reshape(height, -1)
    runs = run_lengths.from_mask(mask)
    kind = pa.list_(pa.int32())
    starts = pa.array([runs[:, 0], [1]], kind)
    lengths = pa.array([runs[:, 1], [1]], kind)
    assert run_length_texts(starts, lengths).to_pylist() == [run_lengths.to_text(runs), "1 1"]
    sides = boxes(starts, lengths, np.array([height, height]))
    box = tuple(int(sides[f"box_{side}"][0]) for side in ("top", "left", "bottom", "right"))
    assert box == run_lengths.bounding_box(runs, height)

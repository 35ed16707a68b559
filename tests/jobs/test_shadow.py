"""A second bundle scores the same pictures beside the first, and never disturbs it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.archives import answers, rows, salt
from support.samples import build_rule_bundle, fill_archive, score_arguments
from support.short_runs import score_without_spark

from jobs.score import main
from steeldefect.analysis.sql import query
from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import DefectClass
from steeldefect.cli import main as steeldefect
from steeldefect.detection.detector import Detector
from steeldefect.pictures import run_lengths
from steeldefect.pictures.decoding import decode_gray
from steeldefect.stores import FetchLimits, open_store
from steeldefect.stores.local import LocalStore
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.health import check_tables

PICTURES = 13


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose gate stops pictures with one class, and that names its second class anew."""
    classes = [DefectClass(id=1, name="bright"), DefectClass(id=2, name="pit")]
    target = tmp_path_factory.mktemp("candidate") / "bundle"
    return build_rule_bundle(target, gate_threshold=0.99999, classes=classes)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    source = fill_archive(tmp_path / "archive", PICTURES)
    salt(source)
    return source


def asked(source: Path, bundle: Bundle, output: Path, shadow: Bundle | None = None) -> list[str]:
    more = [] if shadow is None else ["--shadow", str(shadow.folder)]
    return [*score_arguments(source, bundle.folder, output), *more, "--set", "max_failure_share=1"]


def by_bundle(output: Path, table: TableName) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(output, table):
        found.setdefault(row["bundle"], []).append(row)
    return found


def recount(output: Path, leading: Bundle, shadow: Bundle) -> list[tuple[Any, ...]]:
    """Compute `agreement` again from the rows of both bundles."""
    masks = {
        (row["bundle"], row["key"], row["class_name"]): run_lengths.parse(row["run_lengths"])
        for row in rows(output, TableName.PREDICTIONS)
        if not row["audit"]
    }
    scored = by_bundle(output, TableName.IMAGES)
    both = {row["key"] for row in scored[leading.digest]}
    both &= {row["key"] for row in scored[shadow.digest]}
    nothing = run_lengths.parse("")
    found = []
    for key in sorted(both):
        bright = [masks.get((one.digest, key, "bright"), nothing) for one in (leading, shadow)]
        areas = [run_lengths.area(one) for one in bright]
        found.append((key, 1, "bright", *areas, run_lengths.overlap(*bright)))
        dark = masks.get((leading.digest, key, "dark"), nothing)
        found.append((key, 2, "dark", run_lengths.area(dark), None, None))
        pit = masks.get((shadow.digest, key, "pit"), nothing)
        found.append((key, 2, "pit", None, run_lengths.area(pit), None))
    return found


AGREEMENT = ("key", "class_id", "class_name", "area", "shadow_area", "intersection")


@pytest.mark.spark
def test_both_answer_as_they_do_alone(
    archive: Path,
    rule_bundle: Bundle,
    candidate: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "output"
    settings = ("wave_pictures=8", "audit_share=0.5", "any_picture_size=true")
    waves = [word for one in settings for word in ("--set", one)]
    assert main([*asked(archive, rule_bundle, output, candidate), *waves]) == 0
    said = capsys.readouterr().out
    assert f"shadow {candidate.digest[:12]} scored {PICTURES + 1} of them" in said
    for bundle in (rule_bundle, candidate):
        alone = tmp_path / bundle.digest
        assert score_without_spark([*asked(archive, bundle, alone), *waves]) == 0
        for table, found in answers(alone).items():
            together = by_bundle(output, TableName(table))[bundle.digest]
            names = found[0].keys()
            shown = [{name: row[name] for name in names} for row in together]
            assert sorted(shown, key=lambda row: list(map(str, row.values()))) == found
    compared = [tuple(row[name] for name in AGREEMENT) for row in rows(output, TableName.AGREEMENT)]
    assert sorted(compared, key=str) == sorted(recount(output, rule_bundle, candidate), key=str)
    led, beside = sorted(rows(output, TableName.RUNS), key=lambda row: row["shadow_of"] is not None)
    assert (led["shadow_of"], beside["shadow_of"]) == (None, led["run_id"])
    assert (led["bundle"], beside["bundle"]) == (rule_bundle.digest, candidate.digest)
    assert beside["scored"] == PICTURES + 1
    assert json.loads(beside["classes"]) == {"1": "bright", "2": "pit"}
    assert {row["run_id"] for row in rows(output, TableName.AGREEMENT)} == {led["run_id"]}
    assert check_tables(open_store(str(output))) == []


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each picture is fetched."""
    counted: Counter[str] = Counter()
    fetch = LocalStore.fetch

    def counting(store: LocalStore, key: str, limits: FetchLimits) -> Any:
        counted[key] += 1
        return fetch(store, key, limits)

    monkeypatch.setattr(LocalStore, "fetch", counting)
    return counted


def test_each_picture_is_fetched_and_decoded_once(
    rule_bundle: Bundle, candidate: Bundle, tmp_path: Path, fetched: Counter[str]
) -> None:
    source = fill_archive(tmp_path / "archive", 7)
    with patch("steeldefect.scoring.worker.decode_gray", side_effect=decode_gray) as decode:
        assert score_without_spark(asked(source, rule_bundle, tmp_path / "out", candidate)) == 0
    assert set(fetched.values()) == {1}
    assert decode.call_count == len(fetched) == 7


def test_what_a_shadow_has_scored_it_does_not_score_again(
    rule_bundle: Bundle, candidate: Bundle, tmp_path: Path
) -> None:
    source, output = fill_archive(tmp_path / "archive", 5), tmp_path / "out"
    assert score_without_spark(asked(source, rule_bundle, output, candidate)) == 0
    assert score_without_spark(asked(source, rule_bundle, output, candidate)) == 0
    fill_archive(source / "later", 3)
    # the candidate leads tonight, and scores only what it has not scored as a shadow
    assert score_without_spark(asked(source, candidate, output, rule_bundle)) == 0
    images = by_bundle(output, TableName.IMAGES)
    assert {len(images[one.digest]) for one in (rule_bundle, candidate)} == {8}
    runs = [(row["outcome"], row["scored"]) for row in rows(output, TableName.RUNS)]
    assert sorted(runs) == [("nothing_new", 0), *[("success", 3)] * 2, *[("success", 5)] * 2]
    assert check_tables(open_store(str(output))) == []


def test_a_shadow_that_is_the_bundle_itself_does_not_end_the_night(
    rule_bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, output = fill_archive(tmp_path / "archive", 2), tmp_path / "out"
    assert score_without_spark(asked(source, rule_bundle, output, rule_bundle)) == 0
    assert "it is not scored a second time" in caplog.text
    assert len(rows(output, TableName.RUNS)) == 1


@pytest.fixture(params=["judge", "maps", "outline"])
def failing(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let a step of the candidate fail, and return the stage that its rows name."""
    step = getattr(Detector, request.param)

    def fail(detector: Detector, *rest: Any, **named: Any) -> Any:
        if detector.manifest.classes[1].name == "pit":
            raise RuntimeError("out of memory")
        return step(detector, *rest, **named)

    with patch.object(Detector, request.param, fail):
        yield "gate" if request.param == "judge" else "segment"


def test_a_shadow_that_fails_costs_the_night_nothing(
    rule_bundle: Bundle,
    candidate: Bundle,
    tmp_path: Path,
    failing: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = fill_archive(tmp_path / "archive", 6), tmp_path / "out"
    arguments = [*score_arguments(source, rule_bundle.folder, output)]
    assert score_without_spark([*arguments, "--shadow", str(candidate.folder)]) == 0
    said = capsys.readouterr().out
    assert "scored 6 pictures (4 with defects, 0 in quarantine" in said
    # its gate stops 4 of the 6 pictures
    lost = 6 if failing == "gate" else 2
    expected = f"scored {6 - lost} of them (0 with defects, {lost} in quarantine"
    assert f"shadow {candidate.digest[:12]} {expected}" in said
    assert "out of memory" in said
    failed = by_bundle(output, TableName.QUARANTINE)
    assert list(failed) == [candidate.digest]
    assert {row["stage"] for row in failed[candidate.digest]} == {failing}
    assert (rows(output, TableName.AGREEMENT) == []) is (failing == "gate")
    assert check_tables(open_store(str(output))) == []
    # a shadow does not try again, so nobody waits for it
    assert query(open_store(str(output)), "select * from not_scored").num_rows == 0
    before = {row["run_id"]: row["shadow_of"] for row in rows(output, TableName.RUNS)}
    (lost,) = (run_id for run_id, led in before.items() if led is not None)
    Tables(open_store(str(output))).open(TableName.RUNS).delete(f"run_id = '{lost}'")
    assert steeldefect(["maintain", "--repair", "--output", str(output)]) == 0
    assert {row["run_id"]: row["shadow_of"] for row in rows(output, TableName.RUNS)} == before


def test_figures_and_choices_are_those_of_the_bundle_that_leads(
    rule_bundle: Bundle, candidate: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = fill_archive(tmp_path / "archive", 9), tmp_path / "out"
    assert score_without_spark(asked(source, rule_bundle, output, candidate)) == 0
    capsys.readouterr()
    assert steeldefect(["watch", "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert f"bundle {rule_bundle.digest[:12]}" in said
    # both runs began in the same second; the first characters mean the one that leads
    (second,) = {row["run_id"][:15] for row in rows(output, TableName.RUNS)}
    assert steeldefect(["watch", "--output", str(output), "--run", second]) == 0
    assert f"bundle {rule_bundle.digest[:12]}" in capsys.readouterr().out
    # bright and pit or dark on 3 pictures of 9, bright alone on 3: the candidate's gate stops these
    same = f"shadow {candidate.digest[:12]}: the same classes found on 66.67% of 9 pictures"
    assert same in said
    figures = {
        (row["name"], row["class_name"]): row
        for row in rows(output, TableName.METRICS)
        if row["labels"] == f"shadow {candidate.digest}"
    }
    assert figures["verdict_agreement", None]["value"] == pytest.approx(6 / 9)
    assert figures["defective_difference", None]["value"] == pytest.approx(-3 / 9)
    assert figures["class_difference", "bright"]["value"] == pytest.approx(-3 / 9)
    assert figures["area_difference", "bright"]["value"] == pytest.approx(-3 * 256 / 9)
    assert figures["agreement_dice", "bright"]["value"] == pytest.approx(2 * 3 / (3 + 6))
    assert {name for _, name in figures} == {None, "bright"}  # no class is in both but this one
    to = tmp_path / "kaggle.csv"
    assert steeldefect(["export-kaggle", str(to), "--output", str(output)]) == 0
    assert to.read_text().count("\n") == 1 + 9  # 6 pictures with bright, 3 of them with dark
    shown = ["show", "--output", str(output), "p001.png"]
    assert steeldefect(shown) == 0
    first = capsys.readouterr().out
    assert first.index(rule_bundle.digest[:12]) < first.index(candidate.digest[:12])


def test_a_lost_row_of_the_shadow_is_restored_as_a_shadow(
    rule_bundle: Bundle, candidate: Bundle, tmp_path: Path
) -> None:
    source, output = fill_archive(tmp_path / "archive", 3), tmp_path / "out"
    assert score_without_spark(asked(source, rule_bundle, output, candidate)) == 0
    before = {row["run_id"]: row["shadow_of"] for row in rows(output, TableName.RUNS)}
    shutil.rmtree(output / "runs")
    assert steeldefect(["maintain", "--repair", "--output", str(output)]) == 0
    assert {row["run_id"]: row["shadow_of"] for row in rows(output, TableName.RUNS)} == before
    assert sorted(map(bool, before.values())) == [False, True]


def test_a_check_beside_the_run_finds_no_damage(
    rule_bundle: Bundle, candidate: Bundle, tmp_path: Path
) -> None:
    """Both runs are in progress while the tables are committed one after the other."""
    source, output = fill_archive(tmp_path / "archive", 6), tmp_path / "out"
    found = []
    add = Tables.add

    def checked(tables: Tables, table: TableName, *rest: Any) -> None:
        add(tables, table, *rest)
        found.append((table, check_tables(tables.store)))

    with patch.object(Tables, "add", checked):
        assert score_without_spark(asked(source, rule_bundle, output, candidate)) == 0
    assert {table for table, _ in found} >= {TableName.AGREEMENT, TableName.IMAGES}
    assert [problems for _, problems in found if problems] == []

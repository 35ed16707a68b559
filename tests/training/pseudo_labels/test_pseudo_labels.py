"""Pseudo-labels from tables, archive and models to a folder that a fit takes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.examples import failure, origin
from support.plant_archive import (
    BRIGHT,
    DARK,
    SURE,
    SURE_DARK,
    Labelled,
    Plant,
    read_table,
)
from support.published import publishable
from support.reviewing import judge

from steeldefect.bundle.files import Bundle
from steeldefect.errors import AlreadyExistsError, DataError, SettingsError, StoreError, TableError
from steeldefect.pictures import run_lengths
from steeldefect.stores import open_store
from steeldefect.tables.schema import TableName
from training.__main__ import main
from training.data.dataset import read_dataset
from training.fitting.gate_and_segmenter import drawing_of
from training.pseudo_labels import PseudoLabelled, PseudoOrder, pseudo_label
from training.recipe import ExtraPictures
from training.splitting.extra import read_extra
from training.splitting.files import read_split

Sources = dict[str, str]


def order(plant: Plant, labelled: Labelled, **changes: Any) -> PseudoOrder:
    made = PseudoOrder(
        plant.tables,
        plant.bundle.digest[:10],
        labelled.folder,
        models=plant.bundle.folder,
        split_file=labelled.split_file,
    )
    return replace(made, **changes)


def keys(made: PseudoLabelled) -> list[str]:
    return sorted(one.candidate.key for one in made.taken)


def test_a_folder_that_a_fit_takes(scored: Plant, labelled: Labelled, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = pseudo_label(out, order(scored, labelled))
    assert keys(made) == [
        *("bright1.png", "bright2.png", "clean5.png", "clean6.png", "clean7.png", "dark3.png")
    ]
    assert made.skipped == {"doubtful_region": 1}
    dataset = read_dataset(out)
    named = {one["ImageId"]: one["key"] for one in read_table(out / "sources.csv")}
    for picture in dataset.pictures:
        original = scored.archive / named[picture.name]
        assert picture.path.read_bytes() == original.read_bytes()
        assert picture.defective == (not named[picture.name].startswith("clean"))
    (bright,) = [one for one in dataset.pictures if named[one.name] == "bright1.png"]
    mask = run_lengths.to_mask(bright.runs[BRIGHT], bright.shape)
    assert mask[8:20, 40:52].all()
    assert mask.sum() == 144
    record = json.loads((out / "pseudo.json").read_text())
    assert record["round"] == 1
    assert record["bundle"] == scored.bundle.digest
    assert record["mirrors_agree"].startswith("checked")
    assert record["classes"] == {"1": 2, "2": 1}
    assert record["skipped"] == {"doubtful_region": 1}
    limit = record["limits"]["regions"]["1"]
    assert (limit["right"], limit["answers"]) == (12, 12), "the three false alarms are below it"
    assert 0.7 < limit["precision_low"] < 0.9
    assert record["limits"]["clean_gated"]["right"] == 14 - 2, "of the validation part alone"


def test_weights_and_soft_labels_reach_the_drawing(
    plant: Plant, labelled: Labelled, tmp_path: Path
) -> None:
    plant.fill()
    plant.add("weak8.png", [(BRIGHT, 224, 20, 60)])  # sure of it, less than of the others
    plant.score()
    out = tmp_path / "out"
    pseudo_label(out, order(plant, labelled, models=None, least_probability=0.9))
    soft = {one["ImageId"]: float(one["probability"]) for one in read_table(out / "soft.csv")}
    named = {one["key"]: one["ImageId"] for one in read_table(out / "sources.csv")}
    weak = named["weak8.png"]
    assert 0.9 < soft[weak] < 0.999
    dataset = read_dataset(labelled.folder)
    parts = read_split(labelled.split_file, dataset.pictures)
    extra = read_extra((ExtraPictures(folder=str(out), weight=0.5),), dataset, parts)
    drawing = drawing_of(extra.pictures, 0.5, extra)
    assert drawing.even is not None
    drawn = dict(zip([one.path.name for one in extra.pictures], drawing.even, strict=True))
    assert drawn == pytest.approx({name: 0.5 * one for name, one in soft.items()}, abs=1e-6)
    assert drawing.donors == ()
    assert extra.notes[1] == f"pseudo-labels of round unknown in {out}"


def test_what_must_not_be_taken(plant: Plant, labelled: Labelled, tmp_path: Path) -> None:
    plant.fill()
    held_out, train = labelled.parts[-2][0], labelled.parts[-4][0]
    plant.archive.mkdir(exist_ok=True)
    shutil.copy(labelled.folder / "images" / held_out, plant.archive / "copy-held.png")
    shutil.copy(labelled.folder / "images" / train, plant.archive / "copy-train.png")
    plant.add("twin9.png", [(BRIGHT, SURE, 8, 40)], seed=1001)  # as bright1.png
    plant.add("bright11.png", [(BRIGHT, SURE, 30, 90)])  # so that every clean one gets its turn
    (plant.archive / "bad10.png").write_bytes((plant.archive / "bright2.png").read_bytes())
    more = {TableName.QUARANTINE: [failure("bad10.png") | {"source": str(plant.archive)}]}
    plant.score(more=more)
    plant.add("dark3.png", [(DARK, SURE_DARK, 30, 60)])  # replaced since
    (plant.archive / "clean7.png").unlink()
    made = pseudo_label(tmp_path / "out", order(plant, labelled))
    taken = keys(made)
    assert len([one for one in taken if one in ("bright1.png", "twin9.png")]) == 1
    others = {"bright11.png", "bright2.png", "clean5.png", "clean6.png"}
    assert set(taken) - {"bright1.png", "twin9.png"} == others
    assert made.skipped == {
        **{"changed_since_scored": 1, "doubtful_region": 1, "like_held_out": 1},
        **{"like_one_taken": 1, "labelled_already": 1, "unreadable": 1},
    }
    extra = (ExtraPictures(folder=str(tmp_path / "out")),)
    dataset = read_dataset(labelled.folder)
    parts = read_split(labelled.split_file, dataset.pictures)
    assert len(read_extra(extra, dataset, parts).pictures) == len(taken), "a fit takes them"


def test_reviewed_pictures_are_taken_only_if_the_review_states_the_masks(
    plant: Plant, labelled: Labelled, tmp_path: Path
) -> None:
    plant.fill()
    plant.score()
    store = open_store(plant.tables)
    etags = {one.key: one.etag for one in open_store(str(plant.archive)).scan()}
    digest = plant.bundle.digest

    def say(key: str, name: str, runs: str) -> None:
        changes = {"class_id": 1, "class_name": name, "run_lengths": runs, "etag": etags[key]}
        judge(store, str(plant.archive), key, digest, **changes)

    first = pseudo_label(tmp_path / "first", order(plant, labelled))
    masks = {one.candidate.key: one.candidate.masks for one in first.taken}
    say("bright1.png", "bright", masks["bright1.png"][BRIGHT].runs)
    say("bright1.png", "dark", "")
    say("bright2.png", "bright", "")
    say("clean5.png", "bright", "")
    say("clean6.png", "dark", "1 5")
    made = pseudo_label(tmp_path / "out", order(plant, labelled))
    assert keys(made) == ["bright1.png", "clean5.png", "clean7.png", "dark3.png"]
    assert made.skipped["reviewed"] == 2


def test_only_the_bundle_that_answered_last_counts(
    plant: Plant, labelled: Labelled, tmp_path: Path
) -> None:
    plant.fill()
    plant.score()
    plant.score(origin(2, "c" * 64))
    with pytest.raises(DataError, match="has not given the newest answer on any usable picture"):
        pseudo_label(tmp_path / "out", order(plant, labelled))
    assert not (tmp_path / "out").exists()
    plant.score(origin(3, plant.bundle.digest))
    assert keys(pseudo_label(tmp_path / "out", order(plant, labelled)))


def test_audited_pictures_with_a_finding_are_doubtful_and_coils_are_groups(
    plant: Plant, labelled: Labelled, tmp_path: Path
) -> None:
    plant.fill()
    plant.score(bright1={"coil": "c9"}, clean5={"audit_defects": 1}, clean6={"audit_defects": 0})
    made = pseudo_label(tmp_path / "out", order(plant, labelled))
    assert "clean5.png" not in keys(made)
    assert "clean6.png" in keys(made)
    assert made.skipped["doubtful_clean"] == 1
    groups = {one["ImageId"]: one["group"] for one in read_table(tmp_path / "out" / "groups.csv")}
    by_key = {one.candidate.key: groups[one.name] for one in made.taken}
    assert by_key["bright1.png"] == "c9"
    assert by_key["bright2.png"] == ""


def test_rare_classes_come_first_and_clean_pictures_last(
    plant: Plant, labelled: Labelled, tmp_path: Path
) -> None:
    for number in range(10, 18):
        plant.add(f"bright{number}.png", [(BRIGHT, SURE, 2 * number, 60 - number)])
        plant.add(f"clean{number + 20}.png")
    plant.add("dark40.png", [(DARK, SURE_DARK, 30, 100)])
    plant.score()
    made = pseudo_label(tmp_path / "out", order(plant, labelled, most=5))
    assert len(made.taken) == 5
    assert made.clean == 2
    assert "dark40.png" in keys(made)
    assert made.left == 17 - 5


def test_an_archive_that_moves_gives_the_same_choice(
    plant: Plant, labelled: Labelled, tmp_path: Path
) -> None:
    chosen = []
    for place in ("here", "there"):
        moved = replace(plant, folder=tmp_path / place)
        for number in range(10, 20):
            moved.add(f"bright{number}.png", [(BRIGHT, SURE, 2 * number, 60 - number)])
            moved.add(f"clean{number + 20}.png")
        moved.score()
        made = pseudo_label(tmp_path / f"out-{place}", order(moved, labelled, most=4))
        chosen.append(keys(made))
    assert chosen[0] == chosen[1]


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_same_call_writes_the_same_bytes_and_a_seed_changes_the_choice(
    plant: Plant, labelled: Labelled, tmp_path: Path
) -> None:
    for number in range(10, 20):
        plant.add(f"bright{number}.png", [(BRIGHT, SURE, 2 * number, 60 - number)])
    plant.score()
    chosen = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        made = pseudo_label(tmp_path / name, order(plant, labelled, most=3, seed=seed))
        chosen.append(keys(made))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert chosen[0] != chosen[2]


def test_the_round_counts_on_from_the_notes_of_the_bundle(
    plant: Plant, labelled: Labelled, tmp_path: Path, rule_bundle: Bundle
) -> None:
    notes = ["4 extra pictures of pseudo1 ...", "pseudo-labels of round 2 in pseudo1"]
    later = publishable(rule_bundle, tmp_path / "later", training={"notes": notes})
    plant = replace(plant, bundle=later)
    plant.fill()
    plant.score()
    made = pseudo_label(tmp_path / "out", order(plant, labelled))
    assert made.round == 3
    dataset = read_dataset(labelled.folder)
    parts = read_split(labelled.split_file, dataset.pictures)
    extra = read_extra((ExtraPictures(folder=str(tmp_path / "out")),), dataset, parts)
    assert extra.notes[1] == f"pseudo-labels of round 3 in {tmp_path / 'out'}"


def test_the_split_of_the_bundle_is_the_default(
    scored: Plant, labelled: Labelled, tmp_path: Path
) -> None:
    asked = order(scored, labelled, split_file=None)
    with pytest.raises(SettingsError, match=r"holds no split\.csv; give the split with --split"):
        pseudo_label(tmp_path / "out", asked)
    models = Path(shutil.copytree(scored.bundle.folder, tmp_path / "models"))
    shutil.copy(labelled.split_file, models / "split.csv")
    assert keys(pseudo_label(tmp_path / "out", replace(asked, models=models)))


def test_errors_say_what_to_do(
    scored: Plant, labelled: Labelled, tmp_path: Path, rule_bundle: Bundle
) -> None:
    out = tmp_path / "out"
    with pytest.raises(TableError, match="no bundle begins with 'f00d'"):
        pseudo_label(out, order(scored, labelled, bundle="f00d"))
    other = publishable(rule_bundle, tmp_path / "other", training={"seed": 5})
    with pytest.raises(SettingsError, match="but the answers are of"):
        pseudo_label(out, order(scored, labelled, models=other.folder))
    stated = order(scored, labelled, models=None, least_probability=1 - 1e-12)
    with pytest.raises(DataError, match=r"no confident picture .*--least-probability"):
        pseudo_label(out, stated)
    data = Path(shutil.copytree(labelled.folder, tmp_path / "data"))
    (data / "classes.json").write_text('{"1": "bright", "2": "hole"}', encoding="utf-8")
    with pytest.raises(DataError, match=r"classes differ: .* has 1 bright, 2 hole, bundle"):
        pseudo_label(out, order(scored, labelled, data=data))
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(AlreadyExistsError, match="is not an empty folder"):
        pseudo_label(out, order(scored, labelled))


def test_an_archive_that_is_gone_ends_the_work(
    plant: Plant, labelled: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.fill()
    plant.score()
    shutil.rmtree(plant.archive)
    monkeypatch.setattr("training.pseudo_labels.labelling._MOST_FAILURES", 3)
    with pytest.raises(StoreError, match=r"3 pictures in a row cannot be read .*run this where"):
        pseudo_label(tmp_path / "out", order(plant, labelled))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"precision": 1.0}, "precision is above 0 and below 1"),
        ({"most": 0}, "most is at least 1"),
        ({"seed": -1}, "seed is at least 0"),
        ({"models": None}, "give models"),
        ({"least_probability": 0.9}, "leave out least_probability"),
        ({"split_file": None, "fold": 1}, "fold is one of a split file"),
        ({"bundle": ""}, "bundle is the digest"),
    ],
)
def test_orders_that_cannot_be(
    scored: Plant, labelled: Labelled, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SettingsError, match=problem):
        order(scored, labelled, **changes)


def test_the_command(
    scored: Plant, labelled: Labelled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"--tables": scored.tables, "--bundle": scored.bundle.digest, "--data": labelled.folder}
    asked = ["pseudo-label", *(str(word) for pair in named.items() for word in pair)]
    out = ["--out", str(tmp_path / "out")]
    models = ["--models", str(scored.bundle.folder), "--split", str(labelled.split_file)]
    assert main([*asked, *out, *models, "--precision", "0.99"]) == 12
    told = capsys.readouterr().err
    assert "class 2 dark: no labels, because the validation part does not show" in told
    assert "no confident picture" in told
    assert main([*asked, *out, *models]) == 0
    told = capsys.readouterr()
    assert "class 1 bright: at least 0.9996: 12 of 12 answers are right" in told.err
    assert told.out.endswith(f"6 pictures (3 clean) in {tmp_path / 'out'}, round 1\n")
    stated = ["--out", str(tmp_path / "stated"), "--least-probability", "0.9"]
    assert main([*asked, *stated]) == 0
    assert "agreement of mirrored copies is not checked" in capsys.readouterr().err
    record = json.loads((tmp_path / "stated" / "pseudo.json").read_text())
    assert record["mirrors_agree"] == "not checked"
    assert record["limits"]["regions"]["1"]["right"] is None
    assert main([*asked, *stated, "--precision", "0.9"]) == 2


def test_a_shadow_in_the_same_run_does_not_hide_the_answers(
    plant: Plant, labelled: Labelled, tmp_path: Path
) -> None:
    plant.fill()
    plant.score()
    plant.score(replace(origin(1, "c" * 64), run_id="beside"))
    assert keys(pseudo_label(tmp_path / "out", order(plant, labelled)))

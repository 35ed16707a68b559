"""Split files and `python -m training split`: written once, read by every fit, checked."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from steeldefect.errors import AlreadyExistsError, DataError
from training.__main__ import main
from training.data.dataset import DataSet, read_dataset
from training.recipe import NearDuplicates, Split
from training.splitting.files import read_origin
from training.splitting.origin import Origin
from training.splitting.split import make_split, parts_for, read_split
from training.splitting.views import find_near_duplicates
from training.synthetic import generate

STRIPS = 40
COPIES = {"strip_000003.jpg": "copy_a.jpg", "strip_000011.jpg": "copy_b.jpg"}
SHARES = Split(validation=0.2, test=0.2)
IGNORE = SHARES.model_copy(update={"near_duplicates": NearDuplicates.IGNORE})


def _save_anew(picture: Path, target: Path) -> None:
    """Write a brighter copy of a picture, at a lower quality."""
    gray = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    assert gray is not None
    brighter = np.clip(gray * 1.08 + 8, 0, 255).astype(np.uint8)
    cv2.imwrite(str(target), brighter, [cv2.IMWRITE_JPEG_QUALITY, 60])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of drawn strips and copies of two; strips 0, 1 and 3 are one group."""
    path = tmp_path_factory.mktemp("strips") / "data"
    generate(path, pictures=STRIPS, seed=11)
    rows = list(csv.DictReader((path / "labels.csv").open(encoding="utf-8")))
    labels = {row["ImageId"]: row["label"] for row in rows}
    masks = (path / "train.csv").read_text(encoding="utf-8")
    for name, copy in COPIES.items():
        _save_anew(path / "images" / name, path / "images" / copy)
        labels[copy] = labels[name]
        lines = [line for line in masks.splitlines() if line.startswith(name)]
        masks += "".join(line.replace(name, copy) + "\n" for line in lines)
    (path / "train.csv").write_text(masks, encoding="utf-8")
    text = "".join(f"{name},{label}\n" for name, label in labels.items())
    (path / "labels.csv").write_text("ImageId,label\n" + text, encoding="utf-8")
    grouped = "".join(f"strip_{number:06d}.jpg,coil\n" for number in (0, 1, 3))
    (path / "groups.csv").write_text("ImageId,group\n" + grouped, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def dataset(folder: Path) -> DataSet:
    return read_dataset(folder)


@pytest.fixture
def split_file(dataset: DataSet, tmp_path: Path) -> Path:
    path = tmp_path / "split.csv"
    make_split(path, dataset, SHARES, seed=5)
    return path


@pytest.fixture
def folds_file(dataset: DataSet, tmp_path: Path) -> Path:
    path = tmp_path / "folds.csv"
    make_split(path, dataset, SHARES, seed=5, folds=4)
    return path


def _edited(path: Path, change: Callable[[str], str]) -> Path:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def _part_of(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return {row["ImageId"]: row["split"] for row in csv.DictReader(lines)}


def _moved(path: Path, name: str, part: str) -> Path:
    """Move one picture into another part of a split file."""
    was = _part_of(path)[name]
    return _edited(path, lambda text: text.replace(f"{name},{was},", f"{name},{part},"))


# -- near-duplicates of the data ------------------------------------------------------------------


def test_copies_are_found_among_drawn_strips(dataset: DataSet) -> None:
    found = {one.names for one in find_near_duplicates(dataset.pictures)}
    assert found == {tuple(sorted(pair)) for pair in COPIES.items()}


@pytest.mark.parametrize("seed", range(4))
def test_copies_stay_with_the_group_of_their_original(dataset: DataSet, seed: int) -> None:
    parts = parts_for(dataset, SHARES, seed, split_file=None, fold=None)
    place = {one.name: part for part, found in parts.named().items() for one in found}
    coil = ("strip_000000.jpg", "strip_000001.jpg", "strip_000003.jpg", "copy_a.jpg")
    assert len({place[name] for name in coil}) == 1
    assert place["strip_000011.jpg"] == place["copy_b.jpg"]
    groups = {one.name: one.group for found in parts.named().values() for one in found}
    assert {groups[name] for name in coil} == {"coil"}
    assert groups["strip_000011.jpg"] == groups["copy_b.jpg"] == "copy_b.jpg"


def test_copies_are_not_looked_for_where_a_recipe_says_so(
    dataset: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = parts_for(dataset, IGNORE, 0, split_file=None, fold=None)
    groups = {one.name: one.group for found in parts.named().values() for one in found}
    assert groups["copy_a.jpg"] == "copy_a.jpg"
    assert "fingerprints" not in capsys.readouterr().err


# -- files ----------------------------------------------------------------------------------------


def test_a_file_gives_the_parts_that_it_was_made_of(dataset: DataSet, split_file: Path) -> None:
    made = parts_for(dataset, SHARES, 5, split_file=None, fold=None)
    other_seed, other_shares = 99, Split(validation=0.4, test=0.4)
    assert parts_for(dataset, other_shares, other_seed, split_file, None) == made
    shuffled = replace(dataset, pictures=dataset.pictures[::-1])
    assert parts_for(shuffled, SHARES, 5, split_file, None) == made


def test_the_first_line_says_how_the_split_was_made(
    dataset: DataSet, split_file: Path, folds_file: Path
) -> None:
    first, second, third = split_file.read_text(encoding="utf-8").splitlines()[:3]
    assert first == (
        "# steeldefect split: seed 5, validation 0.2, test 0.2, near-duplicates grouped, "
        f"data {dataset.fingerprint}"
    )
    assert second == "ImageId,split,group"
    assert third.startswith("copy_a.jpg,")
    assert third.endswith(",coil")
    first, second, third = folds_file.read_text(encoding="utf-8").splitlines()[:3]
    assert "validation 0.2, folds 4, near-duplicates grouped" in first
    assert second == "ImageId,fold,group"
    assert Origin.parse(first).line() == first


def test_folds_take_turns_as_the_test_part(dataset: DataSet, folds_file: Path) -> None:
    tested: list[str] = []
    for fold in range(4):
        parts = parts_for(dataset, SHARES, 5, folds_file, fold)
        assert parts == parts_for(dataset, Split(), 0, folds_file, fold)
        assert len(parts.validation) == pytest.approx(0.2 * len(dataset.pictures), abs=3)
        tested += [one.name for one in parts.test]
    assert sorted(tested) == [one.name for one in dataset.pictures]


def test_the_split_of_a_bundle_is_read_as_well(
    dataset: DataSet, split_file: Path, tmp_path: Path
) -> None:
    parts = parts_for(dataset, SHARES, 5, split_file, None)
    written = tmp_path / "bundle.csv"
    written.write_text(parts.to_csv(), encoding="utf-8")
    assert parts_for(dataset, SHARES, 0, written, None) == parts


def test_a_file_is_not_written_over(dataset: DataSet, split_file: Path) -> None:
    before = split_file.read_bytes()
    with pytest.raises(AlreadyExistsError, match="choose another path"):
        make_split(split_file, dataset, SHARES, seed=6)
    assert split_file.read_bytes() == before


def test_changed_labels_are_told(
    dataset: DataSet, split_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts_for(dataset, IGNORE, 5, split_file, None)
    assert "changed" not in capsys.readouterr().err
    parts_for(replace(dataset, fingerprint="another"), IGNORE, 5, split_file, None)
    assert "warning: " in (told := capsys.readouterr().err)
    assert "changed" in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "", "is empty"),
        (lambda text: text.replace("ImageId,split", "ImageId,part"), "no column split"),
        (lambda text: text.replace(",group", ",piece"), "no column group"),
        (lambda text: text.replace("validation 0.2", "validation two"), "malformed first line"),
        (lambda text: text.replace("validation 0.2", "validation 2"), "validation is a share"),
        (lambda text: text.replace("seed 5, ", ""), "missing: seed"),
        (lambda text: text.replace("test 0.2, ", ""), "missing: one of test and folds"),
        (lambda text: text.replace("grouped", "hidden"), "grouped or ignored"),
        (lambda text: text.replace("# steel", "# other"), "malformed first line"),
        (
            lambda text: text.replace("copy_a.jpg", "gone.jpg"),
            r"not in images/: gone.jpg \(line 3\); no row ",
        ),
        (lambda text: text.replace("copy_a.jpg", "copy_b.jpg"), "more than one row for copy_b"),
        (
            lambda text: text + "copy_a.jpg,test,coil\n",
            r"more than one row for copy_a\.jpg .line 45",
        ),
        (lambda text: text + "short\n", "line 45 has 1 of 3 cells"),
        (lambda text: text.replace(",test,", ",exam,"), "received 'exam'"),
        (lambda text: text.replace(",test,", ",,"), "received ''"),
        (lambda text: text.replace(",test,", ",train,"), "leaves test empty"),
    ],
)
def test_a_file_that_cannot_be_used(
    dataset: DataSet, split_file: Path, change: Callable[[str], str], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_split(_edited(split_file, change), dataset.pictures)
    assert str(split_file) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "fold", "message"),
    [
        (lambda text: text, None, "name the test part: --fold 0 to 3"),
        (lambda text: text, 4, "folds 0 to 3; received --fold 4"),
        (lambda text: text, -1, "received --fold -1"),
        (lambda text: text.replace("folds 4", "folds 5"), 0, "0 to 4, all with pictures"),
        (lambda text: text.replace("folds 4", "folds 1"), 0, "two or more"),
        (lambda text: text.replace(",3,", ",four,"), 0, "received .*'four'"),
        (lambda text: text.partition("\n")[2], 0, "no first line"),
        (lambda text: text.replace("folds 4", "test 0.2"), 0, "no first line"),
    ],
)
def test_folds_that_cannot_be_used(
    dataset: DataSet,
    folds_file: Path,
    change: Callable[[str], str],
    fold: int | None,
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        read_split(_edited(folds_file, change), dataset.pictures, fold)


def test_folds_without_a_file_or_of_a_file_without(dataset: DataSet, split_file: Path) -> None:
    with pytest.raises(DataError, match="name the file with --split"):
        parts_for(dataset, SHARES, 0, split_file=None, fold=1)
    with pytest.raises(DataError, match="has no folds"):
        parts_for(dataset, SHARES, 0, split_file, fold=1)
    with pytest.raises(DataError, match="no such file"):
        parts_for(dataset, SHARES, 0, split_file.with_name("none.csv"), None)
    with pytest.raises(DataError, match="cannot read"):
        parts_for(dataset, SHARES, 0, split_file.parent, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),  # as a spreadsheet saves it
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace(",", ";"),
        lambda text: text.replace("copy_a.jpg", "COPY_A.JPG"),
        lambda text: text.replace("copy_a.jpg", "images/copy_a.jpg"),
    ],
)
def test_forms_of_a_split_file(
    dataset: DataSet, split_file: Path, change: Callable[[str], str]
) -> None:
    rows = split_file.read_text(encoding="utf-8").partition("\n")[2]
    before = read_split(split_file, dataset.pictures)
    split_file.write_text(change(rows), encoding="utf-8", newline="")
    after = read_split(split_file, dataset.pictures)
    assert {name: [one.name for one in part] for name, part in after.named().items()} == {
        name: [one.name for one in part] for name, part in before.named().items()
    }


def test_a_first_line_may_end_as_it_likes(dataset: DataSet, split_file: Path) -> None:
    text = split_file.read_text(encoding="utf-8")
    for end in ("\r", "\r\n", "\n"):
        content = "\ufeff" + text.replace("\n", end)
        split_file.write_text(content, encoding="utf-8", newline="")
        assert read_origin(split_file) is not None
        read_split(split_file, dataset.pictures)


# -- overlap --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "what"),
    [("strip_000000.jpg", "pictures of one group"), ("copy_b.jpg", "near-duplicates")],
)
def test_a_file_with_overlap_is_refused(
    dataset: DataSet, split_file: Path, name: str, what: str
) -> None:
    part = "test" if _part_of(split_file)[name] != "test" else "validation"
    moved = _moved(split_file, name, part)
    with pytest.raises(DataError, match=f"{what} in two parts"):
        parts_for(dataset, SHARES, 5, moved, None)
    if what == "near-duplicates":  # only these may be let pass
        parts_for(dataset, IGNORE, 5, moved, None)
    else:
        with pytest.raises(DataError, match=what):
            parts_for(dataset, IGNORE, 5, moved, None)


# -- command --------------------------------------------------------------------------------------


def test_the_command_makes_and_checks(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data = tmp_path / "new" / "split.csv", ["split", "--data", str(folder)]
    assert main([*data, "--out", str(out), "--seed", "5", "--validation", "0.2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["pictures", "share", "groups", "clean"]
    assert lines[4].split()[:3] == ["all", str(STRIPS + len(COPIES)), "100.0%"]
    assert lines[5] == (
        "38 groups, the largest of 4 pictures; 40 before near-duplicates were joined"
    )
    assert lines[6] == str(out)
    assert "seed 5, validation 0.2, test 0.15" in out.read_text(encoding="utf-8")
    assert main([*data, "--check", str(out)]) == 0
    assert capsys.readouterr().out.startswith("no overlap: ")
    assert main([*data, "--out", str(out)]) == AlreadyExistsError.exit_code


def test_the_command_makes_and_checks_folds(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data = tmp_path / "folds.csv", ["split", "--data", str(folder)]
    assert main([*data, "--out", str(out), "--folds", "3"]) == 0
    assert "fold 2" in capsys.readouterr().out
    assert main([*data, "--check", str(out), "--fold", "2"]) == 0
    assert main([*data, "--check", str(out), "--fold", "3"]) == DataError.exit_code
    assert "folds 0 to 2; received --fold 3" in capsys.readouterr().err


def test_a_split_by_groups_only_is_refused_where_copies_part(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["split", "--data", str(folder)]
    for seed in range(20):  # until chance puts a copy into another part
        out = tmp_path / f"{seed}.csv"
        assert main([*data, "--out", str(out), "--seed", str(seed), "--groups-only"]) == 0
        parts = _part_of(out)
        if any(parts[name] != parts[copy] for name, copy in COPIES.items()):
            break
    assert "near-duplicates not searched" in capsys.readouterr().out
    assert "near-duplicates ignored" in out.read_text(encoding="utf-8")
    assert main([*data, "--check", str(out)]) == DataError.exit_code
    assert "near-duplicates in two parts" in capsys.readouterr().err
    assert main([*data, "--check", str(out), "--groups-only"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.csv", "--validation", "0.6", "--test", "0.5"], "nothing to train on"),
        (["--out", "x.csv", "--validation", "nan"], "validation"),
        (["--out", "x.csv", "--folds", "1"], "whole number above 1"),
        (["--out", "x.csv", "--folds", "4", "--test", "0.2"], "leave out --test"),
        (["--out", "x.csv", "--seed", "-1"], "whole number from 0"),
        (["--out", "x.csv", "--fold", "1"], "is for --check"),
        (["--check", "x.csv", "--seed", "1", "--folds", "2"], "leave out --seed and --folds"),
        (["--check", "x.csv", "--out", "y.csv"], "not allowed with"),
        ([], "--out --check is required"),
    ],
)
def test_arguments_that_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", "--data", "nowhere", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_broken_picture_is_named(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder, data)
    dataset = read_dataset(data)
    (data / "images" / "copy_a.jpg").write_bytes(b"\xff\xd8 cut")
    with pytest.raises(DataError, match=r"copy_a\.jpg"):
        find_near_duplicates(dataset.pictures)


def test_real_tiles_do_not_cross_parts(real_data: Path, tmp_path: Path) -> None:
    tiles = real_data / "magnetic_tile"
    if not tiles.is_dir():
        pytest.skip("no magnetic tiles among the real data")
    dataset = read_dataset(tiles)
    made = make_split(tmp_path / "split.csv", dataset, Split(), seed=0)
    assert made.groups < made.groups_before
    assert made.largest_group < 20  # far from a chain through the whole set
    parts_for(dataset, Split(), 0, tmp_path / "split.csv", None)

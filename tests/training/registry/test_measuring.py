"""Test bundles run on the test part of a split, with known models, pictures and scores."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.published import Answers, publishable
from support.samples import both_picture, bright_picture, plain_picture, save

from steeldefect.bundle.files import Bundle, describe_files, open_bundle, seal_bundle
from steeldefect.bundle.manifest import DefectClass
from steeldefect.errors import PromotionError, SettingsError
from steeldefect.pictures import run_lengths
from training.__main__ import main
from training.data.dataset import read_dataset
from training.recipe import NearDuplicates, Split
from training.splitting.split import make_split, read_split

PICTURES = 24
SIGHTLESS = [DefectClass(id=1, name="bright", min_area=300), DefectClass(id=2, name="dark")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return pictures whose true masks equal the findings of the rule bundle."""
    folder = tmp_path / "data"
    rows = [("ImageId", "ClassId", "EncodedPixels")]
    for number in range(PICTURES):
        kind = (plain_picture, bright_picture, both_picture)[number % 3]
        name, picture = f"p{number:02d}.png", kind(number)
        save(picture, folder / "images" / name)
        for class_id, mask in ((1, picture == 250), (2, picture == 2)):
            if mask.any():
                rows.append((name, str(class_id), run_lengths.encode(mask)))
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    (folder / "classes.json").write_text('{"1": "bright", "2": "dark"}', encoding="utf-8")
    return folder


@pytest.fixture
def split(data: Path, tmp_path: Path) -> Path:
    path = tmp_path / "split.csv"
    shares = Split(validation=0.25, test=0.25, near_duplicates=NearDuplicates.IGNORE)
    make_split(path, read_dataset(data), shares, seed=0)
    return path


@pytest.fixture
def arguments(data: Path, split: Path) -> list[str]:
    return ["--data", str(data), "--split", str(split)]


def test_both_are_run_on_the_same_pictures(
    rule_bundle: Bundle,
    tmp_path: Path,
    data: Path,
    split: Path,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Carried results are not used: one bundle was held out elsewhere, the other nowhere."""
    sharp = publishable(rule_bundle, tmp_path / "sharp", Answers(first=500))
    blind = publishable(rule_bundle, tmp_path / "blind", classes=SIGHTLESS)
    assert main(["compare", str(sharp.folder), str(blind.folder)]) == PromotionError.exit_code
    capsys.readouterr()
    assert main(["compare", str(sharp.folder), str(blind.folder), *arguments]) == 0
    shown = capsys.readouterr().out
    test = read_split(split, read_dataset(data).pictures).test
    assert f"on {len(test)} held-out pictures in {len(test)} groups" in shown
    rows = [line.split() for line in shown.splitlines() if line.startswith("  positives_dice")]
    overall, bright, dark = (row[1:3] for row in rows)
    masks = [class_id for picture in test for class_id in picture.runs]
    assert overall == ["1.0000", f"{masks.count(2) / len(masks):.4f}"]
    assert (bright, dark) == (["1.0000", "0.0000"], ["1.0000", "1.0000"])
    assert "note:" not in shown


def test_pictures_that_one_was_fitted_on_are_noted_and_speak_against_it(
    rule_bundle: Bundle,
    tmp_path: Path,
    data: Path,
    split: Path,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    honest = publishable(rule_bundle, tmp_path / "honest", Answers())
    flattered = publishable(rule_bundle, tmp_path / "flattered", Answers(seed=1))
    test = read_split(split, read_dataset(data).pictures).test
    lines = ["ImageId,split,group", f"{test[0].name},train,a", f"{test[1].name},test,b"]
    (flattered.folder / "split.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    listed = {"files": describe_files(flattered.folder)}
    seal_bundle(flattered.folder, flattered.manifest.model_copy(update=listed))
    digest = open_bundle(flattered.folder).digest

    folders = [str(bundle.folder) for bundle in (honest, flattered)]
    assert main(["compare", *folders, *arguments]) == 0
    note = f"1 of {len(test)} pictures were among those that bundle {digest[:12]} was fitted on"
    assert f"note: {note}" in capsys.readouterr().out

    named = ["--registry", str(tmp_path / "registry"), "--as", "production", *arguments]
    assert main(["promote", folders[0], *named]) == 0
    assert main(["promote", folders[1], *named]) == PromotionError.exit_code
    assert note in capsys.readouterr().err


def test_what_was_held_out_elsewhere_is_promoted_by_a_common_split(
    rule_bundle: Bundle, tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    first = publishable(rule_bundle, tmp_path / "first", Answers())
    second = publishable(rule_bundle, tmp_path / "second", Answers(first=500))
    blind = publishable(rule_bundle, tmp_path / "blind", Answers(first=900), classes=SIGHTLESS)
    named = ["--registry", str(tmp_path / "registry"), "--as", "production"]
    assert main(["promote", str(first.folder), *named]) == 0
    assert main(["promote", str(second.folder), *named]) == PromotionError.exit_code
    assert main(["promote", str(second.folder), *named, *arguments]) == 0
    capsys.readouterr()
    assert main(["promote", str(blind.folder), *named, *arguments]) == PromotionError.exit_code
    assert "scores worse" in capsys.readouterr().err
    assert main(["promote", str(first.folder), *named, "--split", "x.csv"]) == (
        SettingsError.exit_code
    )

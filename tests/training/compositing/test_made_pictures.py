"""Folders of made pictures: frequencies follow the plant's, and nothing held out is in them."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeldefect.errors import DataError, SettingsError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.fingerprints import digest_of
from training.__main__ import main
from training.compositing import Order, make_pictures
from training.compositing.regions import find_regions
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.recipe import Split
from training.splitting.split import make_split, read_split

COUNT = 120


@pytest.fixture(scope="module")
def made(plant: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "data"
    make_pictures(folder, Order(pictures=COUNT, seed=4, like=plant))
    return folder


@pytest.fixture(scope="module")
def made_data(made: Path) -> DataSet:
    return read_dataset(made)


@pytest.fixture(scope="module")
def split(plant: Path, plant_data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("split") / "split.csv"
    make_split(path, plant_data, Split(validation=0.25, test=0.25), seed=1)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def record_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "generated.json").read_text(encoding="utf-8"))
    return content


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shares(pictures: tuple[LabelledPicture, ...]) -> dict[int, float]:
    shown = Counter(number for one in pictures for number in one.runs)
    return {number: shown[number] / len(pictures) for number in range(1, 5)}


def regions(pictures: tuple[LabelledPicture, ...]) -> list[tuple[float, float, float]]:
    """Return area, row and column of every region."""
    return [
        (float(region.area), *region.centre)
        for one in pictures
        for region in find_regions(one.runs, one.shape)
    ]


def test_sizes_and_classes_are_the_plants(made_data: DataSet, plant_data: DataSet) -> None:
    assert len(made_data.pictures) == COUNT
    assert {one.shape for one in made_data.pictures} == {(64, 400)}
    assert made_data.class_names == plant_data.class_names


def test_class_frequencies_follow(made_data: DataSet, plant_data: DataSet) -> None:
    """40 pictures are dealt three times: what differs are defects that found no place."""
    for number, share in shares(plant_data.pictures).items():
        assert shares(made_data.pictures)[number] == pytest.approx(share, abs=0.03)
    clean = [np.mean([not one.runs for one in data.pictures]) for data in (made_data, plant_data)]
    assert clean[0] == pytest.approx(clean[1], abs=0.03)
    several = [
        np.mean([len(one.runs) > 1 for one in data.pictures]) for data in (made_data, plant_data)
    ]
    assert several[0] == pytest.approx(several[1], abs=0.03)


def test_numbers_sizes_and_places_follow(made_data: DataSet, plant_data: DataSet) -> None:
    new, own = (np.array(regions(data.pictures)) for data in (made_data, plant_data))
    assert len(new) / COUNT == pytest.approx(len(own) / 40, rel=0.08)
    for share in (0.25, 0.5, 0.75):
        areas = [float(np.quantile(values[:, 0], share)) for values in (new, own)]
        assert areas[0] == pytest.approx(areas[1], rel=0.3)
        for place in (1, 2):
            places = [float(np.quantile(values[:, place], share)) for values in (new, own)]
            assert places[0] == pytest.approx(places[1], abs=0.08)


def test_edge_contacts_follow(made_data: DataSet, plant_data: DataSet) -> None:
    touching = [
        np.mean(
            [
                bool(region.edges)
                for one in data.pictures
                for region in find_regions(one.runs, one.shape)
            ]
        )
        for data in (made_data, plant_data)
    ]
    assert touching[0] == pytest.approx(touching[1], abs=0.06)


def test_pictures_on_the_same_steel_are_in_its_group(made: Path, plant_data: DataSet) -> None:
    groups = {row["ImageId"]: row["group"] for row in rows_of(made / "groups.csv")}
    own = {one.name: one.group for one in plant_data.pictures if not one.defective}
    for row in rows_of(made / "sources.csv"):
        assert groups[row["ImageId"]] == own[row["steel"]]
    assert len(set(groups.values())) > 10


def test_the_record_says_what_was_made_from_what(
    made: Path, plant: Path, plant_data: DataSet
) -> None:
    record = record_of(made)
    assert (record["seed"], record["first"], record["pictures"]) == (4, 0, COUNT)
    assert record["like"]["fingerprint"] == plant_data.fingerprint
    assert record["like"]["part"] == "all"
    named = {
        name
        for row in rows_of(made / "sources.csv")
        for column in ("steel", "defects", "clean_pieces")
        for name in row[column].split(";")
        if name
    }
    digests = {digest_of(one.read()): one.name for one in plant_data.pictures if one.name in named}
    assert record["sources"] == digests
    assert str(plant.parent) not in json.dumps(record), "no path of this machine"


def test_the_same_order_writes_the_same_bytes(plant: Path, tmp_path: Path) -> None:
    order = Order(pictures=6, seed=9, like=plant)
    make_pictures(tmp_path / "one", order)
    make_pictures(tmp_path / "other", order)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_a_picture_depends_on_seed_and_number_alone(
    made: Path, plant: Path, tmp_path: Path
) -> None:
    make_pictures(tmp_path / "later", Order(pictures=3, first=70, seed=4, like=plant))
    make_pictures(tmp_path / "seed", Order(pictures=3, first=70, seed=5, like=plant))
    for number in range(70, 73):
        name = f"images/made_{number:06d}.png"
        assert contents(tmp_path / "later")[name] == (made / name).read_bytes()
        assert contents(tmp_path / "seed")[name] != (made / name).read_bytes()


def test_held_out_pictures_contribute_nothing(
    plant: Path, plant_data: DataSet, split: Path, tmp_path: Path
) -> None:
    make_pictures(tmp_path, Order(pictures=30, like=plant, split_file=split))
    parts = read_split(split, plant_data.pictures)
    record = record_of(tmp_path)
    assert set(record["sources"].values()) <= {one.name for one in parts.train}
    assert len(record["sources"]) > 5
    assert record["like"]["part"] == "train"
    assert record["like"]["split"] == hashlib.sha256(split.read_bytes()).hexdigest()


def masks_file(path: Path, rows: list[tuple[str, int, str]]) -> Path:
    text = "".join(f"{name},{number},{runs}\n" for name, number, runs in rows)
    path.write_text(f"ImageId,ClassId,EncodedPixels\n{text}", encoding="utf-8")
    return path


def box(top: int, left: int, bottom: int, right: int) -> str:
    mask = np.zeros((64, 400), dtype=bool)
    mask[top:bottom, left:right] = True
    return run_lengths.encode(mask)


def areas_of(folder: Path) -> set[tuple[int, int]]:
    """Return class and area of every mask."""
    return {
        (number, run_lengths.area(runs))
        for one in read_dataset(folder).pictures
        for number, runs in one.runs.items()
    }


def test_masks_without_pictures_are_filled_and_keep_their_form(plant: Path, tmp_path: Path) -> None:
    """Masks that touch a side are not turned, so their areas stay."""
    rows = [("x.jpg", 3, box(0, 40, 64, 60)), ("y.jpg", 1, box(0, 100, 10, 140))]
    masks = masks_file(tmp_path / "masks.csv", rows)
    order = Order(pictures=8, like=plant, masks=(masks,), clean_share=0.25)
    made = make_pictures(tmp_path / "made", order)
    assert areas_of(tmp_path / "made") == {(3, 1280), (1, 400)}
    assert sum(not one.truth.runs for one in made) == 2
    assert record_of(tmp_path / "made")["masks"][0]["pictures"] == 2


def test_masks_alone_need_no_picture(tmp_path: Path) -> None:
    rows = [("x.jpg", 2, box(0, 40, 64, 50)), ("z.jpg", 2, "")]
    masks = masks_file(tmp_path / "masks.csv", rows)
    order = Order(pictures=6, masks=(masks,), mask_size=(64, 400))
    made = make_pictures(tmp_path / "made", order)
    data = read_dataset(tmp_path / "made")
    assert [bool(one.truth.runs) for one in made].count(False) == 3, "half of the file is clean"
    assert areas_of(tmp_path / "made") == {(2, 640)}
    assert data.class_names[2] == "hairline"
    assert not (tmp_path / "made" / "groups.csv").exists()


def test_masks_of_held_out_pictures_are_left_out(
    plant: Path, plant_data: DataSet, split: Path, tmp_path: Path
) -> None:
    held = [one for one in read_split(split, plant_data.pictures).test if one.runs][:2]
    (same_name, same_runs) = held
    number, runs = next(iter(same_runs.runs.items()))
    rows = [
        (Path(same_name.name).with_suffix(".png").name, 1, box(0, 0, 8, 8)),
        ("renamed.jpg", number, run_lengths.to_text(runs)),
        ("other.jpg", 3, box(0, 40, 64, 60)),
    ]
    masks = masks_file(tmp_path / "masks.csv", rows)
    order = Order(pictures=4, like=plant, masks=(masks,), split_file=split, clean_share=0.0)
    make_pictures(tmp_path / "made", order)
    assert areas_of(tmp_path / "made") == {(3, 1280)}
    assert record_of(tmp_path / "made")["masks"][0]["held_out"] == 2


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"pictures": 0}, "pictures is at least 1; received 0"),
        ({"clean_share": 1.5}, "clean_share is a share between 0 and 1; received 1.5"),
        ({"fold": 0}, "give split_file, too"),
        ({"bundle": Path("b")}, "give textures, too"),
        ({"mask_size": (64, 400)}, "give masks, too"),
        ({"like": None}, "give like (labelled pictures), masks, or both"),
        ({"like": None, "masks": (Path("m"),)}, "give mask_size"),
        ({"like": None, "masks": (Path("m"),), "textures": (Path("t"),)}, "give like, too"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Order(**{"pictures": 3, "like": Path("plant"), **changed})
    assert expected in str(caught.value)


def copy_of(plant: Path, folder: Path, keep: str) -> Path:
    """Write a data folder with the clean or the defective pictures of the plant alone."""
    (folder / "images").mkdir(parents=True)
    labels = [row for row in rows_of(plant / "labels.csv") if row["label"] == keep]
    for row in labels:
        name = row["ImageId"]
        (folder / "images" / name).write_bytes((plant / "images" / name).read_bytes())
    text = "".join(f"{row['ImageId']},{row['label']}\n" for row in labels)
    (folder / "labels.csv").write_text(f"ImageId,label\n{text}", encoding="utf-8")
    names = {row["ImageId"] for row in labels}
    rows = [row for row in rows_of(plant / "train.csv") if row["ImageId"] in names]
    masks_file(
        folder / "train.csv",
        [(row["ImageId"], int(row["ClassId"]), row["EncodedPixels"]) for row in rows],
    )
    (folder / "classes.json").write_bytes((plant / "classes.json").read_bytes())
    return folder


@pytest.mark.parametrize(
    ("keep", "expected"), [("0", "shows a defect with a mask"), ("1", "there is no steel")]
)
def test_a_plant_without_defects_or_without_steel_is_refused(
    plant: Path, tmp_path: Path, keep: str, expected: str
) -> None:
    folder = copy_of(plant, tmp_path / "data", keep)
    with pytest.raises(DataError, match=expected):
        make_pictures(tmp_path / "made", Order(pictures=3, like=folder))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [
        ([("x.jpg", 9, "1 2")], None, r"class ids that are not known: 9 \(line 2\)"),
        ([("x.jpg", 1, "25599 3")], None, "line 2: .*give the size of the pictures"),
        ([("x.jpg", 1, "1 2 3")], None, "odd|even count"),
        ([("x.jpg", 1, "")], None, "no usable mask in masks.csv"),
        ([("x.jpg", 1, "1 2")], (256, 1600), "256x1600 are larger than the clean pictures"),
    ],
)
def test_masks_that_do_not_fit_are_refused(
    plant: Path,
    tmp_path: Path,
    rows: list[tuple[str, int, str]],
    size: tuple[int, int] | None,
    expected: str,
) -> None:
    masks = masks_file(tmp_path / "masks.csv", rows)
    with pytest.raises(DataError, match=expected):
        make_pictures(
            tmp_path / "made", Order(pictures=3, like=plant, masks=(masks,), mask_size=size)
        )


def test_a_folder_with_other_pictures_is_refused(plant: Path, made: Path) -> None:
    with pytest.raises(SettingsError, match="choose an empty folder"):
        make_pictures(made, Order(pictures=3, like=plant, first=500))


def test_the_command_makes_pictures_and_refuses_options_of_drawn_ones(
    plant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["generate", "--data", str(tmp_path / "made"), "--pictures", "4"]
    like = ["--like", str(plant), "--clean-share", "0.5"]
    assert main([*common, *like]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"4 pictures (2 clean) in {tmp_path / 'made'}")
    assert "making: 4/4 pictures (100%)" in captured.err
    assert main([*common, *like, "--frames", "2"]) == SettingsError.exit_code
    assert "--frames: these options are for drawn pictures" in capsys.readouterr().err
    assert main([*common, "--fold", "0"]) == SettingsError.exit_code
    assert "--fold: these options belong to --like or --masks" in capsys.readouterr().err

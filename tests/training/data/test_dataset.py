"""Reading a data folder: both CSV forms, and every contradiction that is refused."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from steeldefect.errors import DataError
from steeldefect.pictures import run_lengths
from training.data.dataset import read_dataset

HEADER = "ImageId,ClassId,EncodedPixels\n"


def test_pictures_masks_and_class_names(small_folder: Any) -> None:
    dataset = read_dataset(small_folder.path)
    a, b, c = dataset.pictures
    assert [one.name for one in dataset.pictures] == ["a.png", "b.png", "c.png"]
    assert a.shape == small_folder.shape
    assert run_lengths.to_text(a.runs[2]) == small_folder.square(18, 40)
    assert set(a.runs) == {1, 2}
    assert set(b.runs) == {2}
    assert c.runs == {}
    assert [one.defective for one in dataset.pictures] == [True, True, False]
    assert [one.group for one in dataset.pictures] == ["a.png", "b.png", "c.png"]
    assert dataset.class_names == {1: "class_1", 2: "class_2"}


def test_kaggles_two_columns_give_the_same(small_folder: Any) -> None:
    three = read_dataset(small_folder.path)
    masks = {(name, number): text for name, number, text in small_folder.masks}
    rows: list[tuple[object, ...]] = [
        (f"{name}_{number}", masks.get((name, number), ""))
        for name in ("a.png", "b.png", "c.png")
        for number in (1, 2)
    ]
    small_folder.table("train.csv", "ImageId_ClassId,EncodedPixels", rows)
    two = read_dataset(small_folder.path)
    for one, other in zip(three.pictures, two.pictures, strict=True):
        assert one.defective == other.defective
        assert {k: run_lengths.to_text(v) for k, v in one.runs.items()} == {
            k: run_lengths.to_text(v) for k, v in other.runs.items()
        }
    assert two.class_names == three.class_names


@pytest.mark.parametrize("header", ["ImageId,label", "ImageID,label", "imageid, Label ,extra"])
@pytest.mark.parametrize("name", ["labels.csv", "defect_and_no_defect.csv"])
def test_labels_under_either_name(small_folder: Any, name: str, header: str) -> None:
    rows: list[tuple[object, ...]] = [("a.png", 1, 0), ("b.png", 1, 0), ("c.png", 1, 0)]
    small_folder.table(name, header, [row[: len(header.split(","))] for row in rows])
    c = read_dataset(small_folder.path).pictures[2]
    assert c.defective
    assert not c.outlined


def test_classes_and_groups_files(small_folder: Any) -> None:
    small_folder.classes({2: "scratch", 1: "pit", 5: "dent"})
    small_folder.table("groups.csv", "ImageId,group", [("a.png", "x"), ("c.png", "x")])
    dataset = read_dataset(small_folder.path)
    assert dataset.class_names == {1: "pit", 2: "scratch", 5: "dent"}
    assert list(dataset.class_names) == [1, 2, 5]
    assert [one.group for one in dataset.pictures] == ["x", "b.png", "x"]


def test_pictures_read_as_they_are(small_folder: Any) -> None:
    picture = read_dataset(small_folder.path).pictures[1]
    gray = picture.read()
    inside = run_lengths.to_mask(picture.runs[2], picture.shape)
    assert gray.dtype == np.uint8
    assert (gray[inside] == 240).all()
    assert (gray[~inside] < 100).all()


def test_fingerprint_changes_with_labels_and_pictures(small_folder: Any) -> None:
    before = read_dataset(small_folder.path).fingerprint
    assert read_dataset(small_folder.path).fingerprint == before
    small_folder.classes({1: "pit", 2: "scratch"})
    named = read_dataset(small_folder.path).fingerprint
    small_folder.picture("d.png")
    added = read_dataset(small_folder.path).fingerprint
    assert len({before, named, added}) == 3


@pytest.mark.parametrize(
    "write",
    [
        lambda name: name.replace(".png", ".PNG"),
        lambda name: f"images/{name}",
        lambda name: f"C:\\data\\{name}",
        lambda name: name.removesuffix(".png"),
        lambda name: f'"{name}"',
    ],
)
def test_names_may_be_written_otherwise(small_folder: Any, write: Callable[[str], str]) -> None:
    before = read_dataset(small_folder.path)
    masks = [(write(name), number, text) for name, number, text in small_folder.masks]
    small_folder.table("train.csv", "ImageId,ClassId,EncodedPixels", masks)
    labels = [(write("a.png"), 1), (write("b.png"), 1), (write("c.png"), 0)]
    small_folder.table("labels.csv", "ImageId,label", labels)
    small_folder.table("groups.csv", "ImageId,group", [(write("a.png"), "x"), (write("c.png"), "")])
    after = read_dataset(small_folder.path)
    for one, other in zip(before.pictures, after.pictures, strict=True):
        assert (one.name, one.defective) == (other.name, other.defective)
        assert {k: run_lengths.to_text(v) for k, v in one.runs.items()} == {
            k: run_lengths.to_text(v) for k, v in other.runs.items()
        }
    assert [one.group for one in after.pictures] == ["x", "b.png", "c.png"]


@pytest.mark.parametrize(("stored", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_in_either_of_unicodes_forms(folder: Any, stored: str, written: str) -> None:
    name = unicodedata.normalize(stored, "Prüfling.png")
    folder.picture(name)
    folder.masks = [(unicodedata.normalize(written, name), 1, folder.square(2, 3))]
    folder.masks_table()
    (picture,) = read_dataset(folder.path).pictures
    assert (picture.name, picture.defective) == (name, True)


def test_rows_that_are_equal_count_once(small_folder: Any) -> None:
    small_folder.masks.append(small_folder.masks[0])
    small_folder.masks_table()
    assert set(read_dataset(small_folder.path).pictures[0].runs) == {1, 2}


def test_what_is_no_picture_is_passed_over_and_named(
    small_folder: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    images = small_folder.path / "images"
    (images / "._a.png").write_bytes(b"\0\5\x16\7")
    (images / "d.png").mkdir()
    os.mkfifo(images / "p.png")
    (images / "notes.txt").touch()
    assert [one.name for one in read_dataset(small_folder.path).pictures] == [
        "a.png",
        "b.png",
        "c.png",
    ]
    assert (
        "4 entries are passed over: ._a.png (hidden), d.png (a folder, which is not searched), "
        "notes.txt (not a picture by its name), p.png (not a regular file)"
    ) in capsys.readouterr().err


def test_a_name_that_is_not_utf8_is_refused(small_folder: Any) -> None:
    (small_folder.path / "images" / os.fsdecode(b"pr\xfcf.png")).touch()
    with pytest.raises(DataError, match=r"names are not UTF-8: pr\\udcfcf\.png; rename them"):
        read_dataset(small_folder.path)


def test_pictures_in_folders_of_their_own_are_not_searched(small_folder: Any) -> None:
    images = small_folder.path / "images"
    (images / "good").mkdir()
    for path in images.glob("*.png"):
        path.rename(images / "good" / path.name)
    with pytest.raises(DataError, match=r"holds no picture .*; it holds good \(a folder, which is"):
        read_dataset(small_folder.path)


def _remove_images(folder: Any) -> None:
    for path in (folder.path / "images").iterdir():
        path.unlink()
    (folder.path / "images").rmdir()


def _remove_pictures(folder: Any) -> None:
    for path in (folder.path / "images").iterdir():
        path.unlink()


def _masks(*rows: tuple[object, ...]) -> Callable[[Any], None]:
    return lambda folder: folder.table("train.csv", "ImageId,ClassId,EncodedPixels", list(rows))


def _labels(*rows: tuple[object, ...]) -> Callable[[Any], None]:
    return lambda folder: folder.table("labels.csv", "ImageId,label", list(rows))


def _text(name: str, content: str) -> Callable[[Any], None]:
    return lambda folder: (folder.path / name).write_text(content, encoding="utf-8") and None


def _both_labels(folder: Any) -> None:
    for name in ("labels.csv", "defect_and_no_defect.csv"):
        folder.table(name, "ImageId,label", [("a.png", 1)])


def _truncate(folder: Any) -> None:
    path = folder.path / "images" / "b.png"
    os.truncate(path, path.stat().st_size // 2)


def _pipe_for_masks(folder: Any) -> None:
    (folder.path / "train.csv").unlink()
    os.mkfifo(folder.path / "train.csv")


REFUSED: list[tuple[str, Callable[[Any], None], str]] = [
    ("no images folder", _remove_images, "no such folder: .*images"),
    ("no pictures", _remove_pictures, "holds no picture"),
    ("no train.csv", lambda f: (f.path / "train.csv").unlink(), r"no such file: .*train\.csv"),
    ("empty train.csv", _text("train.csv", ""), r"train\.csv is empty"),
    ("zeroed in part", _text("train.csv", "ImageId,ClassId\0\0\0\n"), "line 1 holds 3 NUL bytes"),
    (
        "cut in a row",
        _text("train.csv", f"{HEADER}a.png,1,1 2\nb.png,1"),
        "line 3 has 2 of 3 cells",
    ),
    ("UTF-16", lambda f: (f.path / "train.csv").write_text(HEADER, "utf-16") and None, "UTF-16"),
    ("no columns", _text("train.csv", "a,b\n1,2\n"), "no column imageid or classid or encodedp"),
    ("torn CSV", _text("train.csv", 'ImageId,ClassId,EncodedPixels\n"a\n'), "is not CSV"),
    ("class 0", _masks(("a.png", 0, "1 2")), "whole numbers from 1; line 2 has '0'"),
    ("class x", _masks(("a.png", 1, "1 2"), ("b.png", "x", "")), "line 3 has 'x'"),
    (
        "out of bounds",
        _masks(("a.png", 1, "2040 20")),
        r"line 2: a\.png class 1: .*run 0: is out of b",
    ),
    ("odd numbers", _masks(("a.png", 1, "1 2 3")), r"a\.png class 1: .*run 1"),
    ("zero start", _masks(("a.png", 1, "0 2")), "starts below pixel 1"),
    ("twice", _masks(("a.png", 1, "1 2"), ("a.png", 1, "5 2")), r"a\.png class 1 .lines 2 and 3"),
    (
        "two spellings",
        _masks(("a.png", 1, "1 2"), ("A.png", 2, "5 2")),
        r"A\.png .line 3: means the same picture as 'a\.png'",
    ),
    ("other suffix", _masks(("a.jpg", 1, "1 2")), r"a\.jpg .line 2: is 'a\.png' meant\?"),
    ("float", _masks(("a.png", 1, "1.0 2.0")), r"line 2: a\.png class 1: .*'1\.0'"),
    ("mask of no picture", _masks(("z.png", 1, "1 2")), r"not in images/: z\.png"),
    ("label of no picture", _labels(("z.png", 1)), r"labels\.csv names .*: z\.png \(line 2\)"),
    ("label 2", _labels(("a.png", 2)), "1 .defective. or 0; line 2 has '2'"),
    ("two labels", _labels(("a.png", 1), ("a.png", 0)), r"contradict each other for a\.png"),
    (
        "clean with mask",
        _labels(("a.png", 0), ("b.png", 1), ("c.png", 0)),
        r"train\.csv: a\.png \(line 2, labelled in line 2",
    ),
    ("no label", _labels(("a.png", 1)), r"neither in labels\.csv nor with a mask in train\.csv: c"),
    ("two labels files", _both_labels, "has both"),
    ("classes no JSON", _text("classes.json", "{"), "expected class names by id"),
    ("classes a list", _text("classes.json", '["a"]'), "expected class names by id"),
    ("class named twice", _text("classes.json", '{"1": "a", "01": "b"}'), "names class 1 twice"),
    ("class 1_0", _text("classes.json", '{"1_0": "a"}'), "received '1_0'"),
    ("groups differ", _text("groups.csv", "ImageId,group\na.png,1\n\na.png,2\n"), "lines 2 and 4"),
    ("train.csv a pipe", _pipe_for_masks, "not a regular file"),
    ("classes from 0", _text("classes.json", '{"0": "a"}'), "expected class names by id"),
    ("class unnamed", _text("classes.json", '{"1": "pit"}'), "does not name: 2 .line 3"),
    ("group of no picture", _text("groups.csv", "ImageId,group\nz.png,1\n"), r"z\.png"),
    ("truncated picture", _truncate, r"1 pictures cannot be read: .*b\.png"),
]


@pytest.mark.parametrize(
    ("spoil", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_refused(small_folder: Any, spoil: Callable[[Any], None], message: str) -> None:
    spoil(small_folder)
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(small_folder.path)
    assert "\n" not in str(caught.value)


def test_contradictions_come_together_and_long_lists_are_cut(small_folder: Any) -> None:
    rows: list[tuple[object, ...]] = [(f"z{number}.png", 1, "1 2") for number in range(9)]
    small_folder.table("train.csv", "ImageId,ClassId,EncodedPixels", rows)
    small_folder.classes({7: "dent"})
    with pytest.raises(DataError) as caught:
        read_dataset(small_folder.path)
    message = str(caught.value)
    assert "does not name: 1" in message
    assert "z4.png (line 6) and 4 more" in message

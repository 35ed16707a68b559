"""Masks survive every format to the pixel: read by the format's own library, and by ours."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.annotation_tools import (
    CLASSES,
    annotated,
    as_lists,
    count_holes,
    filled,
    masks_of,
    read_by_own_library,
    regions,
    review_in_label_studio,
)

from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats import (
    Format,
    Lost,
    Shapes,
    read_annotations,
    write_annotations,
)

# pycocotools does not know the newest protocol of NumPy
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

every_format = pytest.mark.parametrize("format", list(Format))


def drawn(*rows: str) -> dict[int, Mask]:
    """Read masks from rows of characters: 1 and 3 are classes, * is both."""
    pixels = np.array([list(row) for row in rows])
    return {number: np.isin(pixels, [str(number), "*"]) for number in (1, 3)}


CASES = {
    "empty": drawn("....", "....", "...."),
    "one pixel": drawn("....", ".1..", "...."),
    "one pixel in a corner": drawn("1..", "..."),
    "one pixel is the picture": drawn("1"),
    "whole picture": drawn("1111", "1111", "1111"),
    "one row": drawn(".11.3"),
    "one column": drawn(".", "1", "1", "3"),
    "top edge": drawn("1111", "....", "...."),
    "bottom edge": drawn("....", "....", "1111"),
    "left edge": drawn("1...", "1...", "1..."),
    "right edge": drawn("...1", "...1", "...1"),
    "corners": drawn("1..1", "....", "1..1"),
    "hole": drawn("11111", "1...1", "1...1", "11111"),
    "hole at an edge is none": drawn("11111", "1...1", "1...1"),
    "nested holes": drawn(
        "1111111", "1.....1", "1.111.1", "1.1.1.1", "1.111.1", "1.....1", "1111111"
    ),
    "another class in a hole": drawn("1111", "1331", "1331", "1111"),
    "diagonal": drawn("1..", ".1.", "..1"),
    "anti-diagonal": drawn("..1", ".1.", "1.."),
    "chequered": drawn("1.1.", ".1.1", "1.1."),
    "a hole that only corners close": drawn(".1.", "1.1", ".1."),
    "one class over another": drawn("1*3", "***", "3.1"),
    "the same mask twice": drawn("**", "**"),
    "several regions": drawn("1.1.1", ".....", "33.11", "33.1."),
}


def written(format: Format, folder: Path, pictures: list[AnnotatedPicture]) -> Lost:
    return write_annotations(format, folder, pictures, CLASSES)


def read_back(
    format: Format, folder: Path, pictures: list[AnnotatedPicture]
) -> list[AnnotatedPicture]:
    """Read what was written; in Label Studio, a reviewer has taken it over as it is."""
    if format is Format.LABEL_STUDIO:
        review_in_label_studio(folder)
    shapes = {one.name: one.shape for one in pictures}
    return [one.picture for one in read_annotations(format, folder, shapes, CLASSES)]


def check_round_trip(format: Format, folder: Path, pictures: list[AnnotatedPicture]) -> None:
    before = {one.name: masks_of(one) for one in pictures}
    lost = written(format, folder, pictures)
    expected = before
    if format is Format.YOLO:  # holes come back filled, and nothing else changes
        expected = {
            name: {number: filled(mask) for number, mask in masks.items()}
            for name, masks in before.items()
        }
    assert lost == counted(before, expected)
    assert as_lists(read_by_own_library(format, folder, pictures)) == as_lists(expected)
    back = read_back(format, folder, pictures)
    assert sorted(one.name for one in back) == sorted(before)
    assert as_lists({one.name: masks_of(one) for one in back}) == as_lists(expected)
    assert {one.name: one.shape for one in back} == {one.name: one.shape for one in pictures}


def counted(before: dict[str, dict[int, Mask]], after: dict[str, dict[int, Mask]]) -> Lost:
    pixels = sum(
        int((mask ^ after[name][number]).sum())
        for name, masks in before.items()
        for number, mask in masks.items()
    )
    changed = [
        mask
        for name, masks in before.items()
        for number, mask in masks.items()
        if (mask ^ after[name][number]).any()
    ]
    return Lost(sum(map(count_holes, changed)), pixels)


@every_format
@pytest.mark.parametrize("case", list(CASES))
def test_masks_by_example(format: Format, case: str, tmp_path: Path) -> None:
    masks = CASES[case]
    pictures = [
        annotated("first.png", masks[1].shape, {}),
        annotated("Prüfling 2 & 3.png", masks[1].shape, masks),
        annotated("last.png", masks[1].shape, {12: masks[1]}),
    ]
    check_round_trip(format, tmp_path, pictures)


@st.composite
def pictures_with_masks(draw: st.DrawFn) -> list[AnnotatedPicture]:
    """Draw one to three pictures of different sizes, sparse and dense, classes over each other."""
    pictures = []
    for number in range(draw(st.integers(1, 3))):
        shape = draw(st.integers(1, 9)), draw(st.integers(1, 12))
        masks = {}
        for class_id in CLASSES:
            rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
            share = draw(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]))
            masks[class_id] = rng.random(shape) < share
        pictures.append(annotated(f"p{number}.png", shape, masks))
    return pictures


@every_format
@settings(max_examples=60)
@given(pictures=pictures_with_masks())
def test_any_masks(format: Format, pictures: list[AnnotatedPicture]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_round_trip(format, Path(folder), pictures)


@every_format
def test_pictures_as_large_as_steel(format: Format, tmp_path: Path) -> None:
    shape = (256, 1600)
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.random((16, 100)) < 0.2, np.ones((16, 16), bool))
    pictures = [
        annotated("whole.png", shape, {1: np.ones(shape, bool)}),
        annotated("patches.png", shape, {1: coarse, 3: rng.random(shape) < 0.0001}),
    ]
    check_round_trip(format, tmp_path, pictures)


@pytest.mark.parametrize("case", list(CASES))
def test_polygons_of_cvat(case: str, tmp_path: Path) -> None:
    masks = CASES[case]
    check_polygons_of_cvat(tmp_path, annotated("a.png", masks[1].shape, masks))


@settings(max_examples=60)
@given(pictures=pictures_with_masks())
def test_any_polygons_of_cvat(pictures: list[AnnotatedPicture]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for picture in pictures:
            check_polygons_of_cvat(Path(folder), picture)


def check_polygons_of_cvat(folder: Path, picture: AnnotatedPicture) -> None:
    before = {picture.name: masks_of(picture)}
    expected = {
        picture.name: {number: filled(mask) for number, mask in before[picture.name].items()}
    }
    lost = write_annotations(Format.CVAT, folder, [picture], CLASSES, Shapes.POLYGONS)
    assert lost == counted(before, expected)
    back = read_back(Format.CVAT, folder, [picture])
    assert as_lists({one.name: masks_of(one) for one in back}) == as_lists(expected)
    text = (folder / "annotations.xml").read_text(encoding="utf-8")
    objects = sum(len(regions(mask)) for mask in before[picture.name].values())
    assert text.count("<polygon ") == objects
    assert "<mask " not in text


@pytest.mark.parametrize("format", [Format.COCO, Format.CVAT, Format.LABEL_STUDIO, Format.YOLO])
def test_each_region_is_an_object_of_its_own(format: Format, tmp_path: Path) -> None:
    masks = CASES["several regions"]
    written(format, tmp_path, [annotated("a.png", masks[1].shape, masks)])
    words = {
        Format.COCO: ("annotations.json", '"segmentation"'),
        Format.CVAT: ("annotations.xml", "<mask "),
        Format.LABEL_STUDIO: ("tasks.json", '"brushlabels", '),
        Format.YOLO: ("labels/a.txt", "\n"),
    }
    file, word = words[format]
    assert (tmp_path / file).read_text(encoding="utf-8").count(word) == 5


def test_what_yolo_loses_is_counted(tmp_path: Path) -> None:
    hole, nested = CASES["hole"], CASES["nested holes"]
    pictures = [
        annotated("a.png", hole[1].shape, hole),
        annotated("b.png", nested[1].shape, {3: nested[1]}),
    ]
    # in b, the outer ring has one hole of 25 pixels, 8 of which are the inner ring with its hole
    assert written(Format.YOLO, tmp_path, pictures) == Lost(holes=3, pixels=6 + 25 - 8)


def test_nothing_is_written_without_pictures(tmp_path: Path) -> None:
    for format in Format:
        folder = tmp_path / format.value
        folder.mkdir()
        assert written(format, folder, []) == Lost()
        assert read_back(format, folder, []) == []


@pytest.mark.parametrize("name", ["a", "a.b.c.png", "Ä.png", "a 'b'.png", "=1+1.png", "%41.png"])
@every_format
def test_names_of_pictures(format: Format, name: str, tmp_path: Path) -> None:
    picture = annotated(name, (2, 3), {1: np.eye(2, 3, dtype=bool)})
    written(format, tmp_path, [picture])
    assert [one.name for one in read_back(format, tmp_path, [picture])] == [name]


def test_runs_come_back_as_they_are(tmp_path: Path) -> None:
    runs = run_lengths.parse("2 3 7 1 9 2")
    picture = AnnotatedPicture("a.png", 5, 3, {3: runs})
    for format in Format:
        written(format, tmp_path, [picture])
        (back,) = read_back(format, tmp_path, [picture])
        assert run_lengths.to_text(back.masks[3]) == "2 3 7 1 9 2"

"""Annotation files as the tools themselves write them, and what a review states."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.annotation_tools import CLASSES, annotated, masks_of, review_in_label_studio

from steeldefect.errors import DataError
from steeldefect.labels.label_csv import EXCEL_CELL
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats import Format, ReadPicture, read_annotations, write_annotations

HEIGHT, WIDTH = 3, 4
SHAPES = {"a.png": (HEIGHT, WIDTH), "b.png": (HEIGHT, WIDTH)}


def drawn(*rows: str) -> Mask:
    return np.array([[character == "1" for character in row] for row in rows])


BAR = drawn("....", ".11.", "....")


def write(format: Format, folder: Path, *pictures: AnnotatedPicture) -> None:
    write_annotations(format, folder, pictures, CLASSES)


def read(format: Format, path: Path) -> list[ReadPicture]:
    return read_annotations(format, path, SHAPES, CLASSES)


def rows_of(found: ReadPicture, class_id: int) -> list[str]:
    mask = masks_of(found.picture)[class_id]
    return ["".join(".1"[int(one)] for one in row) for row in mask]


@pytest.mark.parametrize(
    ("segmentation", "rows"),
    [
        ({"size": [3, 4], "counts": [4, 1, 2, 1, 4]}, ["....", ".11.", "...."]),
        ({"size": [3, 4], "counts": "41202"}, ["....", ".11.", "...."]),
        ([[1, 1, 3, 1, 3, 2, 1, 2]], ["....", ".11.", "...."]),
        ([[0, 0, 1, 0, 1, 1, 0, 1], [3, 2, 4, 2, 4, 3, 3, 3]], ["1...", "....", "...1"]),
        ([[-0.4, -0.4, 4.4, -0.4, 4.4, 3.4, -0.4, 3.4]], ["1111", "1111", "1111"]),
    ],
)
def test_segmentations_of_coco(segmentation: Any, rows: list[str], tmp_path: Path) -> None:
    document = {
        "images": [{"id": 5, "file_name": "images/a.png", "width": 4, "height": 3, "license": 1}],
        # CVAT numbers the categories anew
        "categories": [{"id": 0, "name": "other"}, {"id": 7, "name": CLASSES[3]}],
        "annotations": [
            {"id": 9, "image_id": 5, "category_id": 7, "iscrowd": 1, "segmentation": segmentation}
        ],
    }
    file = tmp_path / "instances_default.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    (found,) = read(Format.COCO, file)
    assert found.picture.name == "a.png"
    assert rows_of(found, 3) == rows
    assert (found.reviewer, found.reviewed_at) == (None, None)


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>4</id><owner><username>a</username></owner></task><dumped>2024</dumped></meta>
  <image id="0" name="images/a.png" subset="Train" task_id="4" width="4" height="3">
    <polygon label="inclusion" source="manual" occluded="0" points="0.00,0.00;2.00,0.00;2.00,1.00;\
0.00,1.00" z_order="0">
      <attribute name="sure">yes</attribute>
    </polygon>
    <polygon label="inclusion" source="manual" points="3.0,2.0;4.0,2.0;4.0,3.0;3.0,3.0"/>
    <mask label="inclusion" source="semi-auto" occluded="0" rle="1, 1, 1, 1" left="0" top="1" \
width="2" height="2" z_order="0">
    </mask>
  </image>
  <image id="1" name="b.png" width="4" height="3"></image>
</annotations>
"""


def test_what_cvat_exports(tmp_path: Path) -> None:
    file = tmp_path / "annotations.xml"
    file.write_text(CVAT, encoding="utf-8")
    for path in (file, tmp_path):
        first, second = read(Format.CVAT, path)
        assert rows_of(first, 12) == ["11..", ".1..", ".1.1"]
        assert (second.picture.name, second.picture.masks) == ("b.png", {})


def test_what_is_written_for_cvat(tmp_path: Path) -> None:
    write(Format.CVAT, tmp_path, annotated("a.png", BAR.shape, {3: BAR}))
    text = (tmp_path / "annotations.xml").read_text(encoding="utf-8")
    assert (
        '<mask label="Kratzer &lt;quer&gt;" source="auto" occluded="0" rle="0, 2" left="1" top="1" '
        'width="2" height="1" z_order="0" />'
    ) in text
    assert "<name>scale &amp; 'rust'</name>" in text


def test_a_review_in_label_studio(tmp_path: Path) -> None:
    write(Format.LABEL_STUDIO, tmp_path, annotated("a.png", BAR.shape, {3: BAR}))
    review_in_label_studio(
        tmp_path,
        completed_by={"id": 1, "email": "ann@example.com", "first_name": "Ann"},
        updated_at="2026-11-02T08:15:30.500000Z",
        lead_time=12.5,
        was_cancelled=False,
    )
    (found,) = read(Format.LABEL_STUDIO, tmp_path)
    assert rows_of(found, 3) == ["....", ".11.", "...."]
    assert found.reviewer == "ann@example.com"
    assert found.reviewed_at == datetime(2026, 11, 2, 8, 15, 30, 500_000, tzinfo=UTC)


def tasks_of(folder: Path) -> list[dict[str, Any]]:
    write(
        Format.LABEL_STUDIO,
        folder,
        annotated("a.png", BAR.shape, {3: BAR}),
        annotated("b.png", BAR.shape, {}),
    )
    review_in_label_studio(folder, completed_by=7)
    tasks: list[dict[str, Any]] = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    return tasks


def read_tasks(folder: Path, tasks: list[dict[str, Any]]) -> list[ReadPicture]:
    file = folder / "project-1-at-2026-11-02.json"
    file.write_text(json.dumps(tasks), encoding="utf-8")
    return read(Format.LABEL_STUDIO, file)


def test_a_clean_picture_is_reviewed_without_a_mask(tmp_path: Path) -> None:
    _, clean = read_tasks(tmp_path, tasks_of(tmp_path))
    assert (clean.picture.name, clean.picture.masks) == ("b.png", {})
    assert clean.reviewer == "user 7"


@pytest.mark.parametrize("annotations", [[], [{"id": 1, "result": [], "was_cancelled": True}]])
def test_a_picture_that_nobody_reviewed_is_left_out(annotations: Any, tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path)
    tasks[0]["annotations"] = annotations
    assert [one.picture.name for one in read_tasks(tmp_path, tasks)] == ["b.png"]


def test_cancelled_annotations_do_not_count(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path)
    cancelled = {"id": 1, "result": [{"type": "choices"}], "was_cancelled": True}
    tasks[0]["annotations"].append(cancelled)
    assert rows_of(read_tasks(tmp_path, tasks)[0], 3) == ["....", ".11.", "...."]


def test_the_ground_truth_counts_before_others(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path)
    (own,) = tasks[0]["annotations"]
    tasks[0]["annotations"] = [{"id": 1, "result": []}, {**own, "ground_truth": True}]
    assert rows_of(read_tasks(tmp_path, tasks)[0], 3) == ["....", ".11.", "...."]


@pytest.mark.parametrize(
    "image", ["/data/local-files/?d=images/a%2Epng", "/data/upload/1/a.png", "s3://x/y/a.png"]
)
def test_tasks_without_a_name(image: str, tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path)
    tasks[0]["data"] = {"image": image}
    assert read_tasks(tmp_path, tasks)[0].picture.name == "a.png"


def test_addresses_of_pictures_in_label_studio(tmp_path: Path) -> None:
    write(Format.LABEL_STUDIO, tmp_path, annotated("Ä & b#1.png", BAR.shape, {}))
    (task,) = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    address = "/data/local-files/?d=images/%C3%84%20%26%20b%231.png"
    assert task["data"] == {"image": address, "name": "Ä & b#1.png"}


def read_maps(folder: Path) -> dict[str, list[list[int]]]:
    return {
        file.name: cv2.imread(str(file), cv2.IMREAD_UNCHANGED).tolist()
        for file in sorted((folder / "masks").iterdir())
    }


def test_classes_over_each_other_become_layers(tmp_path: Path) -> None:
    masks = {1: drawn("11.."), 3: drawn(".11."), 12: drawn(".1.1")}
    write(Format.MASKS, tmp_path, annotated("a.png", (1, 4), masks))
    assert read_maps(tmp_path) == {
        "a.png": [[1, 1, 3, 12]],
        "a.2.png": [[0, 3, 0, 0]],
        "a.3.png": [[0, 12, 0, 0]],
    }


@pytest.mark.parametrize(("class_id", "kind"), [(255, np.uint8), (256, np.uint16), (65535, None)])
def test_large_class_ids(class_id: int, kind: type | None, tmp_path: Path) -> None:
    classes = {1: "x", class_id: "y"}
    pictures = [annotated("a.png", BAR.shape, {class_id: BAR}), annotated("b.png", BAR.shape, {})]
    write_annotations(Format.MASKS, tmp_path, pictures, classes)
    for name in ("a", "b"):
        pixels = cv2.imread(str(tmp_path / f"masks/{name}.png"), cv2.IMREAD_UNCHANGED)
        assert pixels.dtype == (kind or np.uint16)
    found, clean = read_annotations(Format.MASKS, tmp_path, SHAPES, classes)
    assert np.array_equal(masks_of(found.picture)[class_id], BAR)
    assert clean.picture.masks == {}


def test_class_ids_that_png_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="class 65536: PNG holds ids up to 65,535"):
        write_annotations(Format.MASKS, tmp_path, [], {65536: "x"})


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["a.jpg", "a.png"], ["a.jpg.png", "a.png.png"]),
        (["a.jpg", "A.png"], ["A.png.png", "a.jpg.png"]),
        (["a.jpg", "a.2.jpg"], ["a.2.jpg.png", "a.png"]),
        (["a.jpg", "a.jpg.png", "b.2.jpg"], ["a.jpg.png", "a.png", "b.2.png"]),
    ],
)
def test_names_that_differ_in_their_ends(
    names: list[str], files: list[str], tmp_path: Path
) -> None:
    pictures = [
        annotated(name, (1, 4), {number: drawn("1...")})
        for name, number in zip(names, CLASSES, strict=False)
    ]
    write(Format.MASKS, tmp_path, *pictures)
    assert list(read_maps(tmp_path)) == files
    back = read_annotations(Format.MASKS, tmp_path, dict.fromkeys(names, (1, 4)), CLASSES)
    assert [(one.picture.name, *one.picture.masks) for one in back] == [
        (picture.name, *picture.masks) for picture in pictures
    ]


@pytest.mark.parametrize("names", [["a.jpg", "a.png", "a.jpg.bmp"], ["a.x", "a.y", "a.x.2.z"]])
def test_names_that_label_maps_cannot_tell_apart(names: list[str], tmp_path: Path) -> None:
    pictures = [annotated(name, (1, 4), {}) for name in names]
    with pytest.raises(DataError, match="would have the name of another picture's; rename the pic"):
        write(Format.MASKS, tmp_path, *pictures)


def test_yolo_cannot_tell_pictures_apart_by_their_ends(tmp_path: Path) -> None:
    pictures = [annotated(name, (1, 4), {}) for name in ("a.jpg", "a.png")]
    with pytest.raises(DataError, match=r"'a.jpg' is not the only one with its name; choose"):
        write(Format.YOLO, tmp_path, *pictures)
    assert list(tmp_path.iterdir()) == []


def test_label_maps_of_a_tool(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "b.png"), np.full((HEIGHT, WIDTH), 12, np.uint16))
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    (found,) = read(Format.MASKS, tmp_path)
    assert found.picture.name == "b.png"
    assert rows_of(found, 12) == ["1111"] * HEIGHT


def test_what_is_written_for_kaggle(tmp_path: Path) -> None:
    write(
        Format.KAGGLE,
        tmp_path,
        annotated("a, 1.png", BAR.shape, {3: BAR}),
        annotated("b.png", BAR.shape, {}),
    )
    assert (tmp_path / "train.csv").read_text(encoding="utf-8").splitlines() == [
        "ImageId,ClassId,EncodedPixels",
        '"a, 1.png",1,',
        '"a, 1.png",3,5 1 8 1',
        '"a, 1.png",12,',
        "b.png,1,",
        "b.png,3,",
        "b.png,12,",
    ]


def test_a_mask_as_long_as_a_cell_that_excel_cut(tmp_path: Path) -> None:
    starts = np.arange(10_000, 10_000 + 2 * 4096, 2)
    runs = np.stack([starts, np.ones_like(starts)], axis=1)
    text = run_lengths.to_text(runs)  # 8 characters a run
    runs[-1, 1] = 10 ** (EXCEL_CELL - len(text))
    assert len(run_lengths.to_text(runs)) == EXCEL_CELL
    picture = AnnotatedPicture("a.png", 1000, 1000, {3: runs})
    write(Format.KAGGLE, tmp_path, picture)
    (back,) = read_annotations(Format.KAGGLE, tmp_path, {"a.png": picture.shape}, CLASSES)
    assert np.array_equal(back.picture.masks[3], runs)


def test_what_is_written_for_yolo(tmp_path: Path) -> None:
    write(Format.YOLO, tmp_path, annotated("a.png", BAR.shape, {3: BAR}))
    assert (tmp_path / "labels/a.txt").read_text() == (
        "1 0.31250000 0.41666667 0.56250000 0.41666667 0.56250000 0.41666667\n"
    )
    assert (tmp_path / "data.yaml").read_text(encoding="utf-8") == (
        "train: images\nval: images\nnames:\n"
        "  0: scale & 'rust'\n  1: Kratzer <quer>\n  2: inclusion\n"
    )


def test_what_tools_export_for_yolo(tmp_path: Path) -> None:
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text(
        "path: .\ntrain: train.txt\nnames: [other, Kratzer <quer>]\n", encoding="utf-8"
    )
    (tmp_path / "train.txt").write_text("images/train/a.png\n")
    (tmp_path / "labels/train/a.txt").write_text("1 0 0 0.5 0 0.5 0.4 0 0.4\n\n1 .9 .9 1 .9 1 1\n")
    (tmp_path / "labels/train/b.txt").write_text("")
    first, second = read(Format.YOLO, tmp_path)
    assert rows_of(first, 3) == ["111.", "111.", "...1"]
    assert (second.picture.name, second.picture.masks) == ("b.png", {})

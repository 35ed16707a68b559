"""What the readers refuse: each message names the file and the place, and says what to do."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.annotation_tools import CLASSES, annotated, review_in_label_studio

from steeldefect.errors import DataError, SettingsError
from steeldefect.pictures import run_lengths
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats import (
    Format,
    Shapes,
    exchange,
    read_annotations,
    write_annotations,
)

HEIGHT, WIDTH = 3, 4
SHAPES = {"a.png": (HEIGHT, WIDTH), "b.png": (HEIGHT, WIDTH)}
ROWS = "ImageId,ClassId,EncodedPixels\n"
DATA = "names: [scale & 'rust', Kratzer <quer>, inclusion]\n"

Change = Callable[[Any], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write every format: a.png has a mask of class 1, b.png none."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[1, 1:3] = True
    pictures = [annotated("a.png", mask.shape, {1: mask}), annotated("b.png", mask.shape, {})]
    for format in Format:
        write_annotations(format, tmp_path, pictures, CLASSES)
    review_in_label_studio(tmp_path)
    return tmp_path


def check_refused(format: Format, path: Path, file: Path, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        read_annotations(format, path, SHAPES, CLASSES)
    message = str(caught.value)
    assert message.startswith(str(file)), message
    assert "\n" not in message
    assert len(message) < 500
    assert type(caught.value) is DataError


def change_json(file: Path, change: Change) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(json.dumps(document), encoding="utf-8")


def assign(path: str, value: Any) -> Change:
    """Return a change of a JSON document: the value at `path`, such as `images.0.width`."""

    def change(document: Any) -> None:
        *parents, last = (int(one) if one.isdigit() else one for one in path.split("."))
        for one in parents:
            document = document[one]
        document[last] = value

    return change


def segmented(value: Any) -> Change:
    return assign("annotations.0.segmentation", value)


def polygon(*numbers: float) -> Change:
    return segmented([list(numbers)])


def counted(counts: Any, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Change:
    return segmented({"size": list(size), "counts": counts})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda document: document.pop("categories"), "is not COCO: categories: Field required"),
        (assign("annotations.0.image_id", "1"), "is not COCO: annotations.0.image_id: "),
        (assign("images.0.file_name", "c.png"), "image 1: the picture 'c.png' is not one of this"),
        (assign("images.0.width", 5), "image 1: the picture 'a.png' has 5x3 pixels here and was"),
        (assign("images.1.id", 1), "image 1: two images have this id"),
        (assign("images.1.file_name", "a.png"), "the picture 'a.png' is there 2 times; keep one"),
        (assign("categories.0.name", "Scale"), "annotation 1: the class 'Scale' is unknown; use"),
        (assign("categories.1.id", 1), "category 1: two categories have this id"),
        (assign("annotations.0.image_id", 7), "annotation 1: there is no image 7"),
        (assign("annotations.0.category_id", 7), "annotation 1: there is no category 7"),
        (segmented(None), "annotation 1: it has no segmentation; draw a mask"),
        (segmented([]), "annotation 1: it has no segmentation"),
        (segmented([[]]), "annotation 1: a polygon has three points at least"),
        (counted([4, 2, 6], (WIDTH, HEIGHT)), "annotation 1: the picture 'a.png' has 3x4 pixels"),
        (counted([4, 2, 5]), "annotation 1: .*the counts add up to 11 pixels, expected 12; draw"),
        (counted([4, -2, 10]), "run 1: has a length of -2, outside 0 to 12"),
        (counted([13]), "run 0: has a length of 13"),
        (counted([12]), "annotation 1: the object covers no pixel; delete it"),
        (counted([]), "the counts add up to 0 pixels"),
        (counted(""), "the counts add up to 0 pixels"),
        (counted("4 2 6"), "annotation 1: malformed run lengths: run 1: not a compressed count"),
        (counted("4oooo"), "run 1: the text ends within a count"),
        (counted("0" + "P" * 8 + "1"), "run 1: has a length of .*, outside 0 to 12"),
        (polygon(0, 0, 2, 2), "annotation 1: a polygon has three points at least"),
        (polygon(0, 0, 2, 2, 0), "annotation 1: a polygon has an odd number"),
        (polygon(0, 0, 5, 0, 0, 2), "annotation 1: the polygon lies outside its picture of 4x3"),
        (polygon(0, 0, 2, 0, 0, -1), "annotation 1: the polygon lies outside"),
        (polygon(0, 0, 2, 0, 0, 1e300), "annotation 1: the polygon lies outside"),
        (polygon(0, 0, 2, 0, 0, float("inf")), "annotation 1: the polygon has numbers that are n"),
        (polygon(0, 0, 2, 0, 0, float("nan")), "annotation 1: the polygon has numbers that are n"),
        (polygon(*[0, 0, 4, 3] * 99), "annotation 1: the polygon is longer than any outline"),
        (polygon(0, 0, 0.1, 0, 0, 0.1), "annotation 1: the object covers no pixel"),
    ],
)
def test_coco(folder: Path, change: Change, problem: str) -> None:
    file = folder / "annotations.json"
    change_json(file, change)
    check_refused(Format.COCO, folder, file, problem)


MASK = 'rle="0, 2" left="1" top="1" width="2" height="1"'
SHAPE = "<mask label=\"scale &amp; 'rust'\" {} />"
POLYGON = '<polygon label="scale &amp; \'rust\'" points="{}" />'
ENTITIES = '<!DOCTYPE annotations [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


def cvat(content: str = "", image: str = 'name="a.png" width="4" height="3"') -> str:
    return f"<annotations><version>1.1</version><image {image}>{content}</image></annotations>"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not 'CVAT for images 1.1': ParseError"),
        ("{}", "is not 'CVAT for images 1.1': ParseError"),
        ("<annotations>", "ParseError"),
        (f"{ENTITIES}{cvat('&b;')}", "is not 'CVAT for images 1.1': DTDForbidden"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', "DTDForbidden"),
        ('<?xml version="1.0" encoding="none"?><annotations/>', "is not 'CVAT for images 1.1'"),
        ("<annotation><version>1.1</version></annotation>", "is not 'CVAT for images 1.1'; choose"),
        ("<annotations/>", "is not 'CVAT for images 1.1'; choose this format in CVAT"),
        (cvat().replace("1.1", "2"), "is not 'CVAT for images 1.1'"),
        (cvat().replace("image", "track"), "it has the element 'track'"),
        (cvat(image='name="c.png" width="4" height="3"'), "image 'c.png': the picture 'c.png' is"),
        (cvat(image='width="4" height="3"'), "image '': the picture '' is not one of this export"),
        (cvat(image='name="a.png" width="3" height="4"'), "image 'a.png': .* has 3x4 pixels here"),
        (cvat(image='name="a.png" width="4"'), "image 'a.png': height is '', expected a whole num"),
        (
            "<annotations><version>1.1</version>"
            + '<image name="a.png" width="4" height="3" />' * 2
            + "</annotations>",
            "the picture 'a.png' is there 2 times",
        ),
        (cvat("<box />"), "image 'a.png': box 1: only masks and polygons are read"),
        (cvat("<tag label='x' />"), "image 'a.png': tag 1: only masks and polygons"),
        (cvat("<mask label='x' />"), "image 'a.png': mask 1: the class 'x' is unknown; use one of"),
        (cvat("<mask />"), "mask 1: the class '' is unknown"),
        (cvat(SHAPE.format(MASK) + "<mask />"), "mask 2: the class '' is unknown"),
        (cvat(SHAPE.format(MASK.replace('"0, 2"', '"0, 1"'))), "add up to 1 pixels, expected 2"),
        (cvat(SHAPE.format(MASK.replace('"0, 2"', '"3"'))), "run 0: has a length of 3"),
        (cvat(SHAPE.format(MASK.replace('"0, 2"', '"2"'))), "mask 1: the object covers no pixel"),
        (
            cvat(SHAPE.format(MASK.replace('"0, 2"', '"0, -2"'))),
            "mask 1: malformed run lengths",
        ),
        (cvat(SHAPE.format(MASK.replace('"0, 2"', '"0,,2"'))), "mask 1: malformed run lengths"),
        (cvat(SHAPE.format(MASK.replace('"0, 2"', '""'))), "mask 1: malformed run lengths ''"),
        (cvat(SHAPE.format(MASK.replace("left", "x"))), "mask 1: left is '', expected a whole"),
        (cvat(SHAPE.format(MASK.replace('left="1"', 'left="3"'))), "mask 1: .*outside its picture"),
        (cvat(SHAPE.format(MASK.replace('left="1"', 'left="-1"'))), "mask 1: left is '-1'"),
        (cvat(SHAPE.format(MASK.replace('top="1"', 'top="3"'))), "mask 1: .*outside its picture"),
        (
            cvat(SHAPE.format('rle="0, 9" left="0" top="0" width="99999999" height="999999999"')),
            "mask 1: the mask at .0, 0. of 99999999x999999999 pixels lies outside",
        ),
        (cvat(POLYGON.format("")), "polygon 1: the points '' are not pairs of numbers"),
        (cvat(POLYGON.format("0,0;1,1,1;2,2")), "polygon 1: the points .* are not pairs"),
        (cvat(POLYGON.format("0,0;1,1")), "polygon 1: a polygon has three points at least"),
        (cvat(POLYGON.format("0,0;1,nan;2,2")), "polygon 1: the polygon has numbers that are not"),
        (cvat(POLYGON.format("0,0;5,0;0,2")), "polygon 1: the polygon lies outside its picture"),
        (cvat(POLYGON.format("0,0;0,0;0,0")), "polygon 1: the object covers no pixel"),
    ],
)
def test_cvat(folder: Path, content: str, problem: str) -> None:
    file = folder / "annotations.xml"
    file.write_text(content, encoding="utf-8")
    check_refused(Format.CVAT, folder, file, problem)


RESULT = "0.annotations.0.result.0"


def annotated_twice(tasks: Any) -> None:
    tasks[0]["annotations"] *= 2


def same_picture_twice(tasks: Any) -> None:
    tasks[1]["data"] = tasks[0]["data"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda tasks: tasks[0].pop("data"), "is not Label Studio's JSON: 0.data: Field required"),
        (assign("0.annotations.0.updated_at", "soon"), "annotations.0.updated_at: Input should be"),
        (assign("0.data.name", "c.png"), "task 1: the picture 'c.png' is not one of this export"),
        (assign(f"{RESULT}.original_width", 5), "task 1, annotation 10, result 1: .* has 5x3 pix"),
        (assign(f"{RESULT}.image_rotation", 90), "result 1: the picture was rotated"),
        (
            assign(f"{RESULT}.type", "choices"),
            "result 1: only brush masks are read, this is of",
        ),
        (assign(f"{RESULT}.value.brushlabels", ["x"]), "result 1: the class 'x' is unknown; use"),
        (assign(f"{RESULT}.value.brushlabels", []), "result 1: the mask does not have one class"),
        (assign(f"{RESULT}.value.rle", []), "result 1: malformed run lengths: the bytes end"),
        (assign(f"{RESULT}.value.rle", [1] * 9), "result 1: malformed run lengths: has 16843009"),
        (assign(f"{RESULT}.value.rle", [256]), "result 1: .*a number is not a byte"),
        (annotated_twice, "task 1: 2 annotations are there; mark one of them as ground truth"),
        (same_picture_twice, "the picture 'a.png' is there 2 times; keep one"),
    ],
)
def test_label_studio(folder: Path, change: Change, problem: str) -> None:
    file = folder / "tasks.json"
    change_json(file, change)
    check_refused(Format.LABEL_STUDIO, folder, file, problem)


def png(pixels: Any, kind: Any = np.uint8) -> bytes:
    return cv2.imencode(".png", np.array(pixels, kind))[1].tobytes()


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_by_hand(rows: int, bits: int = 8, colour: int = 0, size: int = WIDTH) -> bytes:
    header = struct.pack(">IIBBBBB", size, HEIGHT, bits, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0\1\1\1\1" * rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


PLAIN = np.ones((HEIGHT, WIDTH), np.uint8)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "picture 'a.png': the file is not PNG; save it as PNG in 8-bit or 16-bit gray"),
        (b"\x89PNG\r\n\x1a\n", "the file is not PNG"),
        (cv2.imencode(".bmp", PLAIN)[1].tobytes(), "the file is not PNG"),
        (png(PLAIN * 2), "the value 2 is no class id; use one of 1, 3, 12, or 0 for none"),
        (png(np.full((HEIGHT, WIDTH), 300), np.uint16), "the value 300 is no class id"),
        (png(PLAIN.T), "picture 'a.png': the picture 'a.png' has 3x4 pixels here"),
        (png_by_hand(1, size=100_000), "has 100000x3 pixels here and was exported with 4x3"),
        (png(np.ones((HEIGHT, WIDTH, 3))), "the PNG is not plain gray; save it as"),
        (png_by_hand(3, colour=3), "the PNG is not plain gray"),
        (png_by_hand(3, bits=4), "the PNG is not plain gray"),
        (png_by_hand(2), "the PNG is damaged"),
        (png_by_hand(3).replace(b"IDAT", b"IDAX"), "the PNG is damaged"),
    ],
)
def test_label_maps(folder: Path, content: bytes, problem: str) -> None:
    file = folder / "masks/a.png"
    file.write_bytes(content)
    check_refused(Format.MASKS, folder, file, problem)


@pytest.mark.parametrize("name", ["c.png", "a.3.png", "a.bmp", "a.png.png", "b.1.png"])
def test_label_maps_of_no_picture(folder: Path, name: str) -> None:
    file = folder / "masks" / name
    file.write_bytes(png(PLAIN))
    check_refused(Format.MASKS, folder, file, "is not the label map of an exported picture; give")


def test_a_layer_without_a_label_map(folder: Path) -> None:
    (folder / "masks/a.png").rename(folder / "masks/a.2.png")
    check_refused(Format.MASKS, folder, folder / "masks/a.2.png", "number layers from 2 without")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("", " is empty"),
        (ROWS + "c.png,1,1 1\n", ": line 2: the picture 'c.png' is not one of this export"),
        (ROWS + "a.png,1,\na.png,2,1 1\n", ": line 3: the class 2 is unknown; use one of 1, 3, 12"),
        (ROWS + "a.png,1,13 1\n", ": line 2: malformed run lengths: run 0: is out of bounds"),
        (ROWS + "a.png,1,1 0\n", ": line 2: a.png class 1: malformed run lengths: run 0"),
        (ROWS + "a.png,x,1 1\n", ": class ids are whole numbers from 1; line 2 has 'x'"),
        (ROWS + "a.png,1,1 1\na.png,1,2 1\n", "more than one row for a.png class 1"),
        (ROWS + "a.png,1,1 1\nx/a.png,3,1 1\n", ": the picture 'a.png' is there 2 times"),
    ],
)
def test_kaggle(folder: Path, rows: str, problem: str) -> None:
    file = folder / "train.csv"
    file.write_text(rows, encoding="utf-8")
    check_refused(Format.KAGGLE, folder, file, problem)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("3 0 0 1 0 1 1", "line 1: '3' is no class of data.yaml; give one of"),
        ("\n-1 0 0 1 0 1 1", "line 2: '-1' is no class"),
        ("0.0 0 0 1 0 1 1", "line 1: '0.0' is no class"),
        ("0 0.5 0.5 0.5 0.5", "line 1: this is a box; draw a polygon"),
        ("0", "line 1: a polygon has three points at least"),
        ("0 0 0 1 1 0.5", "line 1: the number of coordinates is odd"),
        ("0 0 0 1 1 0.5 0.5 0.9", "line 1: the number of coordinates is odd"),
        ("0 0 0 1 0 1 x", "line 1: could not convert string to float: 'x'"),
        ("0 0 0 1 0 1 nan", "line 1: the polygon has numbers that are not finite"),
        ("0 0 0 1.2 0 1 1", "line 1: the polygon lies outside its picture of 4x3 pixels"),
        ("0 0 0 1 0 -1e9 1", "line 1: the polygon lies outside"),
        ("0" + " 0 0 1 1" * 99, "line 1: the polygon is longer than any outline of pixels"),
    ],
)
def test_yolo(folder: Path, lines: str, problem: str) -> None:
    file = folder / "labels/a.txt"
    file.write_text(lines, encoding="utf-8")
    check_refused(Format.YOLO, folder, file, problem)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("labels/c.txt", b"", "is not of an exported picture; remove the file"),
        ("labels/a.txt", b"\xff", "is not text"),
        ("labels/train/a.txt", b"", "the picture 'a.png' is there 2 times"),
        ("data.yaml", b"names: [", "is not YAML; give the file data.yaml of the export"),
        ("data.yaml", b"\xff\xfe\xfd", "is not YAML"),
        ("data.yaml", b"{}", "has no list of class names"),
        ("data.yaml", b"names: 3", "has no list of class names"),
        ("data.yaml", b"names: {a: b}", "has no list of class names by whole numbers"),
        ("data.yaml", b"a: &a [x]\nnames: [*a]", "has no list of class names by whole numbers"),
    ],
)
def test_yolo_files(folder: Path, name: str, content: bytes, problem: str) -> None:
    (folder / "labels/train").mkdir()
    (folder / name).write_bytes(content)
    begin = folder / ("labels" if "train" in name else name)
    check_refused(Format.YOLO, folder, begin, problem)


def test_an_unknown_class_of_yolo(folder: Path) -> None:
    (folder / "data.yaml").write_text("names: [Rost]", encoding="utf-8")
    check_refused(Format.YOLO, folder, folder / "labels/a.txt", "line 1: the class 'Rost' is unkn")


@pytest.mark.parametrize("format", list(Format))
def test_missing_files(format: Format, tmp_path: Path) -> None:
    if format is Format.YOLO:
        (tmp_path / "data.yaml").write_text(DATA, encoding="utf-8")
        check_refused(format, tmp_path, tmp_path, "has no folder labels; give the folder that the")
    if format is not Format.MASKS:
        missing = tmp_path / "none"
        check_refused(format, missing, missing, "cannot be read .*; give the file, or the folder")
    else:
        check_refused(format, tmp_path / "x", tmp_path / "x", "is not a folder of label maps; give")


@pytest.mark.parametrize("format", [Format.COCO, Format.LABEL_STUDIO])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"3", b'"' + b"a" * 9**5])
def test_files_that_are_not_json(format: Format, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    check_refused(format, file, file, "is not (COCO|Label Studio's JSON): .*choose this format in")


@pytest.mark.parametrize("format", list(Format))
def test_huge_files(format: Format, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_LARGEST_FILE", 10)
    check_refused(format, folder, folder, "has more than 10 bytes; import it in parts")


@pytest.mark.parametrize(
    ("pictures", "classes", "problem"),
    [
        (["a.png", "a.png"], CLASSES, "two have the picture name 'a.png'; rename one of them"),
        (["x/a.png"], CLASSES, "'x/a.png' is no file name; give names without folders"),
        (["x\\a.png"], CLASSES, "is no file name"),
        ([".."], CLASSES, "'..' is no file name"),
        ([" a.png"], CLASSES, "the picture name ' a.png' is empty, has white space around it"),
        ([""], CLASSES, "the picture name '' is empty"),
        (["a\n.png"], CLASSES, "characters that formats cannot hold; rename it"),
        (["a\udcff.png"], CLASSES, "characters that formats cannot hold"),
        (["a.png"], {1: "x", 2: "x"}, "two have the class name 'x'"),
        (["a.png"], {1: ""}, "the class name '' is empty"),
        (["a.png"], {0: "x", 1: "y"}, "class 0: class ids begin at 1; give other ids"),
        (["a.png"], {3: "x"}, "picture 'a.png', class 1: the class has no name; add it"),
    ],
)
@pytest.mark.parametrize("format", list(Format))
def test_what_cannot_be_written(
    format: Format, pictures: list[str], classes: dict[int, str], problem: str, tmp_path: Path
) -> None:
    mask = np.eye(HEIGHT, WIDTH, dtype=bool)
    drawn = [annotated(name, mask.shape, {1: mask}) for name in pictures]
    with pytest.raises(DataError, match=problem):
        write_annotations(format, tmp_path, drawn, classes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("runs", "problem"),
    [
        ("", "picture 'a.png', class 1: the mask is empty; leave it out"),
        ("12 2", "picture 'a.png', class 1: malformed run lengths: run 0: is out of bounds"),
    ],
)
def test_masks_that_cannot_be_written(runs: str, problem: str, tmp_path: Path) -> None:
    picture = AnnotatedPicture("a.png", WIDTH, HEIGHT, {1: run_lengths.parse(runs)})
    with pytest.raises(DataError, match=problem):
        write_annotations(Format.COCO, tmp_path, [picture], CLASSES)


def test_only_cvat_has_polygons_instead_of_masks(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="coco: polygons instead of masks; only cvat has"):
        write_annotations(Format.COCO, tmp_path, [], CLASSES, Shapes.POLYGONS)


@pytest.mark.parametrize(
    ("package", "format"), [("pycocotools", Format.COCO), ("defusedxml", Format.CVAT)]
)
def test_a_missing_extra(
    package: str, format: Format, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_json(folder / "annotations.json", polygon(0, 0, 2, 0, 0, 2))
    monkeypatch.setitem(sys.modules, package, None)
    advice = rf"{package} is not installed; install steeldefect with its extra `review`"
    with pytest.raises(SettingsError, match=advice):
        read_annotations(format, folder, SHAPES, CLASSES)
    if format is Format.COCO:
        with pytest.raises(SettingsError, match=advice):
            write_annotations(format, folder, [], CLASSES)

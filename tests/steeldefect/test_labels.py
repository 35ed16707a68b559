"""Label files in all their forms, and what is refused by name and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from steeldefect.errors import DataError
from steeldefect.labels import listed, read_csv, read_labels, read_masks, read_pairs

HEADER = "ImageId,ClassId,EncodedPixels\n"


def masks(text: str) -> list[tuple[str, int, str]]:
    table = read_masks(text.encode(), "train.csv")
    assert list(table.columns) == ["ImageId", "ClassId", "EncodedPixels"]
    return list(table.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEADER + "a.jpg,1,1 3\nb.jpg,4,2 5 9 1\n", [("a.jpg", 1, "1 3"), ("b.jpg", 4, "2 5 9 1")]),
        (HEADER + "a.jpg,1,\n", [("a.jpg", 1, "")]),
        (HEADER + "a.jpg,1\n", [("a.jpg", 1, "")]),
        (HEADER, []),
        (HEADER.strip(), []),
        ("\ufeff" + HEADER + "a.jpg,1,1 3\n", [("a.jpg", 1, "1 3")]),  # as Excel saves it
        (HEADER.replace("\n", "\r\n") + "a.jpg,1,1 3\r\n", [("a.jpg", 1, "1 3")]),
        (" IMAGEID , classid,EncodedPixels\n a.jpg , 2 , 1 3 \n", [("a.jpg", 2, "1 3")]),
        ("ImageID,ClassId,EncodedPixels\na.jpg,1,1 3\n", [("a.jpg", 1, "1 3")]),  # the tutorial's
        ("EncodedPixels,more,ClassId,ImageId\n1 3,x,2,a.jpg\n", [("a.jpg", 2, "1 3")]),
        (HEADER + '"a, b.jpg",1,"1 3"\n', [("a, b.jpg", 1, "1 3")]),
        (HEADER + "NA,1,1 3\nnan,01,1 3\n", [("NA", 1, "1 3"), ("nan", 1, "1 3")]),
        (HEADER + "007,1,1 3\n", [("007", 1, "1 3")]),
        (
            "ImageId_ClassId,EncodedPixels\na.jpg_1,1 3\nb_2.jpg_4,\n",  # Kaggle's original form
            [("a.jpg", 1, "1 3"), ("b_2.jpg", 4, "")],
        ),
    ],
)
def test_forms_of_masks(text: str, expected: list[tuple[str, int, str]]) -> None:
    assert masks(text) == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "train.csv is empty; expected a header and rows"),
        (b" \n\n", "train.csv is empty"),
        (b"\xff\xfeI\0", "train.csv is not CSV: "),
        (HEADER.encode() + b'a.jpg,1,"1 3\n', "train.csv is not CSV: "),
        (b"ImageId,EncodedPixels\na,1 3\n", "no column classid; got imageid, encodedpixels"),
        (b"a.jpg,1,1 3\n", "no column imageid or classid or encodedpixels; got a.jpg, 1, 1 3"),
        (HEADER.encode() + b"a.jpg,1,1 3,\n", "more cells than the header; remove trailing commas"),
        (HEADER.encode() + b"a.jpg,1,1 3\nb.jpg,1,1 3,4\n", "train.csv is not CSV: .* line 3"),
        (b"ImageId,imageID,ClassId,EncodedPixels\na,b,1,\n", "more than one column imageid"),
        (HEADER.encode() + b"a.jpg,0,1 3\n", "class ids are whole numbers from 1; line 2 has '0'"),
        (HEADER.encode() + b"a,1,\nb,-1,\n", "line 3 has '-1'"),
        (HEADER.encode() + b"a,1.0,\n", "line 2 has '1.0'"),
        (HEADER.encode() + b"a,,1 3\n", "line 2 has ''"),
        (HEADER.encode() + b"a\n", "line 2 has ''"),
        (HEADER.encode() + b"a,one,\n", "line 2 has 'one'"),
        (HEADER.encode() + "a,²,\n".encode(), "line 2 has '²'"),
        (HEADER.encode() + "a,\u0661,\n".encode(), "line 2 has "),
        (HEADER.encode() + b"a,99999999999,\n", "line 2 has '99999999999'"),
        (HEADER.encode() + b"a,1,\n" + HEADER.encode(), "line 3 has 'ClassId'"),
        (b"ImageId_ClassId,EncodedPixels\na.jpg,1 3\n", "line 2 has 'a.jpg'"),
    ],
)
def test_masks_that_cannot_be_read_are_refused(content: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        read_masks(content, "train.csv")
    assert "train.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_of_pictures() -> None:
    content = b"ImageID,label\na.jpg,1\nb.jpg, 0\n"
    assert read_labels(content, "labels.csv") == {"a.jpg": True, "b.jpg": False}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a.jpg,2\n", "a label is 1 \\(defective\\) or 0; line 2 has '2'"),
        ("a.jpg,1\nb.jpg,\n", "line 3 has ''"),
        ("a.jpg,1.0\n", "line 2 has '1.0'"),
        ("a.jpg,yes\n", "line 2 has 'yes'"),
        ("a.jpg,1\nb.jpg,0\na.jpg,0\n", "rows that contradict each other for a.jpg"),
        ("".join(f"p{n % 7},{n % 2}\n" for n in range(14)), "p0, p1, p2, p3, p4 and 2 more"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(rows: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_labels(b"ImageId,label\n" + rows.encode(), "labels.csv")


def test_pairs_of_another_kind() -> None:
    table = read_pairs(b"ImageId,Group\na,g1\nb,g1\n", "groups.csv", "group")
    assert table["group"].tolist() == ["g1", "g1"]
    with pytest.raises(DataError, match=r"groups\.csv: no column group; got imageid, label"):
        read_pairs(b"ImageId,label\na,1\n", "groups.csv", "group")


def test_cells_are_text_and_nothing_is_guessed() -> None:
    table = read_csv(b"A,B\n1,NaN\n1.50,true\n2026-01-01,\n", "x.csv")
    assert list(table.columns) == ["a", "b"]
    assert table.to_numpy().tolist() == [["1", "NaN"], ["1.50", "true"], ["2026-01-01", ""]]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c", "d", "e"], "a, b, c, d, e"),
        (["a", "b", "c", "d", "e", "f"], "a, b, c, d, e and 1 more"),
    ],
)
def test_the_first_few_of_many(names: list[str], text: str) -> None:
    assert listed(names) == text


@pytest.mark.real
def test_real_label_files_are_read(real_data: Path) -> None:
    folder = real_data / "severstal_labels"
    for name, count in (("train_rle.csv", 5_305), ("course_test.csv", 637)):
        table = read_masks((folder / name).read_bytes(), name)
        assert len(table) == count
        assert set(table["ClassId"]) == {1, 2, 3, 4}
    rows = (folder / "defect_and_no_defect.csv").read_bytes().splitlines()
    stated = read_labels(b"\n".join(dict.fromkeys(rows)), "labels")  # some rows are there twice
    assert len(stated) == 12_568

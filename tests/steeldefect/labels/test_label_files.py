"""Label files in all their forms, and what is refused by name and line."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeldefect.errors import DataError, RunLengthError
from steeldefect.labels.label_files import listed, read_csv, read_labels, read_masks, read_pairs
from steeldefect.pictures import run_lengths

HEADER = "ImageId,ClassId,EncodedPixels\n"


def masks(text: str) -> list[tuple[str, int, str]]:
    table = read_masks(text.encode(), "train.csv")
    assert list(table.columns) == ["ImageId", "ClassId", "EncodedPixels", "line"]
    return list(table.drop(columns="line").itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEADER + "a.jpg,1,1 3\nb.jpg,4,2 5 9 1\n", [("a.jpg", 1, "1 3"), ("b.jpg", 4, "2 5 9 1")]),
        (HEADER + "a.jpg,1,\n", [("a.jpg", 1, "")]),
        (HEADER + "a.jpg,1,1 3\na.jpg,1,1 3\n", [("a.jpg", 1, "1 3")]),  # counts once
        (HEADER + "a.jpg,1,1 3  5\t1\n", [("a.jpg", 1, "1 3  5\t1")]),
        (HEADER.replace(",", ";") + "a.jpg;1;1 3\n", [("a.jpg", 1, "1 3")]),
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
        (b"\xff\xfeI\0", "train.csv is UTF-16"),
        (HEADER.encode() + b'a.jpg,1,"1 3\n', "train.csv is not CSV: "),
        (b"ImageId,EncodedPixels\na,1 3\n", "no column classid; got imageid, encodedpixels"),
        (b"a.jpg,1,1 3\n", "no column imageid or classid or encodedpixels; got a.jpg, 1, 1 3"),
        (HEADER.encode() + b"a.jpg,1,1 3,\n", "line 2 has 4 cells, the header has 3; remove tr"),
        (HEADER.encode() + b"a.jpg,1,1 3\nb.jpg,1,1 3,4\n", "line 3 has 4 cells"),
        (b"ImageId,imageID,ClassId,EncodedPixels\na,b,1,\n", "more than one column imageid"),
        (HEADER.encode() + b"a.jpg,0,1 3\n", "class ids are whole numbers from 1; line 2 has '0'"),
        (HEADER.encode() + b"a,1,\nb,-1,\n", "line 3 has '-1'"),
        (HEADER.encode() + b"a,1.0,\n", "line 2 has '1.0'"),
        (HEADER.encode() + b"a,,1 3\n", "line 2 has ''"),
        (HEADER.encode() + b"a\n", "line 2 has 1 of 3 cells; if the file was cut there"),
        (HEADER.encode() + b"a.jpg,1\n", "line 2 has 2 of 3 cells"),
        (HEADER.encode() + b"a,1,1 3\n\n,1,1 3\n", "line 4 names no picture"),
        (HEADER.encode() + b"\na,0,\n", "line 3 has '0'"),
        (HEADER.encode() + b"a," + b"x" * 999 + b",\n", "line 2 has 'x{60}\\.\\.\\.'"),
        (HEADER.encode() + b"a,one,\n", "line 2 has 'one'"),
        (HEADER.encode() + "a,²,\n".encode(), "line 2 has '²'"),
        (HEADER.encode() + "a,\u0661,\n".encode(), "line 2 has "),
        (HEADER.encode() + b"a,99999999999,\n", "line 2 has '99999999999'"),
        (HEADER.encode() + b"a,1,\n" + HEADER.encode(), "line 3 has 'ClassId'"),
        (b"ImageId_ClassId,EncodedPixels\na.jpg,1 3\n", "line 2 has 'a.jpg'"),
        (b"ImageId_ClassId,ImageId,EncodedPixels\na_1,a,1 3\n", "names pictures twice"),
    ],
)
def test_masks_that_cannot_be_read_are_refused(content: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        read_masks(content, "train.csv")
    assert "train.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


MALFORMED = [
    ("-3 5", "run 0: starts below pixel 1"),
    ("5 -3", "run 0: has a length below 1"),
    ("0 4", "run 0: starts below pixel 1"),  # counted from 0
    ("4 0", "run 0: has a length below 1"),
    ("5.0 3.0", "not a whole number of pixels: '5.0'"),
    ('"5,3"', "not a whole number of pixels: '5,3'"),
    ("5\u00a03", "separated by plain spaces; got '.xa0'"),
    ("5 3 7", "run 1: a start without a length"),
    ("9 2 1 3", "run 1: begins before the previous run ends"),
    ("1 5 3 2", "run 1: begins before the previous run ends"),
    ("99999999999999999999 1", "not a whole number of pixels"),
    ("1 2 " + "7" * 900, "not a whole number of pixels: '7{40}...'"),
    ("nan", "'nan' is not a mask; leave the cell empty if the class is absent"),
    ("-1", "'-1' is not a mask"),
    ("1 3 x 2", "run 1: not a whole number of pixels: 'x'"),
]


@pytest.mark.parametrize(("text", "problem"), MALFORMED)
def test_malformed_run_lengths_are_named_with_their_line(text: str, problem: str) -> None:
    content = f"{HEADER}ok.jpg,1,1 3\n\nb.jpg,2,{text}\nc.jpg,3,\nd.jpg,1,2 2 5 1\n"
    with pytest.raises(DataError, match=problem) as caught:
        masks(content)
    message = str(caught.value)
    assert message.startswith("train.csv: line 4: b.jpg class 2: ")
    assert len(message) < 200


def test_a_file_cut_in_a_row_is_recognised() -> None:
    content = HEADER + "a.jpg,1,1 3\nb.jpg,1,1 3 9"
    with pytest.raises(DataError, match=r"line 3: b\.jpg .*: if the file was cut there"):
        masks(content)
    with pytest.raises(DataError) as caught:
        masks(content + "\n")
    assert "cut" not in str(caught.value)


def test_many_malformed_rows_are_counted() -> None:
    with pytest.raises(DataError, match=r"line 2: .*; line 3: .*; line 4: .* and 997 more"):
        masks(HEADER + "".join(f"p{n},1,1.0 2.0\n" for n in range(1000)))


@given(texts=st.lists(st.text("0123 -.,x\u00a0", max_size=12)))
def test_the_check_of_all_rows_agrees_with_the_codec(texts: list[str]) -> None:
    file = io.StringIO()
    csv.writer(file).writerows(
        [HEADER.strip().split(","), *([f"p{n}", "1", text] for n, text in enumerate(texts))]
    )
    try:
        for text in texts:
            run_lengths.parse(text.strip())
        sound = not {text.strip() for text in texts} & {"-1"}
    except RunLengthError:
        sound = False
    if sound:
        assert [row[2] for row in masks(file.getvalue())] == [text.strip() for text in texts]
    else:
        with pytest.raises(DataError):
            masks(file.getvalue())


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a,1,1 3\na,1,9 1\n", r"more than one row for a class 1 \(lines 2 and 3\); join"),
        ("a,1,1 3\nb,1,\na,01,\n", r"a class 1 \(lines 2 and 4\)"),
    ],
)
def test_rows_of_one_picture_and_class(rows: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        masks(HEADER + rows)


def test_many_rows_are_read_in_bounded_time() -> None:
    count = 200_000
    rows = "".join(f"p{n}.jpg,1,{n + 1} 3 {n + 9} 2\n" for n in range(count))
    began = time.process_time()
    assert len(masks(HEADER + rows)) == count
    assert time.process_time() - began < 20  # 1.5 s on an idle host


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
        ("a.jpg,1\nb.jpg,0\na.jpg,0\n", "contradict each other for a.jpg .lines 2 and 4"),
        ("".join(f"p{n % 7},{n % 2}\n" for n in range(14)), "p0 .lines 2 and 9., p1 .* and 2 more"),
        ("a.jpg,1\n,0\n", "line 3 names no picture"),
        ("a.jpg,1\nb.jpg\n", "line 3 has 1 of 2 cells"),
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

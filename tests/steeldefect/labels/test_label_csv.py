"""Label files as CSV: what is read, and errors that name the damaged line."""

from __future__ import annotations

import re

import pytest

from steeldefect.errors import DataError
from steeldefect.labels.label_csv import EXCEL_CELL, read_csv

ROWS = "ImageId,label\na.jpg,1\nb.jpg,0\n"


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode(),
        ROWS.encode("utf-8-sig"),
        ROWS.replace("\n", "\r\n").encode("utf-8-sig"),
        ROWS.replace("\n", "\r").encode(),
        ROWS.rstrip("\n").encode(),
        ROWS.replace(",", ";").encode(),
        ROWS.replace(",", "\t").encode(),
        ROWS.replace("a.jpg", '"a.jpg"').replace("b.jpg,0", " b.jpg , 0 ").encode(),
    ],
)
def test_forms_that_mean_the_same(content: bytes) -> None:
    table = read_csv(content, "labels.csv")
    assert list(table.columns) == ["imageid", "label"]
    assert table.to_numpy().tolist() == [["a.jpg", "1"], ["b.jpg", "0"]]
    assert table.index.tolist() == [2, 3]


def test_lines_count_blank_ones() -> None:
    content = b"\n\nImageId,label\n\na.jpg,1\n,\n  \nb.jpg,0\n\n"
    table = read_csv(content, "labels.csv", first_line=2)
    assert table.index.tolist() == [6, 9]
    assert table["imageid"].tolist() == ["a.jpg", "b.jpg"]


def test_a_cell_may_be_longer_than_the_csv_module_expects() -> None:
    mask = " ".join(["1 1"] * 50_000)
    assert read_csv(f"a,b\nx,{mask}\n".encode(), "x")["b"].tolist() == [mask]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (ROWS.encode("utf-16"), "is UTF-16 or UTF-32 text; save it as UTF-8"),
        (ROWS.encode("utf-16-le"), "is UTF-16"),
        (ROWS.encode("utf-16-be"), "is UTF-16"),
        (ROWS.encode("utf-32"), "is UTF-16 or UTF-32"),
        (ROWS.replace("b.jpg", "prüf.jpg").encode("latin-1"), "line 3 is not UTF-8 .byte 0xfc."),
        (ROWS.encode()[:-9] + bytes(9), "line 2 holds 9 NUL bytes .at byte 21.: the file is damag"),
        (ROWS.encode() + bytes(4096) + b"c.jpg,1\n", "line 4 holds 4,096 NUL bytes"),
        (b"ImageId,label\r\na\x1b.jpg,1\r\n", "line 2 holds the control byte 0x1b"),
        (ROWS.encode() + b"\x1a", "line 4 holds the control byte 0x1a"),
        (b"a,b\n1,2\n3\n", "line 3 has 1 of 2 cells; if the file was cut there"),
        (b"a,b\n1,2,\n", "line 2 has 3 cells, the header has 2; remove trailing commas"),
        (b"a;b\n1,2\n", "line 2 has 1 of 2 cells"),
        (b'a,b\n1,2\n"3,4\n5,6\n', "the row of line 3: unexpected end of data"),
        (b'a,b\n1,"2\n3",4\n', "line 2 has a quoted cell that does not end in that line"),
        (b'a,b\n"1"x,2\n', "the row of line 2: ',' expected after '\"'"),
        (b"a,A\n1,2\n", "more than one column a"),
        (b"a,b\n\n1," + b"1" * EXCEL_CELL + b"\n", "line 3 has a cell of exactly 32,767 char"),
        (b"a,b\n1," + b"12 " * 10_922 + b" \n", "line 2 has a cell of exactly 32,767 characters"),
    ],
)
def test_damage_is_named_with_its_line(content: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        read_csv(content, "some/labels.csv")
    assert str(caught.value).startswith("some/labels.csv")
    assert len(str(caught.value)) < 300
    assert not re.search(r"[\n\r\0]", str(caught.value))


@pytest.mark.parametrize("length", [EXCEL_CELL - 1, EXCEL_CELL + 1])
def test_other_lengths_are_no_sign_of_excel(length: int) -> None:
    assert len(read_csv(b"a,b\n1," + b"1" * length + b"\n", "x")) == 1

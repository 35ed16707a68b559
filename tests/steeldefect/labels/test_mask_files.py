"""Reading a masks file piece by piece gives what reading it at once gives."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeldefect.errors import DataError
from steeldefect.labels.label_csv import whole_lines
from steeldefect.labels.mask_files import read_masks, scan_masks

HEADER = "ImageId,ClassId,EncodedPixels"
CELLS = (
    ".jpg,1,1 3",
    ".jpg,2,",
    ",1,5 1 9 2",
    " .jpg , 3 , 4 5 ",
    ".jpg,0,1 1",
    ".jpg,1,1",
    "",
    ",,",
)


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def joined(content: bytes, size: int) -> pd.DataFrame:
    return pd.concat(scan_masks(pieces(content, size), "train.csv"), ignore_index=True)


@settings(deadline=None, max_examples=300)
@given(
    cells=st.lists(st.sampled_from(CELLS), max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    start=st.sampled_from(["", "\ufeff", "\n", ",,\n"]),
    closed=st.booleans(),
    size=st.integers(1, 60),
)
def test_pieces_of_any_size_give_the_same_rows_or_an_error_too(
    cells: list[str], end: str, start: str, closed: bool, size: int
) -> None:
    rows = [f"n{number}{cell}" if cell.strip(",") else cell for number, cell in enumerate(cells)]
    content = (start + end.join([HEADER, *rows]) + (end if closed else "")).encode()
    try:
        whole = read_masks(content, "train.csv")
    except DataError:
        with pytest.raises(DataError):
            joined(content, size)
    else:
        assert joined(content, size).astype(whole.dtypes).equals(whole)


@pytest.mark.parametrize("size", [7, 40, 1000])
@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["a,1,1 3"] * 9 + ["b,1,3 x"], r"line 11: b class 1: "),
        (["a,1,1 3"] * 9 + ["b,one,1 1"], r"line 11 has 'one'"),
        (["a,1,1 3"] * 9 + [",1,1 1"], "line 11 names no picture"),
        (["a,1,1 3"] * 9 + ["b,1"], r"line 11 has 2 of 3 cells"),
        (["a,1,1 3"] * 9 + ["b\0,1,1 1"], r"line 11 holds the control byte 0x00"),
        (["a,1,1 3"] * 9 + ["b,1,3 4 5"], r"line 11: .*the last line has no line end"),
    ],
)
def test_errors_name_the_line_in_the_whole_file(rows: list[str], problem: str, size: int) -> None:
    with pytest.raises(DataError, match=problem):
        joined("\n".join([HEADER, *rows]).encode(), size)


def test_a_piece_holds_whole_lines_below_the_header() -> None:
    found = list(whole_lines([b"h,i\r\n1,", b"2\r\n3,4\r", b"\n5,6"]))
    assert [(one.content, one.first_line, one.last) for one in found] == [
        (b"h,i\r\n1,2\r\n", 1, False),
        (b"h,i\n3,4\r\n", 2, False),
        (b"h,i\n5,6", 3, True),
    ]

"""Alternating counts and Label Studio's brush, against the libraries of both formats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_studio_converter import brush as own_brush
from pycocotools import mask as coco_masks

from steeldefect.errors import RunLengthError
from steeldefect.pictures.run_lengths import Mask
from steeldefect.review.formats import brush
from steeldefect.review.formats.counts import parse_compressed, to_counts, to_pixels

masks = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)


@given(masks)
def test_counts_and_pixels(mask: Mask) -> None:
    counts = to_counts(mask.ravel())
    assert np.array_equal(to_pixels(counts, mask.size), mask.ravel())
    assert min(counts[1:], default=1) > 0


@pytest.mark.parametrize(
    ("pixels", "counts"),
    [([0], [1]), ([1], [0, 1]), ([0, 1, 1, 0], [1, 2, 1]), ([1, 0, 1], [0, 1, 1, 1])],
)
def test_counts_by_example(pixels: list[int], counts: list[int]) -> None:
    assert to_counts(np.array(pixels, bool)) == counts


@given(masks)
def test_the_text_of_pycocotools_is_read(mask: Mask) -> None:
    text = coco_masks.encode(np.asfortranarray(mask, np.uint8))["counts"].decode("ascii")
    assert np.array_equal(to_pixels(parse_compressed(text), mask.size), mask.T.ravel())


# pycocotools writes past its memory if counts take six characters or more
@given(st.lists(st.integers(1, 2**23), min_size=1, max_size=9))
def test_counts_of_any_size_are_read(counts: list[int]) -> None:
    encoded = coco_masks.frPyObjects({"size": [1, 1], "counts": counts}, 1, 1)
    assert parse_compressed(encoded["counts"].decode("ascii")) == counts


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        pixels = to_pixels(parse_compressed(text), 35)
    except RunLengthError:
        return
    assert pixels.shape == (35,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 2", "run 1: not a compressed count; got ' '"),
        ("é", "run 0: not a compressed count; got '.xe9'"),
        ("1P", "run 1: the text ends within a count"),
        ("o" * 20 + "1", "run 0: not a compressed count"),
    ],
)
def test_damaged_text_is_refused(text: str, problem: str) -> None:
    with pytest.raises(RunLengthError, match=problem):
        parse_compressed(text)


@given(masks)
def test_the_brush_of_label_studio_reads_ours(mask: Mask) -> None:
    stream = brush.encode(mask)
    decoded = own_brush.decode_rle(stream).reshape(*mask.shape, 4)
    assert np.array_equal(decoded, np.where(mask, 255, 0)[:, :, np.newaxis].repeat(4, axis=2))
    assert np.array_equal(brush.decode(stream, mask.shape), mask)


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
        lambda shape: arrays(np.uint8, (*shape, 4), elements=st.sampled_from([0, 1, 128, 255]))
    )
)
def test_the_brush_of_label_studio_is_read(colours: np.ndarray) -> None:
    stream = own_brush.encode_rle(colours.ravel())
    assert np.array_equal(brush.decode(stream, colours.shape[:2]), colours[:, :, 3] > 0)


def stream(*numbers: tuple[int, int]) -> list[int]:
    """Return the bytes of (number, bits)."""
    text = "".join(f"{number:0{bits}b}" for number, bits in numbers)
    text += "0" * (-len(text) % 8)
    return [int(text[at : at + 8], 2) for at in range(0, len(text), 8)]


def header(count: int, bits: int = 8) -> list[tuple[int, int]]:
    return [(count, 32), (bits - 1, 5), (2, 4), (3, 4), (7, 4), (15, 4)]


def test_values_that_do_not_repeat_stand_side_by_side() -> None:
    values = [9, 9, 9, 0, 0, 0, 0, 3]
    content = stream(*header(8), (0, 1), (0, 2), (7, 3), *((one, 8) for one in values))
    assert brush.decode(content, (1, 2)).tolist() == [[False, True]]
    assert own_brush.decode_rle(content).tolist() == values


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "the bytes end before the picture does"),
        (stream(*header(8)), "the bytes end before"),
        (stream(*header(8), (1, 1), (0, 2), (6, 3), (255, 8)), "the bytes end before"),
        (stream(*header(4), (1, 1), (0, 2), (3, 3), (255, 8)), "has 4 values, expected 8"),
        (stream(*header(2**32 - 1)), "has 4294967295 values, expected 8"),
        (stream(*header(8), (1, 1), (2, 2), (255, 8), (9, 8)), "run 0: ends outside the picture"),
        (stream(*header(8, bits=16)), "the values do not have 8 bits"),
        ([256], "a number is not a byte"),
        ([-1], "a number is not a byte"),
    ],
)
def test_a_damaged_brush_is_refused(content: list[int], problem: str) -> None:
    with pytest.raises(RunLengthError, match=problem):
        brush.decode(content, (1, 2))

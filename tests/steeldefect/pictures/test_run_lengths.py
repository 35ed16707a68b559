"""The run-length codec: properties over random masks, and each malformed text by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steeldefect.errors import RunLengthError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask

shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
masks = arrays.arrays(np.bool_, shapes)
pairs_of_masks = shapes.flatmap(
    lambda shape: st.tuples(arrays.arrays(np.bool_, shape), arrays.arrays(np.bool_, shape))
)
on_any_mask = settings(deadline=None, max_examples=300)


def drawn_by_hand(text: str, shape: tuple[int, int]) -> Mask:
    """Draw run lengths the slow way, pixel by pixel, as Kaggle's page describes them."""
    mask = np.zeros(shape, dtype=bool)
    numbers = [int(token) for token in text.split()]
    for start, length in zip(numbers[0::2], numbers[1::2], strict=True):
        for pixel in range(start, start + length):
            mask[(pixel - 1) % shape[0], (pixel - 1) // shape[0]] = True
    return mask


@on_any_mask
@given(masks)
@example(np.ones((1, 9), dtype=bool))
@example(np.ones((9, 1), dtype=bool))
@example(np.zeros((1, 1), dtype=bool))
@example(np.ones((5, 7), dtype=bool))
@example(np.zeros((5, 7), dtype=bool))
@example(np.eye(6, dtype=bool))
def test_a_mask_survives_the_round_trip(mask: Mask) -> None:
    text = run_lengths.encode(mask)
    decoded = run_lengths.decode(text, mask.shape)
    assert decoded.dtype == np.bool_
    assert np.array_equal(decoded, mask)
    assert np.array_equal(drawn_by_hand(text, mask.shape), mask)
    assert run_lengths.to_text(run_lengths.parse(text, mask.shape)) == text


@on_any_mask
@given(masks)
def test_runs_are_as_few_as_can_be_and_measure_the_mask(mask: Mask) -> None:
    runs = run_lengths.from_mask(mask)
    assert runs.dtype == np.int64
    assert runs.shape == (len(runs), 2)
    assert run_lengths.area(runs) == mask.sum()
    ends = runs[:, 0] + runs[:, 1]
    assert (runs[1:, 0] > ends[:-1]).all(), "neighbouring runs would be one run"


@on_any_mask
@given(masks)
def test_the_bounding_box_is_that_of_the_mask(mask: Mask) -> None:
    box = run_lengths.bounding_box(run_lengths.from_mask(mask), mask.shape[0])
    rows, columns = np.nonzero(mask)
    if not len(rows):
        assert box is None
        return
    assert box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert box is not None
    assert mask[box.top : box.bottom, box.left : box.right].sum() == mask.sum()


@on_any_mask
@given(pairs_of_masks)
def test_the_overlap_counts_the_pixels_of_both(pair: tuple[Mask, Mask]) -> None:
    one, other = pair
    runs, others = run_lengths.from_mask(one), run_lengths.from_mask(other)
    assert run_lengths.overlap(runs, others) == (one & other).sum()
    assert run_lengths.overlap(others, runs) == run_lengths.overlap(runs, others)
    assert run_lengths.overlap(runs, runs) == one.sum()


@on_any_mask
@given(pairs_of_masks)
def test_masks_are_compared_pixel_by_pixel(pair: tuple[Mask, Mask]) -> None:
    truth, found = pair
    runs = run_lengths.from_mask(truth), run_lengths.from_mask(found)
    counts = run_lengths.confusion(*runs)
    assert counts.tp == (truth & found).sum()
    assert counts.fp == (~truth & found).sum()
    assert counts.fn == (truth & ~found).sum()
    assert counts.tn(truth.shape) == (~truth & ~found).sum()
    assert counts.union == (truth | found).sum()
    both_empty = not (truth.any() or found.any())
    expected = 1 if both_empty else 2 * counts.tp / (truth.sum() + found.sum())
    assert counts.dice == expected


@on_any_mask
@given(masks, st.sampled_from([" ", "  ", "\n", "\t", " \r\n"]))
def test_any_white_space_separates(mask: Mask, space: str) -> None:
    text = run_lengths.encode(mask)
    spaced = space + text.replace(" ", space) + space
    assert np.array_equal(run_lengths.parse(spaced), run_lengths.parse(text))


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float32, np.bool_])
def test_every_value_but_zero_belongs_to_the_mask(kind: Any) -> None:
    mask = np.array([[0, 2], [1, 0]]).astype(kind)
    assert run_lengths.encode(mask) == "2 2"


@pytest.mark.parametrize(
    ("text", "shape", "expected"),
    [
        ("", (2, 3), [[0, 0, 0], [0, 0, 0]]),
        ("1 1", (2, 3), [[1, 0, 0], [0, 0, 0]]),
        ("2 2", (2, 3), [[0, 1, 0], [1, 0, 0]]),  # goes on at the top of the next column
        ("6 1", (2, 3), [[0, 0, 0], [0, 0, 1]]),
        ("1 6", (2, 3), [[1, 1, 1], [1, 1, 1]]),
        ("1 2 3 1", (2, 3), [[1, 1, 0], [1, 0, 0]]),  # runs that touch are allowed
        ("001 02", (2, 3), [[1, 0, 0], [1, 0, 0]]),
    ],
)
def test_decoding_by_example(text: str, shape: tuple[int, int], expected: list[list[int]]) -> None:
    assert run_lengths.decode(text, shape).astype(int).tolist() == expected


@pytest.mark.parametrize(
    ("text", "run", "problem"),
    [
        ("1", 0, "a start without a length; got 1 numbers"),
        ("1 2 9", 1, "a start without a length; got 3 numbers"),
        ("0 3", 0, "starts below pixel 1; got start 0, length 3"),
        ("1 2 0 1", 1, "starts below pixel 1"),
        ("-4 3", 0, "starts below pixel 1; got start -4"),
        ("5 0", 0, "has a length below 1; got start 5, length 0"),
        ("1 1 5 0", 1, "has a length below 1"),
        ("5 -2", 0, "has a length below 1; got start 5, length -2"),
        ("1 3 3 1", 1, "begins before the previous run ends; got start 3"),
        ("1 1 2 5 4 1", 2, "begins before the previous run ends"),
        ("5 1 1 1", 1, "begins before the previous run ends"),
        ("1 1 1 1", 1, "begins before the previous run ends"),
        ("1 13", 0, "out of bounds: a picture of (3, 4) has 12 pixels"),
        ("12 1 13 1", 1, "out of bounds: a picture of (3, 4) has 12 pixels"),
        ("one two", 0, "not a whole number of pixels: 'one'"),
        ("1 2 3 x", 1, "not a whole number of pixels: 'x'"),
        ("1.0 2", 0, "not a whole number of pixels: '1.0'"),
        ("1 2.5", 0, "not a whole number of pixels: '2.5'"),
        ("1 1e3", 0, "not a whole number of pixels: '1e3'"),
        ("nan", 0, "not a whole number of pixels: 'nan'"),
        ("1 2 nan 4", 1, "not a whole number of pixels: 'nan'"),
        ("inf 1", 0, "not a whole number of pixels: 'inf'"),
        ("1_0 2", 0, "not a whole number of pixels: '1_0'"),
        ("1 2 1_0 2", 1, "not a whole number of pixels: '1_0'"),
        ("+1 2", 0, "not a whole number of pixels: '+1'"),
        ("0x1 2", 0, "not a whole number of pixels: '0x1'"),
        ("1,2", 0, "not a whole number of pixels: '1,2'"),
        ("1 2; 4 5", 0, "not a whole number of pixels: '2;'"),
        ("1-2 3", 0, "not a whole number of pixels: '1-2'"),
        ("- 3", 0, "not a whole number of pixels: '-'"),
        ("--1 3", 0, "not a whole number of pixels: '--1'"),
        ("\u0661 \u0662", 0, "not a whole number of pixels: '\u0661'"),  # Arabic digits
        ("1 2 \uff13 4", 1, "not a whole number of pixels: '\uff13'"),  # full-width digits
        ("1 ²", 0, "not a whole number of pixels: '²'"),
        ("1\u00a02", None, "not whole numbers"),  # a space outside ASCII
        ("1 2\x00", 0, "not a whole number of pixels"),
        (f"{2**63} 1", 0, "not a whole number of pixels"),
        (f"1 2 {10**25} 1", 1, "not a whole number of pixels"),
        (f"1 {'9' * 5000}", 0, "not a whole number of pixels"),
        (f"1 {2**63 - 1}", 0, "out of bounds"),
        (f"{2**62} {2**62} 5 1", 0, "out of bounds"),
        (None, None, "expected text, received NoneType None"),
        (1.5, None, "expected text, received float 1.5"),
        (float("nan"), None, "expected text, received float nan"),
        (b"1 2", None, "expected text, received bytes"),
    ],
)
def test_malformed_text_is_refused_and_the_run_named(
    text: Any, run: int | None, problem: str
) -> None:
    with pytest.raises(RunLengthError) as caught:
        run_lengths.parse(text, (3, 4))
    assert caught.value.run == run
    assert problem in str(caught.value)
    with pytest.raises(ValueError, match="malformed run lengths"):
        run_lengths.parse(text, (3, 4))


def test_numbers_that_add_up_past_64_bits_are_refused_without_a_shape_too() -> None:
    with pytest.raises(RunLengthError, match="run 0: is out of bounds"):
        run_lengths.parse(f"{2**62} {2**62} 5 1")


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from(list("0123456789- \t.,_ex²٣")), max_size=12))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        runs = run_lengths.parse(text, (5, 4))
    except RunLengthError:
        return
    assert np.array_equal(run_lengths.to_mask(runs, (5, 4)), drawn_by_hand(text, (5, 4)))


def test_without_a_shape_only_the_runs_themselves_are_checked() -> None:
    assert run_lengths.parse("1000000 5").tolist() == [[1_000_000, 5]]


@pytest.mark.parametrize("runs", [[[1, 13]], [[0, 1]], [[3, 1], [1, 1]]])
def test_drawing_checks_the_runs_too(runs: list[list[int]]) -> None:
    with pytest.raises(RunLengthError):
        run_lengths.to_mask(np.array(runs, dtype=np.int64), (3, 4))


@pytest.mark.parametrize("shape", [(4,), (2, 2, 1), ()])
def test_a_mask_has_two_dimensions(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="height, width"):
        run_lengths.from_mask(np.zeros(shape, dtype=bool))


def test_an_empty_mask_has_no_runs() -> None:
    runs = run_lengths.parse("")
    assert runs.shape == (0, 2)
    assert runs.dtype == np.int64
    assert run_lengths.area(runs) == 0
    assert run_lengths.bounding_box(runs, 256) is None
    assert (
        run_lengths.overlap(runs, run_lengths.parse("1 5"))
        == run_lengths.overlap(run_lengths.parse("1 5"), runs)
        == 0
    )
    assert not run_lengths.to_mask(runs, (3, 4)).any()


@pytest.mark.real
def test_all_real_masks_survive_to_the_letter(real_data: Path) -> None:
    truth = pd.read_csv(real_data / "severstal_labels/train_rle.csv")
    assert len(truth) == 5_305
    shape = (256, 1600)
    for name, text in zip(truth["ImageId"], truth["EncodedPixels"], strict=True):
        runs = run_lengths.parse(text, shape)
        mask = run_lengths.to_mask(runs, shape)
        assert run_lengths.encode(mask) == text, name
        assert run_lengths.area(runs) == mask.sum(), name


@pytest.mark.real
def test_real_areas_agree_with_what_was_published_beside_them(real_data: Path) -> None:
    truth = pd.read_csv(real_data / "severstal_labels/train_rle.csv")
    stated = pd.read_csv(real_data / "severstal_labels/image_classes.csv")
    whole = stated[stated["rle_complete"] == 1].set_index("ImageId")
    compared = truth[truth["ImageId"].isin(whole.index)]
    assert len(compared) == 5_305
    for name, class_id, text in compared.itertuples(index=False):
        assert run_lengths.area(run_lengths.parse(text)) == whole.at[name, f"area{class_id}"], (
            name,
            class_id,
        )
    # pictures whose masks are all known: a class without a mask covers nothing
    counted = compared.groupby("ImageId")["ClassId"].agg(set)
    for name, classes in counted.items():
        for class_id in {1, 2, 3, 4} - classes:
            assert whole.at[name, f"area{class_id}"] == 0, (name, class_id)

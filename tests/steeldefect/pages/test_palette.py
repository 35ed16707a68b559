"""Test the colours of classes."""

from __future__ import annotations

from steeldefect.analysis.drawings import colour_of
from steeldefect.pages.palette import blue_green_red, class_colour


def test_drawings_and_charts_share_the_colours_of_classes() -> None:
    assert [colour_of(one) for one in range(1, 9)] == [
        blue_green_red(class_colour(one)) for one in range(1, 9)
    ]


def test_seven_classes_have_seven_colours() -> None:
    assert len({class_colour(one) for one in range(1, 8)}) == 7
    assert class_colour(8) == class_colour(1)


def test_a_colour_is_blue_green_red_for_opencv() -> None:
    assert blue_green_red("#0b5cad") == (0xAD, 0x5C, 0x0B)

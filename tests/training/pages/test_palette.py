"""Test that charts and overlays share their colours."""

from __future__ import annotations

from steeldefect.analysis import drawings
from training.pages.palette import blue_green_red, class_colour


def test_classes_have_the_colours_of_the_overlays() -> None:
    colours = drawings._PALETTE
    assert [blue_green_red(class_colour(number)) for number in range(1, 9)] == [
        *colours,
        colours[0],
    ]

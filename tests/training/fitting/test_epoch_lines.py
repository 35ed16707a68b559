"""Progress of a pass, and the colours that charts share with the overlays."""

from __future__ import annotations

import io

from steeldefect.analysis import overlays
from training.pages.palette import blue_green_red, class_colour
from training.progress import followed, line_of


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_says_how_far() -> None:
    line = line_of(50, 200, "pictures", 10.0)
    assert line == "pictures: 50/200 (25%), 5 a second, 00:30 left"


def test_a_log_gets_lines_and_a_terminal_a_bar() -> None:
    log, terminal = io.StringIO(), _Terminal()
    assert list(followed(iter("abc"), 3, "pictures", log)) == ["a", "b", "c"]
    assert list(followed(iter("abc"), 3, "pictures", terminal)) == ["a", "b", "c"]
    assert log.getvalue().startswith("pictures: 3/3 (100%)")
    assert "\r" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


def test_classes_have_the_colours_of_the_overlays() -> None:
    colours = overlays._PALETTE
    assert [blue_green_red(class_colour(number)) for number in range(1, 9)] == [
        *colours,
        colours[0],
    ]

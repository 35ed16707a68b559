"""The lines that show the progress of a run."""

from __future__ import annotations

import io
import sys
from contextlib import suppress

import pytest

from steeldefect.program.progress import Total, followed, line_of, say, shown, warn


class Terminal(io.StringIO):
    """Stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("done", "total", "seconds", "expected"),
    [
        (0, 100, 0.0, "scoring: 0/100 pictures (0%), 0.0 pictures/s, ? left"),
        (25, 100, 5.0, "scoring: 25/100 pictures (25%), 5.0 pictures/s, 00:15 left"),
        (10, 100_000, 10.0, "scoring: 10/100000 pictures (0%), 1.0 pictures/s, 27:46:30 left"),
        (100, 100, 8.0, "scoring: 100/100 pictures (100%), 12.5 pictures/s, 00:00 left"),
        (0, 0, 1.0, "scoring: 0/0 pictures (100%), 0.0 pictures/s, ? left"),
    ],
)
def test_one_line(done: int, total: int, seconds: float, expected: str) -> None:
    assert line_of("scoring", done, Total(total), "pictures", seconds) == expected


def test_a_total_that_may_still_grow_is_no_share_of_the_work() -> None:
    line = line_of("scoring", 25, Total(100, final=False), "pictures", 5.0)
    assert line == "scoring: 25 of 100 pictures found so far, 5.0 pictures/s"


def test_the_total_that_is_known_at_the_end_is_shown() -> None:
    log, totals = io.StringIO(), [Total(2, final=False), Total(3)]

    def total() -> Total:
        return totals.pop(0) if len(totals) > 1 else totals[0]

    with shown(total, lambda: 3, lambda: 0, log):
        pass
    assert log.getvalue().startswith("scoring: 3/3 pictures (100%), ")


def test_items_are_followed_by_lines_in_a_log_and_a_bar_on_a_terminal() -> None:
    log, terminal = io.StringIO(), Terminal()
    assert list(followed(iter("abc"), 3, "masks", "rows", log)) == ["a", "b", "c"]
    assert list(followed(iter("abc"), 3, "masks", "rows", terminal)) == ["a", "b", "c"]
    assert log.getvalue().startswith("masks: 3/3 rows (100%), ")
    assert "masks: 100%" in terminal.getvalue()
    assert "\r" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


def test_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    say("a line")
    warn("look here")
    shown = capsys.readouterr()
    assert shown.err == "a line\nwarning: look here\n"
    assert shown.out == ""


def test_a_log_ends_with_the_final_count() -> None:
    log = io.StringIO()
    with shown(10, lambda: 12, lambda: 3, log):  # a repeated task counts twice
        pass
    lines = log.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("scoring: 10/10 pictures (100%), ")
    assert lines[0].endswith(", 3 failed")


def test_a_terminal_shows_a_bar() -> None:
    terminal = Terminal()
    with shown(10, lambda: 7, lambda: 2, terminal):
        pass
    assert "7/10" in terminal.getvalue()
    assert "failed=2" in terminal.getvalue()


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_a_stream_that_takes_nothing_more_does_not_end_the_run(kind: type[io.StringIO]) -> None:
    stream = kind()
    reached = False
    with shown(10, lambda: 4, lambda: 0, stream):
        stream.close()
        reached = True
    assert reached


def test_a_line_that_nobody_can_read_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        say("a line")
        monkeypatch.undo()
        with suppress(OSError):
            full.close()
    monkeypatch.setattr(sys, "stderr", None)
    say("a line")


def test_progress_ends_where_the_run_fails() -> None:
    log = io.StringIO()

    def fail() -> None:
        with shown(10, lambda: 4, lambda: 0, log):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert "4/10" in log.getvalue()

"""The lines that show the progress of a run."""

from __future__ import annotations

import io
import sys
from contextlib import suppress

import pytest

from steeldefect.program.progress import line_of, say, shown


class Terminal(io.StringIO):
    """Stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (
            (0, 100, 0, 0.0),
            "scoring: 0/100 pictures (0%), 0.0 pictures/s, ? left, 0 failed",
        ),
        (
            (25, 100, 1, 5.0),
            "scoring: 25/100 pictures (25%), 5.0 pictures/s, 00:15 left, 1 failed",
        ),
        (
            (10, 100_000, 0, 10.0),
            "scoring: 10/100000 pictures (0%), 1.0 pictures/s, 27:46:30 left, 0 failed",
        ),
        (
            (100, 100, 2, 8.0),
            "scoring: 100/100 pictures (100%), 12.5 pictures/s, 00:00 left, 2 failed",
        ),
        ((0, 0, 0, 1.0), "scoring: 0/0 pictures (100%), 0.0 pictures/s, ? left, 0 failed"),
    ],
)
def test_one_line(numbers: tuple[int, int, int, float], expected: str) -> None:
    assert line_of(*numbers) == expected


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

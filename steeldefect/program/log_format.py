"""The form of the lines on standard error: text for people, or one JSON object a line.

With JSON, standard error becomes a pipe of this process: whatever is written to it, by this
program, by a library in C, by a JVM that it starts or by Spark's Python workers on this host,
leaves as an object. Lines of this program state their level and numbers; other lines are the text
of an object of level `INFO`.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

from steeldefect.secrets import masked

OPTION = "--log-format"
_KEYS = frozenset(("time", "level", "logger", "message", "run", "wave"))
_LEVELS = {"error: ": "ERROR", "warning: ": "WARNING"}
_IDLE_SECONDS = 0.2  # without a line at the end: other processes may keep the pipe open
_PIECE = 65_536


class LogFormat(str, Enum):
    """The form of lines on standard error."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class Context:
    """What every JSON line states.

    Attributes:
        run: id of the run; None before it has one.
        wave: number of the oldest wave that is not published yet; None before and after waves.
    """

    run: str | None = None
    wave: int | None = None


class _State:
    """The form and the context of this process."""

    format = LogFormat.TEXT
    context = Context()


def in_json() -> bool:
    """Return whether lines are JSON."""
    return _State.format is LogFormat.JSON


def set_run(run: str | None) -> None:
    """State the run of all following lines; its wave is unknown until `set_wave`."""
    _State.context = Context(run)


def set_wave(wave: int | None) -> None:
    """State the wave of all following lines."""
    _State.context = replace(_State.context, wave=wave)


def json_line(
    message: str, level: str = "INFO", logger: str = "steeldefect", **numbers: float | None
) -> str:
    """Return a line as JSON, without secrets.

    Args:
        message: the text.
        level: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        logger: who says it.
        numbers: further keys.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    context = _State.context
    return json.dumps(
        {
            "time": now,
            "level": level,
            "logger": logger,
            "message": masked(message),
            "run": context.run,
            "wave": context.wave,
            **numbers,
        }
    )


def line_for_people(text: str) -> str:
    """Return a line of this program in the form of this process; its beginning states its level."""
    if not in_json():
        return text
    for beginning, level in _LEVELS.items():
        if text.startswith(beginning):
            return json_line(text.removeprefix(beginning), level)
    return json_line(text)


def format_in(arguments: Sequence[str]) -> LogFormat:
    """Return the form that a command line asks for; text if it asks for none, or wrongly.

    The form is needed before the command line is parsed: a line may say that it is wrong. As
    argparse does, it takes the beginning of the option's name for the option.
    """
    for place, word in enumerate(arguments):
        name, _, value = word.partition("=")
        if len(name) > len("--") and OPTION.startswith(name):
            stated = value or "".join(arguments[place + 1 : place + 2])
            with suppress(ValueError):
                return LogFormat(stated)
    return LogFormat.TEXT


@contextmanager
def lines_as(format: LogFormat) -> Iterator[None]:
    """Write lines in a form while the block runs.

    Args:
        format: the form. With JSON, file descriptor 2 is a pipe until the block ends.
    """
    if format is LogFormat.TEXT or in_json() or sys.stderr is None:
        yield
        return
    _State.format = format
    try:
        with _piped():
            yield
    finally:
        _State.format, _State.context = LogFormat.TEXT, Context()


@contextmanager
def _piped() -> Iterator[None]:
    """Let everything that is written to descriptor 2 pass through `_Lines`."""
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    original = os.dup(2)
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    lines = _Lines(reading, original)
    lines.start()
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os.dup2(original, 2)
        lines.end()
        os.close(original)


class _Lines(threading.Thread):
    """Reads lines from a pipe, and writes each as an object."""

    def __init__(self, reading: int, original: int) -> None:
        super().__init__(name="log lines", daemon=True)
        self._reading, self._original = reading, original
        self._ending = threading.Event()
        self._left = b""

    def end(self) -> None:
        """Write what is still in the pipe, and end; processes that live on are cut off."""
        self._ending.set()
        self.join()
        if self._left:
            self._write(self._left)
        os.close(self._reading)

    def run(self) -> None:
        """Read until all writers have gone, or until the end was asked for and no line comes."""
        while True:
            ready = select.select([self._reading], [], [], _IDLE_SECONDS)[0]
            if ready:
                piece = os.read(self._reading, _PIECE)
                if not piece:
                    return
                *whole, self._left = (self._left + piece).split(b"\n")
                for line in whole:
                    self._write(line)
            elif self._ending.is_set():
                return

    def _write(self, line: bytes) -> None:
        if not line.strip():
            return
        if not _is_of_program(line):
            line = json_line(line.decode(errors="replace").rstrip(), logger="stderr").encode()
        with suppress(OSError):  # a closed terminal, a full disk: the work goes on
            os.write(self._original, line + b"\n")


def _is_of_program(line: bytes) -> bool:
    """Return whether a line is an object with the keys of `json_line` already."""
    if not line.startswith(b"{"):
        return False
    try:
        found = json.loads(line)
    except ValueError:  # no JSON, or no UTF-8
        return False
    return isinstance(found, dict) and found.keys() >= _KEYS

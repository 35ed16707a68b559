"""How far a long work is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

_LOG_SECONDS = 10.0


def say(line: str) -> None:
    """Write one line of progress now, whatever buffers standard output."""
    print(line, flush=True)


def warn(line: str) -> None:
    """Write one line that nobody should overlook."""
    print(f"warning: {line}", file=sys.stderr, flush=True)


def on_terminal() -> bool:
    """Whether someone watches."""
    return sys.stdout.isatty()


def followed(
    items: Iterable[Item], total: int, unit: str, stream: TextIO | None = None
) -> Iterator[Item]:
    """Hand on items and say how many are done, how fast, and how long the others will take.

    Args:
        items: as they get done.
        total: how many there will be.
        unit: what they are, in the plural.
        stream: where to; None for standard error.
    """
    stream = stream or sys.stderr
    if stream.isatty():
        yield from tqdm(items, total=total, unit=f" {unit}", file=stream, dynamic_ncols=True)
        return
    began = logged = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done == total or now - logged > _LOG_SECONDS:
            logged = now
            print(line_of(done, total, unit, now - began), file=stream, flush=True)


def line_of(done: int, total: int, unit: str, seconds: float) -> str:
    """Say in one line how far it is."""
    rate = done / max(seconds, 1e-3)
    left = tqdm.format_interval((total - done) / rate)
    return f"{unit}: {done}/{total} ({100 * done / total:.0f}%), {rate:.0f} a second, {left} left"

"""Show the progress of a run: pictures done, rate, time left, failures.

A terminal gets a bar (tqdm), a log one line every half minute.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from tqdm import tqdm

_LOG_SECONDS = 30.0
_LOOK_SECONDS = 0.5


@contextmanager
def shown(
    total: int, done: Callable[[], int], failed: Callable[[], int], stream: TextIO | None = None
) -> Iterator[None]:
    """Show progress while the block runs.

    If the stream cannot be written to any more (a closed terminal, a full disk), progress is no
    longer shown, and the block goes on.

    Args:
        total: number of pictures to score.
        done: returns the number of pictures done; called in another thread.
        failed: returns the number of pictures that failed; called in another thread.
        stream: stream to write to; None for standard error.
    """
    stream = stream or sys.stderr
    stop = threading.Event()
    on_terminal = stream.isatty()
    bar = tqdm(
        total=total,
        unit=" pictures",
        unit_scale=False,
        file=stream,
        disable=not on_terminal,
        dynamic_ncols=True,
        desc="scoring",
        smoothing=0.1,
    )

    def look() -> None:
        with suppress(OSError, ValueError):
            look_on()

    def look_on() -> None:
        began = logged = time.monotonic()
        while True:
            ended = stop.wait(_LOOK_SECONDS)
            now = min(done(), total)  # a task that Spark repeats may be counted twice
            bar.set_postfix(failed=failed(), refresh=False)
            bar.update(now - bar.n)
            due = time.monotonic() - logged > _LOG_SECONDS
            if not on_terminal and (ended or due):
                logged = time.monotonic()
                line = line_of(now, total, failed(), logged - began)
                print(line, file=stream, flush=True)
            if ended:
                return

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(OSError, ValueError):
            bar.close()


def line_of(done: int, total: int, failed: int, seconds: float) -> str:
    """Return a line with the progress of a run."""
    rate = done / seconds if seconds > 0 else 0.0
    left = tqdm.format_interval((total - done) / rate) if rate else "?"
    share = f"{100 * done / total:.0f}%" if total else "100%"
    return (
        f"scoring: {done}/{total} pictures ({share}), {rate:.1f} pictures/s, {left} left, "
        f"{failed} failed"
    )


def say(line: str) -> None:
    """Write one line to standard error. Results go to standard output instead.

    If standard error is closed or broken, the line is lost and the work goes on.
    """
    if sys.stderr is None:  # the program was started with standard error closed
        return
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)

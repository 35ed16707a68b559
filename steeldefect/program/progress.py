"""Show the progress of long work: items done, rate, time left, failures.

On a terminal it shows a bar (tqdm), in a log one line every half minute. Both go to standard error:
standard output is for results.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, TextIO, TypeVar

from tqdm import tqdm

from steeldefect.program.log_format import in_json, json_line, line_for_people

Item = TypeVar("Item")

_LOG_SECONDS = 30.0
_LOOK_SECONDS = 0.5


class Total(NamedTuple):
    """The number of items of some work; if it is not final, more items may come."""

    items: int
    final: bool = True


@contextmanager
def shown(
    total: int | Callable[[], Total],
    done: Callable[[], int],
    failed: Callable[[], int],
    stream: TextIO | None = None,
    work: str = "scoring",
    unit: str = "pictures",
) -> Iterator[None]:
    """Show progress while the block runs.

    If the stream cannot be written to any more (a closed terminal, a full disk), progress is no
    longer shown, and the block goes on.

    Args:
        total: number of items; or a function that returns it, called in another thread.
        done: returns the number of items done; called in another thread.
        failed: returns the number of items that failed; called in another thread.
        stream: stream to write to; None for standard error.
        work: name of the work; the line begins with it.
        unit: name of the items, in the plural.
    """
    stream = stream or sys.stderr
    stop = threading.Event()
    on_terminal = stream.isatty()
    total_of = total if callable(total) else _constant(total)
    bar = tqdm(
        total=total_of().items,
        unit=f" {unit}",
        unit_scale=False,
        file=stream,
        disable=not on_terminal,
        dynamic_ncols=True,
        desc=work,
        smoothing=0.1,
    )

    def look() -> None:
        with suppress(OSError, ValueError):
            look_on()

    def look_on() -> None:
        began = logged = time.monotonic()
        while True:
            ended = stop.wait(_LOOK_SECONDS)
            known = total_of()
            now = min(done(), known.items)  # a task that Spark repeats may be counted twice
            bar.total, bar.desc = known.items, work if known.final else f"{work}, so far"
            bar.set_postfix(failed=failed(), refresh=False)
            bar.update(now - bar.n)
            due = time.monotonic() - logged > _LOG_SECONDS
            if not on_terminal and (ended or due):
                logged = time.monotonic()
                lost = failed()
                line = f"{line_of(work, now, known, unit, logged - began)}, {lost} failed"
                print(_logged(line, now, known, logged - began, lost), file=stream, flush=True)
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


def followed(
    items: Iterable[Item], total: int, work: str, unit: str, stream: TextIO | None = None
) -> Iterator[Item]:
    """Yield items, and show how many are done, the rate, and the time left.

    Args:
        items: items, in the order in which they are done.
        total: number of items.
        work: name of the work; the line begins with it.
        unit: name of the items, in the plural.
        stream: stream to write to; None for standard error.
    """
    stream = stream or sys.stderr
    if stream.isatty():
        yield from tqdm(
            items, desc=work, total=total, unit=f" {unit}", file=stream, dynamic_ncols=True
        )
        return
    began = logged = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done == total or now - logged > _LOG_SECONDS:
            logged = now
            known = Total(total)
            line = line_of(work, done, known, unit, now - began)
            print(_logged(line, done, known, now - began), file=stream, flush=True)


def _constant(items: int) -> Callable[[], Total]:
    return lambda: Total(items)


def line_of(work: str, done: int, total: Total, unit: str, seconds: float) -> str:
    """Return a line with the progress of some work."""
    rate = done / seconds if seconds > 0 else 0.0
    if not total.final:
        return f"{work}: {done} of {total.items} {unit} found so far, {rate:.1f} {unit}/s"
    left = tqdm.format_interval((total.items - done) / rate) if rate else "?"
    share = f"{100 * done / total.items:.0f}%" if total.items else "100%"
    return f"{work}: {done}/{total.items} {unit} ({share}), {rate:.1f} {unit}/s, {left} left"


def _logged(line: str, done: int, total: Total, seconds: float, failed: int | None = None) -> str:
    """Return a line about progress as this process logs it: JSON has its numbers, too.

    While the total is not final, `seconds_left` is null.
    """
    if not in_json():
        return line
    rate = done / seconds if seconds > 0 else 0.0
    left = round((total.items - done) / rate, 1) if rate and total.final else None
    numbers: dict[str, float | None] = {"done": done, "total": total.items, "failed": failed}
    numbers |= {"rate": round(rate, 3), "seconds_left": left}
    return json_line(line, "INFO", "steeldefect", **numbers)


def say(line: str) -> None:
    """Write one line to standard error. Results go to standard output instead.

    If standard error is closed or broken, the line is lost and the work goes on.
    """
    if sys.stderr is None:  # the program was started with standard error closed
        return
    with suppress(OSError, ValueError):
        print(line_for_people(line), file=sys.stderr, flush=True)


def warn(line: str) -> None:
    """Write one line as a warning; see `say`."""
    say(f"warning: {line}")

"""Turn the signals that end a program into one `KeyboardInterrupt`, so that it ends cleanly.

Schedulers send SIGTERM, Ctrl-C sends SIGINT, and a terminal that closes sends SIGHUP. A signal that
is ignored when the program starts (`nohup`, `command &`) stays ignored.

The first signal interrupts the program. Another signal within two seconds belongs to the same
request: a signal to a process group reaches this process directly, and again through Spark's JVM. A
later signal ends the process at once, as if it was killed; the next start completes its work.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from steeldefect.exit_codes import ExitCode

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_SAME_REQUEST_SECONDS = 2.0
_AGAIN_SECONDS = 0.05
_AT_ONCE = b"interrupted again: ends at once; the next start completes what was decided\n"


class _State:
    """State of the interruption.

    Attributes:
        asked: time of the first signal, in seconds of the monotonic clock; None if there was none.
        postponed: number of `postponed` blocks that are running.
    """

    asked: float | None = None
    postponed = 0


@contextmanager
def heard() -> Iterator[None]:
    """Handle the signals while the block runs; does nothing in a thread other than the main one.

    After an interruption, the signals are handled until the process ends: more signals of the same
    request may follow.

    Raises:
        KeyboardInterrupt: a signal asked this process to end.
    """
    _State.asked, _State.postponed = None, 0
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        if not requested():
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def postponed() -> Iterator[None]:
    """Postpone an interruption to the end of the block; for short blocks that must not be cut.

    Raises:
        KeyboardInterrupt: a signal came while the block ran; raised when the block has ended.
    """
    before = _State.asked
    _State.postponed += 1
    try:
        yield
    finally:
        _State.postponed -= 1
    if before is None and _State.asked is not None:
        raise KeyboardInterrupt


def requested() -> bool:
    """Return whether a signal has asked this process to end."""
    return _State.asked is not None


def listened_to() -> tuple[signal.Signals, ...]:
    """Return the signals that `heard` handles now."""
    return tuple(number for number in SIGNALS if signal.getsignal(number) is _interrupt)


def interrupt_again() -> None:
    """Interrupt again, because a `KeyboardInterrupt` was lost in code that cannot raise errors."""
    _State.asked = None
    timer = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()


def _interrupt(number: int, frame: FrameType | None) -> None:
    del frame
    now = time.monotonic()
    if _State.asked is None:
        _State.asked = now
        if not _State.postponed:
            raise KeyboardInterrupt(signal.Signals(number).name)
        return
    if now - _State.asked > _SAME_REQUEST_SECONDS:
        if sys.stderr is not None:
            _write(_AT_ONCE)
        os._exit(ExitCode.INTERRUPTED)


def _write(line: bytes) -> None:
    try:
        os.write(2, line)
    except OSError:  # the terminal has gone
        return

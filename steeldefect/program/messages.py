"""What libraries and threads have to say becomes one line for each message, on standard error."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from steeldefect.errors import StoreError
from steeldefect.program import interruption
from steeldefect.program.tracebacks import described, write_report
from steeldefect.secrets import masked

_LOG = logging.getLogger(__name__)


class _OneLine(logging.Formatter):
    """A format without line breaks, tracebacks and secrets.

    Of an exception, type and message are shown.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line."""
        text = " ".join(record.getMessage().split())
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text} ({described(record.exc_info[1])})"
        return masked(f"{record.levelname}: {text}")


def _is_told_by_others(record: logging.LogRecord) -> bool:
    """Tell py4j's records, some of them the root logger's: what they report, its caller raises."""
    return "/py4j/" in record.pathname


@contextmanager
def one_line_each() -> Iterator[None]:
    """Write warnings, log records and errors that nobody can catch as one line each.

    The error that ends a thread is written into a report, which the line names.
    """
    _configure_logging()
    before = threading.excepthook, sys.unraisablehook
    threading.excepthook = _report_thread
    sys.unraisablehook = _tell_unraisable
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before


def _configure_logging() -> None:
    root = logging.getLogger()
    if root.handlers:  # the program that calls this one has its own
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    handler.addFilter(lambda record: not _is_told_by_others(record))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a line that cannot be written is lost; the work goes on
    logging.captureWarnings(capture=True)


def _report_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is None or isinstance(ended.exc_value, SystemExit):
        return
    name = "a thread" if ended.thread is None else f"thread {ended.thread.name}"
    try:
        where = f"the report is at {write_report(ended.exc_value, name, [])}"
    except StoreError as refused:
        where = str(refused)
    _LOG.warning("%s ended: %s; %s", name, described(ended.exc_value), where)


def _tell_unraisable(lost: sys.UnraisableHookArgs) -> None:
    if isinstance(lost.exc_value, KeyboardInterrupt):
        interruption.interrupt_again()
    elif lost.exc_value is not None:
        _LOG.warning("%s: %s", lost.err_msg or "ignored", described(lost.exc_value))

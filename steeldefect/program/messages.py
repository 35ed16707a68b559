"""Write log records, warnings and uncaught errors of threads as one line each to standard error."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from steeldefect.errors import StoreError
from steeldefect.program import interruption
from steeldefect.program.log_format import in_json, json_line
from steeldefect.program.tracebacks import described, write_report
from steeldefect.secrets import masked

_LOG = logging.getLogger(__name__)


class _OneLine(logging.Formatter):
    """Log format without line breaks, tracebacks and secrets: text, or a JSON object.

    For an exception, it has the type and the message.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        text = " ".join(record.getMessage().split())
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text} ({described(record.exc_info[1])})"
        if in_json():
            return json_line(text, record.levelname, record.name)
        return masked(f"{record.levelname}: {text}")


def _is_of_py4j(record: logging.LogRecord) -> bool:
    """Return whether py4j wrote a record; it also uses the root logger.

    Such records are not needed: PySpark raises the errors that they report.
    """
    return "/py4j/" in record.pathname


@contextmanager
def one_line_each() -> Iterator[None]:
    """Write warnings, log records and uncaught errors as one line each while the block runs.

    The error that ends a thread also gets a report file, and the line names the file.
    """
    _configure_logging()
    before = threading.excepthook, sys.unraisablehook
    threading.excepthook = _report_thread
    sys.unraisablehook = _report_unraisable
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before


def _configure_logging() -> None:
    root = logging.getLogger()
    if root.handlers:  # the calling program has configured logging itself
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    handler.addFilter(lambda record: not _is_of_py4j(record))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.raiseExceptions = False  # if a line cannot be written, it is lost and the work goes on
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


def _report_unraisable(lost: sys.UnraisableHookArgs) -> None:
    if isinstance(lost.exc_value, KeyboardInterrupt):
        interruption.interrupt_again()
    elif lost.exc_value is not None:
        _LOG.warning("%s: %s", lost.err_msg or "ignored", described(lost.exc_value))

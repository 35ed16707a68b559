"""Report unexpected errors: one line, and a file with the traceback."""

from __future__ import annotations

import os
import platform
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from steeldefect.errors import StoreError
from steeldefect.secrets import masked
from steeldefect.versions import versions

_SPARK = ("py4j", "pyspark")


def is_of_spark(error: BaseException) -> bool:
    """Return whether an error comes from PySpark or py4j; neither is imported for this.

    An `OSError`, an `EOFError` or an error of pickling comes from them if their code is in its
    traceback.
    """
    if _package(type(error).__module__) in _SPARK:
        return True
    if not isinstance(error, OSError | EOFError) and not _is_of_pickling(error):
        return False
    step = error.__traceback__
    while step is not None:
        if _package(str(step.tb_frame.f_globals.get("__name__"))) in _SPARK:
            return True
        step = step.tb_next
    return False


def _is_of_pickling(error: BaseException) -> bool:
    """Return whether an error is a `PickleError`; no module that can unpickle is imported."""
    return any(kind.__name__ == "PickleError" for kind in type(error).__mro__)


def _package(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def described(error: BaseException) -> str:
    """Return an error as one line: type and message, without secrets."""
    return masked(" ".join("".join(traceback.format_exception_only(error)).split())[:500])


def write_report(error: BaseException, program: str, arguments: Sequence[str]) -> Path:
    """Write a report with everything that is needed to find the fault, but no environment.

    The report is a new file in the working folder. If that folder cannot be written to, the file is
    in the folder for temporary files. Only its owner can read it.

    Args:
        error: the unexpected error.
        program: name of the program.
        arguments: arguments of its command line; values that look like secrets are masked.

    Returns:
        Path of the report.

    Raises:
        StoreError: neither folder can be written to.
    """
    text = _report(error, program, arguments)
    name = f"steeldefect-crash-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}"
    problem = ""
    for find_folder in (os.getcwd, tempfile.gettempdir):
        try:
            return _write_new(Path(find_folder()), name, text)
        except OSError as refused:
            problem = str(refused)
    raise StoreError(f"cannot write the report of a crash: {problem}")


def _report(error: BaseException, program: str, arguments: Sequence[str]) -> str:
    shown = " ".join(arguments)
    lines = [
        f"time: {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}",
        f"command: {program} {shown}",
        f"platform: {platform.platform()}",
        *(f"{name}: {version}" for name, version in versions().items()),
        "",
        *traceback.format_exception(error),
    ]
    return masked("\n".join(lines))


def _write_new(folder: Path, name: str, text: str) -> Path:
    count = 1
    while True:
        path = folder / (f"{name}.txt" if count == 1 else f"{name}-{count}.txt")
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            count += 1
            continue
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path

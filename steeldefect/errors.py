"""Every error this project raises on purpose.

Three facts decide what happens to an error, and the type tells all three: whether another try
can help (`Transient`) or somebody has to act (all others), which exit code a job ends with
(`steeldefect.exit_codes`), and whether it concerns one picture (`PictureError`, one row in
`quarantine`) or the whole run.

Messages are one line and end with what to do next. They never hold a secret: what looks like one
is masked when the error is made.

Spark passes the errors of its tasks to the driver as text, inside a traceback. `error_to_text`
writes an error so that `error_from_text` finds it there and rebuilds it, type and message.
"""

from __future__ import annotations

import re

from steeldefect.exit_codes import ExitCode
from steeldefect.secrets import masked


class SteelDefectError(Exception):
    """Root of all errors of this project.

    Attributes:
        exit_code: what a job or command ends with.
    """

    exit_code: ExitCode = ExitCode.FAULT

    def __init__(self, *args: object) -> None:
        super().__init__(*(masked(one) if isinstance(one, str) else one for one in args))


class Transient:
    """Mixin: the same call may succeed later."""


class SettingsError(SteelDefectError):
    """Settings, arguments or a recipe are wrong. Lists every problem found."""

    exit_code = ExitCode.SETTINGS


class BundleError(SteelDefectError):
    """A model bundle is missing, incomplete, altered, or of a format that is not understood."""

    exit_code = ExitCode.BUNDLE


class StoreError(SteelDefectError):
    """A folder or an object store refused a request for good: missing or forbidden."""

    exit_code = ExitCode.STORE


class StoreUnavailableError(StoreError, Transient):
    """An object store did not answer, or answered that it is overloaded, after all retries."""


class SourceDownError(StoreUnavailableError):
    """The store that holds the pictures has not answered for many pictures in a row."""


class AlreadyExistsError(StoreError):
    """A conditional write found an object under the same key."""


class EmptyInputError(SteelDefectError):
    """No picture lies under the input."""

    exit_code = ExitCode.EMPTY_INPUT


class OutputBusyError(SteelDefectError, Transient):
    """Another run holds the output tables."""

    exit_code = ExitCode.OUTPUT_BUSY


class FailureShareError(SteelDefectError):
    """More pictures failed than `max_failure_share` allows; the wave was not published."""

    exit_code = ExitCode.FAILURE_SHARE


class AuditError(SteelDefectError):
    """What the tasks wrote is not what was planned; the wave was not published."""

    exit_code = ExitCode.AUDIT


class WaveError(SteelDefectError, Transient):
    """Spark gave up on a wave after its own retries; nothing of the wave was published."""

    exit_code = ExitCode.WAVE


class TableError(SteelDefectError):
    """The output tables are missing, or hold something that the schema does not know."""

    exit_code = ExitCode.TABLES


class NewerTableError(TableError):
    """A newer version of this program wrote the table; this one must not touch it."""


class UnreadableFileError(TableError):
    """A data file of a table is cut short or damaged."""


class DeviceError(SteelDefectError):
    """The device or the runtime that the settings ask for is not there."""

    exit_code = ExitCode.DEVICE


class DataError(SteelDefectError):
    """A training folder or a label file is incomplete or contradicts itself."""

    exit_code = ExitCode.DATA


class QueryError(SteelDefectError):
    """SQL that the tables cannot answer."""

    exit_code = ExitCode.QUERY


class PromotionError(SteelDefectError):
    """A bundle may not take an alias, or two bundles cannot be compared."""

    exit_code = ExitCode.PROMOTION


class RunLengthError(DataError, ValueError):
    """Malformed run lengths.

    Args:
        problem: what is wrong, in words.
        run: index of the offending run, counted from 0; None where no single run is to blame.
    """

    def __init__(self, problem: str, run: int | None = None) -> None:
        self.problem = problem
        self.run = run
        where = "" if run is None else f"run {run}: "
        super().__init__(f"malformed run lengths: {where}{problem}")

    def __reduce__(self) -> tuple[type[RunLengthError], tuple[str, int | None]]:
        """Rebuild from the constructor's own arguments, so that pickling keeps them."""
        return type(self), (self.problem, self.run)


class PictureError(SteelDefectError):
    """One picture cannot be scored. Becomes one row of `quarantine`, never a failed task."""


class FetchError(PictureError):
    """The picture's bytes are more than is allowed."""


class FetchUnavailableError(FetchError, Transient):
    """The store did not give the picture's bytes (overloaded, gone, forbidden)."""


class DecodeError(PictureError):
    """The bytes are not a picture of a kind that is scored: empty, truncated, CMYK, huge."""


class PictureSizeError(PictureError):
    """The picture decodes, but its size is not what the bundle's models were trained on."""


class UnprovenError(PictureError, Transient):
    """The bytes are no picture, and are not proven to be what the archive holds."""


class InferenceError(PictureError, Transient):
    """A model failed on this picture, or answered with numbers that are not finite."""


class HostError(PictureError, Transient):
    """This host failed, not the picture: memory, files, network, or a fault of the program."""


class WorkerDiedError(PictureError, Transient):
    """The worker process died each time it scored this picture alone; mostly for want of memory."""


_AS_TEXT = re.compile(r"steeldefect\.errors\.(\w+): ([^\n]+)")


def error_to_text(error: Exception) -> str:
    """Return an error in one line, as Python's tracebacks end: `module.Type: message`."""
    return f"{type(error).__module__}.{type(error).__name__}: {' '.join(str(error).split())}"


def error_from_text(text: str) -> SteelDefectError | None:
    """Return the last error of this project that a text holds; None where it holds none.

    Args:
        text: a traceback, or what `error_to_text` wrote.

    Returns:
        The error, of its own type. Only a `RunLengthError` comes back as a `DataError`: it words
        its message itself.
    """
    for name, message in reversed(_AS_TEXT.findall(text)):
        kind = globals().get(name)
        if kind is RunLengthError:
            return DataError(message.strip())
        if isinstance(kind, type) and issubclass(kind, SteelDefectError):
            return kind(message.strip())
    return None

"""The errors that this project raises.

The type of an error states three facts: whether another try can help (`Transient`) or somebody has
to act (all others); the exit code of a job (`steeldefect.exit_codes`); and whether the error
concerns one picture (`PictureError`, one row of `quarantine`) or the whole run.

A message is one line and ends with what to do next. It never contains a secret: text that looks
like a secret is masked when the error is created.

Spark passes the errors of its tasks to the driver as text, inside a traceback. `error_to_text`
writes an error as text. `error_from_text` finds it in a traceback and rebuilds its type and
message.
"""

from __future__ import annotations

import re

from steeldefect.exit_codes import ExitCode
from steeldefect.secrets import masked


class SteelDefectError(Exception):
    """Root of all errors of this project.

    Attributes:
        exit_code: exit code of a job or command that ends with this error.
    """

    exit_code: ExitCode = ExitCode.FAULT

    def __init__(self, *args: object) -> None:
        super().__init__(*(masked(one) if isinstance(one, str) else one for one in args))


class Transient:
    """Mixin for errors after which the same call may succeed later."""


class SettingsError(SteelDefectError):
    """Settings, arguments or a recipe are wrong. The message lists every problem."""

    exit_code = ExitCode.SETTINGS


class BundleError(SteelDefectError):
    """A bundle is missing, incomplete, altered, or of an unknown format."""

    exit_code = ExitCode.BUNDLE


class StoreError(SteelDefectError):
    """A folder or an object store refused a request: something is missing or forbidden."""

    exit_code = ExitCode.STORE


class StoreUnavailableError(StoreError, Transient):
    """An object store did not answer, or reported that it is overloaded, in every retry."""


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
    """More pictures have failed than `max_failure_share` allows; the wave was not published."""

    exit_code = ExitCode.FAILURE_SHARE


class AuditError(SteelDefectError):
    """The parts of a wave do not match its plan; the wave was not published."""

    exit_code = ExitCode.AUDIT


class WaveError(SteelDefectError, Transient):
    """Spark gave up on a wave after its own retries; nothing of the wave was published."""

    exit_code = ExitCode.WAVE


class TableError(SteelDefectError):
    """The output tables are missing, damaged, or do not match the schema."""

    exit_code = ExitCode.TABLES


class NewerTableError(TableError):
    """A newer version of this program wrote the table; this one must not touch it."""


class UnreadableFileError(TableError):
    """A data file of a table is cut short or damaged."""


class DeviceError(SteelDefectError):
    """The device or the runtime that the settings ask for is not available."""

    exit_code = ExitCode.DEVICE


class DataError(SteelDefectError):
    """A training folder or a label file is incomplete or contradicts itself."""

    exit_code = ExitCode.DATA


class QueryError(SteelDefectError):
    """An SQL statement is wrong, or failed on these tables."""

    exit_code = ExitCode.QUERY


class PromotionError(SteelDefectError):
    """A bundle may not take an alias, or two bundles cannot be compared."""

    exit_code = ExitCode.PROMOTION


class DriftError(SteelDefectError):
    """The pictures or the findings of a run have drifted, and the caller asked to fail then."""

    exit_code = ExitCode.DRIFT


class RunLengthError(DataError, ValueError):
    """Malformed run lengths.

    Args:
        problem: description of the error.
        run: index of the wrong run, from 0; None if no single run is wrong.
    """

    def __init__(self, problem: str, run: int | None = None) -> None:
        self.problem = problem
        self.run = run
        where = "" if run is None else f"run {run}: "
        super().__init__(f"malformed run lengths: {where}{problem}")

    def __reduce__(self) -> tuple[type[RunLengthError], tuple[str, int | None]]:
        """Return how to rebuild the error from its own arguments, so that pickling keeps them."""
        return type(self), (self.problem, self.run)


class PictureError(SteelDefectError):
    """One picture cannot be scored. It becomes one row of `quarantine`, never a failed task."""


class FetchError(PictureError):
    """The picture's file is larger than the limit."""


class FetchUnavailableError(FetchError, Transient):
    """The store did not return the picture's bytes (overloaded, gone, forbidden)."""


class DecodeError(PictureError):
    """The bytes are not a picture that can be scored: empty, truncated, CMYK, too large."""


class PictureSizeError(PictureError):
    """The picture is valid, but the bundle's models were not trained on pictures of its size."""


class UnprovenError(PictureError, Transient):
    """The picture failed, and its bytes are not proven to be those in the archive."""


class InferenceError(PictureError, Transient):
    """A model failed on this picture, or returned numbers that are not finite."""


class HostError(PictureError, Transient):
    """This host failed, not the picture: memory, files, network, or a fault of the program."""


class WorkerDiedError(PictureError, Transient):
    """The worker process died each time it scored this picture alone; often memory ran out."""


_AS_TEXT = re.compile(r"steeldefect\.errors\.(\w+): ([^\n]+)")


def error_to_text(error: Exception) -> str:
    """Return an error as one line, like the last line of a traceback: `module.Type: message`."""
    return f"{type(error).__module__}.{type(error).__name__}: {' '.join(str(error).split())}"


def error_from_text(text: str) -> SteelDefectError | None:
    """Return the last error of this project in a text; None if there is none.

    Args:
        text: a traceback, or the output of `error_to_text`.

    Returns:
        The error with its own type. Only a `RunLengthError` becomes a `DataError`, because its
        constructor does not take a whole message.
    """
    for name, message in reversed(_AS_TEXT.findall(text)):
        kind = globals().get(name)
        if kind is RunLengthError:
            return DataError(message.strip())
        if isinstance(kind, type) and issubclass(kind, SteelDefectError):
            return kind(message.strip())
    return None

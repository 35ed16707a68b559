"""The exit codes of jobs and commands, for schedulers and shells."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes; the README has the same list."""

    DONE = 0
    """Everything is done, or there was nothing new."""
    FAULT = 1
    """A fault of this program; the error line names the file with the report."""
    SETTINGS = 2
    """Settings, arguments or environment variables are wrong."""
    BUNDLE = 3
    """The bundle is missing or altered."""
    STORE = 4
    """A store refused a request or does not answer, or a disk is full."""
    EMPTY_INPUT = 5
    """No picture lies under the input."""
    OUTPUT_BUSY = 6
    """Another run writes to this output."""
    FAILURE_SHARE = 7
    """Too many pictures failed."""
    AUDIT = 8
    """The audit found wrong rows; the wave was not published."""
    WAVE = 9
    """Spark gave up on a wave, or its JVM was killed."""
    TABLES = 10
    """The tables are missing, damaged, or of a newer version."""
    DEVICE = 11
    """The device or the runtime that was asked for is not available."""
    DATA = 12
    """Labels, training data or an inventory cannot be read, or contradict themselves."""
    QUERY = 13
    """An SQL statement is wrong, or failed on these tables."""
    PROMOTION = 14
    """A bundle cannot be promoted, or cannot be compared."""
    DRIFT = 15
    """The pictures or the findings of a run have drifted, and `--fail-on-drift` was given."""
    INTERRUPTED = 130
    """Ctrl-C, SIGTERM or SIGHUP; published waves stay, and the next run continues."""

"""Exit codes: how a job or a command ended, for schedulers and shells."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What each exit code means; the README has the same list."""

    DONE = 0
    """Everything is done, or nothing was new."""
    FAULT = 1
    """A fault of this program: the line names the file with its report."""
    SETTINGS = 2
    """Settings, arguments or environment variables are wrong."""
    BUNDLE = 3
    """The bundle is missing or altered."""
    STORE = 4
    """A store refused or does not answer, or a disk is full."""
    EMPTY_INPUT = 5
    """No picture lies under the input."""
    OUTPUT_BUSY = 6
    """Another run writes to this output."""
    FAILURE_SHARE = 7
    """Too many pictures failed."""
    AUDIT = 8
    """The audit found rows wrong; the wave is not published."""
    WAVE = 9
    """Spark gave up on a wave, or its JVM was killed."""
    TABLES = 10
    """The tables are missing, damaged, or of a newer version."""
    DEVICE = 11
    """The device or the runtime that was asked for is not there."""
    DATA = 12
    """Labels or training data cannot be read, or contradict themselves."""
    QUERY = 13
    """SQL that the tables cannot answer."""
    PROMOTION = 14
    """A bundle may not be promoted, or not be compared."""
    INTERRUPTED = 130
    """Ctrl-C, SIGTERM or SIGHUP: published waves stay, the next run goes on."""

"""What errors of the Delta library mean: a damaged table, an unsupported one, or a silent store."""

from __future__ import annotations

import re

from deltalake.exceptions import (
    DeltaError,
    DeltaProtocolError,
    SchemaMismatchError,
    TableNotFoundError,
)

from steeldefect.errors import StoreUnavailableError, TableError

_COLOURS = re.compile("\x1b\\[[0-9;]*m")  # deltalake colours its messages
_NOISE = re.compile(r",? max_retries\W+\d+, retry_timeout\W+\d+m?s|:? 0: <unknown> .*")
_BEGIN, _END = 150, 250  # characters of a long message of deltalake that are shown
_DAMAGED = re.compile(
    r"(?i)^(?!.*list response).*(json error|found gap|no table metadata|no files in log|not found"
    r"|magic bytes|no such file|invalid checkpoint|corrupt|parquet error|deserialize|decompress)"
)
"""Messages of deltalake and pyarrow for broken or lost files of a table; no retry helps."""

_UNSUPPORTED = re.compile(r"(?i)unsupported|invalid protocol action|max catalog version")
"""Messages of deltalake for features that it does not support."""


def translated(error: Exception, where: str) -> TableError | StoreUnavailableError:
    """Return the error of this project for an error of deltalake, pyarrow or the file system.

    Args:
        error: as raised.
        where: the table, for the message.
    """
    problem = plain(error)
    known = isinstance(error, DeltaProtocolError | SchemaMismatchError | TableNotFoundError)
    if known or _UNSUPPORTED.search(problem):
        return TableError(f"{where}: {problem}")
    if isinstance(error, OSError | DeltaError) and not _DAMAGED.search(problem):
        return StoreUnavailableError(f"{where}: {problem}; check the store and start again")
    return TableError(
        f"{where}: {problem}; run `steeldefect maintain --check` to see what is wrong with the "
        "tables"
    )


def plain(error: Exception) -> str:
    """Return an error's message in one short line, without colours and back traces."""
    return _in_short(" ".join(_COLOURS.sub("", str(error)).split()))


def _in_short(problem: str) -> str:
    """Cut a long message in its middle: its beginning says what failed, its end says why."""
    problem = _NOISE.sub("", problem)
    if len(problem) <= _BEGIN + _END:
        return problem
    return f"{problem[:_BEGIN]} ... {problem[-_END:]}"

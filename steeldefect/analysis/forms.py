"""The output forms of SQL results. Writing them (`results`) imports much more: it is apart."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from steeldefect.errors import SettingsError


class Form(str, Enum):
    """The output form of a result."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


_BY_ENDING = {
    ".csv": Form.CSV,
    ".json": Form.JSON,
    ".jsonl": Form.JSON,
    ".ndjson": Form.JSON,
    ".parquet": Form.PARQUET,
    ".txt": Form.TABLE,
}


def form_of(path: Path) -> Form:
    """Return the form that a file's name stands for.

    Raises:
        SettingsError: the name has none of the known endings.
    """
    form = _BY_ENDING.get(path.suffix.lower())
    if form is None:
        raise SettingsError(
            f"{path}: unknown file name ending; end it with one of {', '.join(_BY_ENDING)}, or add "
            f"--format (one of {', '.join(one.value for one in Form)})"
        )
    return form

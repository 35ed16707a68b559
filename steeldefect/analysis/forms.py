"""The forms in which answers of SQL are written; apart from the writing, which imports more."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from steeldefect.errors import SettingsError


class Form(str, Enum):
    """The forms in which an answer is written."""

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
    """Choose the form by a file's name.

    Raises:
        SettingsError: the name tells none.
    """
    form = _BY_ENDING.get(path.suffix.lower())
    if form is None:
        raise SettingsError(
            f"{path}: its name tells no form; add --format {', '.join(one.value for one in Form)}, "
            f"or end it with one of {', '.join(_BY_ENDING)}"
        )
    return form

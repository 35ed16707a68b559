"""Find the picture that a person means: by its key, its file name or its address."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb

from steeldefect.addresses import absolute, has_scheme
from steeldefect.analysis.results import printable
from steeldefect.errors import SettingsError
from steeldefect.program.suggestions import near

_LISTED = 10  # pictures that an error names
_SUGGESTED = 3


class PictureName(NamedTuple):
    """Source, key and file name of a picture."""

    source: str
    key: str
    image_id: str


def find_picture(connection: duckdb.DuckDBPyConnection, asked: str) -> PictureName:
    """Return the picture whose key, file name or address is `asked`.

    Args:
        connection: database with the tables of an output.
        asked: key, file name (`image_id`), or address: `source/key`, or a local path.

    Raises:
        SettingsError: no picture has that name, or several have.
    """
    addresses = [asked] if has_scheme(asked) else [asked, absolute(Path(asked))]
    found = connection.execute(_MATCHES, {"asked": asked, "addresses": addresses}).fetchall()
    if not found:
        raise SettingsError(_none(connection, asked))
    if len(found) > 1:
        raise SettingsError(_several(found, asked))
    return PictureName(*found[0])


def _none(connection: duckdb.DuckDBPyConnection, asked: str) -> str:
    names = [name for (name,) in connection.execute(_SIMILAR, {"asked": asked}).fetchall()]
    found = [printable(name) for name in near(asked, names, _SUGGESTED)]
    hint = f"did you mean {' or '.join(found)}?" if found else "see the table images"
    return f"no picture {printable(asked)} in these tables; {hint}"


def _several(found: list[tuple[str, str, str]], asked: str) -> str:
    listed = ", ".join(printable(f"{source}/{key}") for source, key, _ in found[:_LISTED])
    more = f", and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return (
        f"{len(found)} pictures are named {printable(asked)}: {listed}{more}; give the address of "
        "one"
    )


_ALL = """
WITH pictures AS (
    SELECT source, key, image_id FROM images UNION SELECT source, key, image_id FROM quarantine
)
"""
_MATCHES = f"""{_ALL}
SELECT source, key, any_value(image_id) FROM pictures
WHERE key = $asked OR image_id = $asked OR list_contains($addresses, source || '/' || key)
GROUP BY source, key ORDER BY source, key
"""  # noqa: S608
# the nearest few, of which `near` chooses
_SIMILAR = f"""{_ALL}
SELECT name FROM (SELECT key AS name FROM pictures UNION SELECT image_id FROM pictures)
ORDER BY jaro_winkler_similarity(name, $asked) DESC, name LIMIT 50
"""  # noqa: S608

"""Check, before a run begins, that the places of its pictures can be read as the settings ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from steeldefect.errors import SettingsError
from steeldefect.pictures.strip import Places, PlaceSettings
from steeldefect.plan.listing import LISTING
from steeldefect.plan.spool import Spool


def require_groups(strip: PlaceSettings) -> None:
    """Refuse attributes that nothing can state if there is no inventory.

    Raises:
        SettingsError: an attribute is no group of the pattern.
    """
    missing = [name for name in strip.attributes if name not in strip.groups]
    if missing:
        raise SettingsError(
            f"strip.attributes: {missing[0]} is neither a group of strip.key_pattern nor, without "
            "--inventory, a column; add a group of this name"
        )


def require_places(listing: Iterable[pa.Table], strip: PlaceSettings) -> Iterator[pa.Table]:
    """Yield pictures unchanged; check what the pattern finds in their keys.

    A key that the pattern does not fit is no error, as long as it fits another one: the place of
    that picture is unknown. So nothing is yielded before the first key that it fits.

    Args:
        listing: the pictures, with the columns of `LISTING`.
        strip: scale and place of the pictures.

    Raises:
        SettingsError: the pattern fits no key.
        DataError: a number or a time in a key is none.
        StoreError: the disk for temporary files is full.
    """
    if strip.key_pattern is None:
        yield from listing
        return
    places, pictures = Places(strip), iter(listing)
    before = Spool(LISTING)  # pictures until the first key that the pattern fits
    for some in pictures:
        before.append(some)
        if _fits(some, places):
            break
    else:
        _refuse_pattern(before, strip)
    before.end()
    yield from before.tables()
    for some in pictures:
        _fits(some, places)
        yield some


def _refuse_pattern(pictures: Spool, strip: PlaceSettings) -> None:
    """Raise `SettingsError` if there are pictures: the pattern fits none of their keys."""
    if not pictures.rows:
        return
    pictures.end()
    example = next(pictures.tables())["key"][0].as_py()
    raise SettingsError(
        f"strip.key_pattern: {strip.key_pattern!r} fits none of {pictures.rows} keys, such as "
        f"{example}; a key is the path below the input"
    )


def _fits(listing: pa.Table, places: Places) -> bool:
    """Return whether the pattern fits a key; check what the keys state."""
    fits = False
    for key in listing["key"].to_pylist():
        groups = places.groups_of(key)
        if groups is not None:
            fits = True
            places.placed(key, groups)
    return fits

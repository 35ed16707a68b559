"""Check, before a run begins, that the places of its pictures can be read as the settings ask."""

from __future__ import annotations

import pyarrow as pa

from steeldefect.errors import SettingsError
from steeldefect.pictures.strip import Places, PlaceSettings


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


def require_places(listing: pa.Table, strip: PlaceSettings) -> None:
    """Refuse a pattern that fits no key, and keys that do not state what they should.

    A key that the pattern does not fit is no error, as long as it fits another one: the place of
    that picture is unknown.

    Args:
        listing: the pictures, with the columns of `LISTING`.
        strip: scale and place of the pictures.

    Raises:
        SettingsError: the pattern fits no key.
        DataError: a number or a time in a key is none.
    """
    if strip.key_pattern is None:
        return
    places, fits = Places(strip), 0
    for key in listing["key"].to_pylist():
        groups = places.groups_of(key)
        if groups is not None:
            fits += 1
            places.placed(key, groups)
    if fits == 0 and listing.num_rows:
        raise SettingsError(
            f"strip.key_pattern: {strip.key_pattern!r} fits none of {listing.num_rows} keys, such "
            f"as {listing['key'][0].as_py()}; a key is the path below the input"
        )

"""Check, before a run begins, that the places of its pictures can be read as the settings ask."""

from __future__ import annotations

import pyarrow as pa

from steeldefect.errors import SettingsError
from steeldefect.pictures.strip import Places, StripSettings


def require_places(listing: pa.Table, strip: StripSettings, *, inventory: bool) -> None:
    """Refuse settings that fit none of the pictures, and keys that do not state what they should.

    A key that the pattern does not fit is no error, as long as it fits another one: the place of
    that picture is unknown.

    Args:
        listing: the pictures, with the columns of `LISTING`.
        strip: scale and place of the pictures.
        inventory: whether the listing comes from an inventory.

    Raises:
        SettingsError: the pattern fits no key, or nothing states an attribute.
        DataError: a number or a time of a place is none.
    """
    if strip.asked_of_inventory and not inventory:
        raise SettingsError(
            f"strip.attributes: {strip.asked_of_inventory[0]} is neither a group of "
            "strip.key_pattern nor, without --inventory, a column; add a group of this name"
        )
    if strip.key_pattern is None:
        return
    places, fits = Places(strip), 0
    for batch in listing.select(["key", "place"]).to_batches():
        for key, given in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if places.fits(key):
                fits += 1
                places.of(key, given)
    if fits == 0 and listing.num_rows:
        raise SettingsError(
            f"strip.key_pattern: {strip.key_pattern!r} fits none of {listing.num_rows} keys, such "
            f"as {listing['key'][0].as_py()}; a key is the path below the input"
        )

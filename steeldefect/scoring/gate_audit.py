"""Choose the pictures that the gate stops and that are segmented all the same.

The choice depends on the key and the bundle alone, so that every rerun takes the same pictures. To
the models it is random: a hash knows nothing of a picture. So the pictures chosen are a fair sample
of those that the gate stops.
"""

from __future__ import annotations

import hashlib

_BYTES = 8


def is_audited(bundle: str, key: str, share: float) -> bool:
    """Return whether a picture belongs to the share that is audited, if the gate stops it.

    Args:
        bundle: digest of the bundle.
        key: path of the picture below the source.
        share: share of the pictures, 0 to 1.
    """
    name = f"{bundle}\0{key}".encode("utf-8", "surrogateescape")
    place = int.from_bytes(hashlib.sha256(name).digest()[:_BYTES], "big")
    return place < share * 2.0 ** (8 * _BYTES)

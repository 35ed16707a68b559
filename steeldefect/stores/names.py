r"""Convert file names, which are bytes, to keys, which are text, and back without loss.

A name that is UTF-8 is its own key. A byte that is not UTF-8 becomes an escape such as `\xe5` in
the key, as Python and many tools print it. If a name contains the four characters of such an
escape, its backslash becomes `\x5c`, so that no two names share a key.
"""

from __future__ import annotations

import re

_LIKE_ESCAPED = re.compile(rb"\\(?=x(?:[89a-f][0-9a-f]|5c))")
_ESCAPED = re.compile(rb"\\x([89a-f][0-9a-f]|5c)")


def key_of(name: bytes) -> str:
    r"""Return the key of a file's name (or path).

    >>> key_of(b"line 1/pl\xe5t.jpg")
    'line 1/pl\\xe5t.jpg'
    """
    if b"\\" in name:
        name = _LIKE_ESCAPED.sub(rb"\\x5c", name)
    return name.decode("utf-8", "backslashreplace")


def name_of(key: str) -> bytes:
    r"""Return the file's name (or path) that has a key.

    >>> name_of(r"line 1/pl\xe5t.jpg")
    b'line 1/pl\xe5t.jpg'

    Raises:
        UnicodeEncodeError: the key cannot be encoded as UTF-8.
    """
    name = key.encode("utf-8")
    if b"\\" not in name:
        return name
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), name)

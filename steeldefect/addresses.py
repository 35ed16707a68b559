"""Tells addresses from local paths, for all who take either."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def has_scheme(text: str) -> bool:
    """Tell whether a text begins as an address does: `s3:/bucket` is no folder, but a slip."""
    return _SCHEME.match(text) is not None

"""Checks that a store keeps to conditional writes.

Locks and the records of aliases are numbered, and the first to write a number owns it. A store that
ignores the condition (`If-None-Match`) would give the same number to two writers.
"""

from __future__ import annotations

from steeldefect.errors import AlreadyExistsError, StoreError
from steeldefect.stores.base import Store

# differs from every object that is checked: after a lost answer, a store takes a second write of
# the same bytes for a success
_PROBE = b"{}\n"


def require_conditional_writes(store: Store, key: str, consequence: str) -> None:
    """Check a store by an attempt to write over an object on the condition that there is none.

    Args:
        store: to check.
        key: of an object that exists; a store that fails the check replaces it.
        consequence: what could happen in such a store, and what to do; the end of the message.

    Raises:
        StoreError: the store has written over the object.
    """
    try:
        store.write_new(key, _PROBE)
    except AlreadyExistsError:
        return
    raise StoreError(
        f"{store.uri}: this store ignores conditional writes (If-None-Match), so {consequence}"
    )

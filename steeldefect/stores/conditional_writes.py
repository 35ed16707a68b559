"""Check that a store supports conditional writes.

Locks and the records of aliases are numbered, and the first writer of a number owns it. A store
that ignores the condition (`If-None-Match`) would give the same number to two writers.
"""

from __future__ import annotations

from steeldefect.errors import AlreadyExistsError, StoreError
from steeldefect.stores.base import Store

# Must differ from every object that is checked: after a lost response, the store client counts
# an existing object with the same bytes as its own successful write
_PROBE = b"{}\n"


def require_conditional_writes(store: Store, key: str, consequence: str) -> None:
    """Check a store: try to write an existing object on the condition that it does not exist.

    Args:
        store: store to check.
        key: key of an object that exists; a store that fails the check replaces it.
        consequence: end of the message: what could happen in such a store, and what to do.

    Raises:
        StoreError: the store replaced the object.
    """
    try:
        store.write_new(key, _PROBE)
    except AlreadyExistsError:
        return
    raise StoreError(
        f"{store.uri}: this store ignores conditional writes (If-None-Match), so {consequence}"
    )

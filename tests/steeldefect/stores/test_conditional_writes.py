"""A store that gives the same number to two writers is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from steeldefect.errors import StoreError
from steeldefect.stores import Store
from steeldefect.stores.conditional_writes import require_conditional_writes
from steeldefect.stores.local import LocalStore


class Careless(LocalStore):
    """A store whose conditions count for nothing."""

    def write_new(self, key: str, data: bytes) -> None:
        self.write(key, data)


def test_a_store_that_keeps_the_condition_keeps_the_object(any_store: Store) -> None:
    any_store.write_new("lock/1", b"first")
    require_conditional_writes(any_store, "lock/1", "two could write")
    assert any_store.read("lock/1") == b"first"


def test_a_store_that_does_not_is_refused(tmp_path: Path) -> None:
    store = Careless(tmp_path)
    store.write_new("lock/1", b"first")
    with pytest.raises(StoreError, match=r"ignores conditional .*, so two could write$"):
        require_conditional_writes(store, "lock/1", "two could write")

"""Stores that run an event, or kill their user, before a chosen request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from steeldefect.stores import ObjectInfo, Store


class DiedError(BaseException):
    """The death of the process; no code may catch it."""


class InterposingStore:
    """A store that calls `event` once, before the first write of a key that contains `text`."""

    def __init__(self, inner: Store, text: str, event: Callable[[], object]) -> None:
        self.uri = inner.uri
        self._inner = inner
        self._text = text
        self._event: Callable[[], object] | None = event

    def scan(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._inner.scan(prefix)

    def read(self, key: str) -> bytes:
        return self._inner.read(key)

    def write(self, key: str, data: bytes) -> None:
        self._interpose(key)
        self._inner.write(key, data)

    def write_new(self, key: str, data: bytes) -> None:
        self._interpose(key)
        self._inner.write_new(key, data)

    def delete(self, key: str) -> None:
        self._inner.delete(key)

    def fetch(self, key: str, limits: Any) -> Any:
        return self._inner.fetch(key, limits)

    def delta_uri(self, key: str) -> str:
        return self._inner.delta_uri(key)

    def delta_options(self) -> dict[str, str]:
        return self._inner.delta_options()

    def _interpose(self, key: str) -> None:
        if self._event is not None and self._text in key:
            event, self._event = self._event, None
            event()


class MortalStore(InterposingStore):
    """A store whose user dies before its nth write, deletion or opening of a table.

    Commits to tables do not use the store, but each of them opens the table first.
    """

    def __init__(self, inner: Store, dies_at: int) -> None:
        super().__init__(inner, "", self._die)
        self._left = dies_at

    def delete(self, key: str) -> None:
        self._interpose(key)
        super().delete(key)

    def delta_uri(self, key: str) -> str:
        self._interpose(key)
        return super().delta_uri(key)

    def _interpose(self, key: str) -> None:
        if not key.startswith("_lock"):
            self._left -= 1
        if self._left <= 0:
            self._die()

    def _die(self) -> None:
        raise DiedError

"""One writer for one output at a time, on any store that can write an object if it is absent.

Each holder has a number: a fencing token that only grows. To take over from holder N is to write
`_lock/N+1.json`, which only one process can do. A holder shows that it lives by rewriting
`_lock/N.alive`; who waits watches that object change, so clocks need not agree. Before each write
that becomes visible the holder looks whether somebody has taken over, and stops if so.

Numbers go on from the newest claim (`publish.claims`) as well, so that they grow even where
somebody has deleted `_lock`.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from steeldefect.errors import (
    AlreadyExistsError,
    OutputBusyError,
    StoreError,
    StoreUnavailableError,
)
from steeldefect.publish.claims import newest_number
from steeldefect.stores import Store

FOLDER = "_lock/"


@dataclass(frozen=True)
class Timing:
    """Seconds: between signs of life, until a silent holder counts as dead, between looks."""

    beat: float = 10.0
    dead_after: float = 45.0
    look: float = 1.0


@dataclass(frozen=True)
class Holder:
    """Who holds the output; `token` tells it from every other holder."""

    run_id: str
    host: str
    pid: int
    since: str
    token: str = ""


_HOLDER = TypeAdapter(Holder)


class Lease:
    """The right to write to one output, until `release`."""

    def __init__(self, store: Store, number: int, content: bytes, timing: Timing) -> None:
        """Use `hold` or `acquire` instead."""
        self.number = number
        self._store = store
        self._content = content
        self._timing = timing
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def show_life(self) -> None:
        """Begin to rewrite the sign of life, in a thread, until `release`."""
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Make sure that nobody has taken over.

        Raises:
            OutputBusyError: somebody has, because this process was silent for too long, or
                somebody has deleted the lock.
        """
        if newest_holder(self._store) != self.number or not self._lock_is_mine():
            raise OutputBusyError(
                f"another run took over {self._store.uri}, because this one was silent for over "
                f"{self._timing.dead_after:.0f} s or its lock was deleted; nothing more is "
                "published; start again"
            )

    def _lock_is_mine(self) -> bool:
        """Tell whether the lock holds what this process wrote.

        It may not, although the number is right: numbers are used again after the lock was deleted.
        """
        key = _holder_key(self.number)
        try:
            return self._store.read(key) == self._content
        except StoreUnavailableError:
            raise
        except StoreError:
            if any(found.key == key for found in self._store.scan(key)):
                raise  # it is there, but may not be read
            return False

    def release(self) -> None:
        """Let others write; the number stays used."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        # where the store has failed, others wait until this holder has been silent for long
        with suppress(StoreError):
            self._store.write(_alive_key(self.number), b"released")
            for found in list(self._store.scan(FOLDER)):
                if _number(found.key) < self.number:
                    self._store.delete(found.key)

    def _beat(self) -> None:
        count = 0
        while not self._stopped.is_set():
            count += 1
            # a beat that fails is tried again; `check` decides before anything is published
            with suppress(StoreError):
                self._store.write(_alive_key(self.number), str(count).encode())
            self._stopped.wait(self._timing.beat)


@contextmanager
def hold(
    store: Store,
    run_id: str,
    wait_seconds: float,
    timing: Timing = Timing(),
    on_wait: Callable[[str], None] = lambda _: None,
) -> Iterator[Lease]:
    """Hold the right to write to an output.

    Args:
        store: the output.
        run_id: says who holds it.
        wait_seconds: how long to wait for another run to end.
        timing: intervals.
        on_wait: is told once, in words, who is waited for.

    Raises:
        OutputBusyError: another run still holds it after `wait_seconds`.
    """
    lease = acquire(store, run_id, wait_seconds, timing, on_wait)
    lease.show_life()
    try:
        yield lease
    finally:
        lease.release()


def acquire(
    store: Store,
    run_id: str,
    wait_seconds: float,
    timing: Timing = Timing(),
    on_wait: Callable[[str], None] = lambda _: None,
) -> Lease:
    """Take the right to write to an output, as `hold` does, and show no sign of life yet.

    Raises:
        OutputBusyError: another run still holds it after `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    watched: tuple[int, bytes | None] | None = None
    unchanged_since = time.monotonic()
    told = False
    while True:
        newest = newest_holder(store)
        seen = (newest, _read_or_none(store, _alive_key(newest)))
        if seen != watched:
            watched, unchanged_since = seen, time.monotonic()
        silent = time.monotonic() - unchanged_since > timing.dead_after
        if newest == 0 or seen[1] == b"released" or silent or _died_here(store, newest):
            number = max(newest, newest_number(store)) + 1
            content = json.dumps(asdict(_this_process(run_id))).encode()
            try:
                store.write_new(_holder_key(number), content)
                _probe(store, _holder_key(number))
                return Lease(store, number, content, timing)
            except AlreadyExistsError:
                continue
        if time.monotonic() > deadline:
            raise OutputBusyError(
                f"{store.uri} is being written by {_describe(store, newest)}; wait for it to end, "
                "or raise lock_wait_seconds"
            )
        if not told:
            on_wait(_describe(store, newest))
            told = True
        time.sleep(timing.look)


def _probe(store: Store, key: str) -> None:
    """Make sure that the store does refuse a second conditional write, as the lease relies on it.

    Raises:
        StoreError: it does not.
    """
    try:
        store.write_new(key, b"a second holder")
    except AlreadyExistsError:
        return
    raise StoreError(
        f"{store.uri}: this store ignores conditional writes (If-None-Match), so that two runs "
        "could write at once; use another store for the output, or a bucket without versions"
    )


def _this_process(run_id: str) -> Holder:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Holder(run_id, _host(), os.getpid(), since, uuid.uuid4().hex)


def _host() -> str:
    """Name the host, since its start, and its space of process ids: names may be shared."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.uuid4()}"  # no way to tell: equal to no other


def newest_holder(store: Store) -> int:
    """Find the number of the newest holder of an output; 0 for none."""
    return max((_number(found.key) for found in store.scan(FOLDER)), default=0)


def current_run(store: Store) -> str | None:
    """Name the run that holds an output, or that died while it did; None where nobody does."""
    number = newest_holder(store)
    if number == 0 or _read_or_none(store, _alive_key(number)) == b"released":
        return None
    holder = _holder(store, number)
    return None if holder is None else holder.run_id


def _number(key: str) -> int:
    digits = key.removeprefix(FOLDER).split(".")[0]
    return int(digits) if digits.isdigit() else 0


def _holder_key(number: int) -> str:
    return f"{FOLDER}{number:09d}.json"


def _alive_key(number: int) -> str:
    return f"{FOLDER}{number:09d}.alive"


def _read_or_none(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except StoreError:
        return None


def _holder(store: Store, number: int) -> Holder | None:
    """Read who holds the output; None where the lock is gone, empty or damaged."""
    content = _read_or_none(store, _holder_key(number))
    try:
        return None if content is None else _HOLDER.validate_json(content)
    except ValidationError:
        return None


def _describe(store: Store, number: int) -> str:
    holder = _holder(store, number)
    if holder is None:
        return "another run"
    host = holder.host.split()[0]
    return f"run {holder.run_id} (host {host}, process {holder.pid}, since {holder.since})"


def _died_here(store: Store, number: int) -> bool:
    """Tell at once that a holder of this very host is dead, instead of waiting for its silence."""
    holder = _holder(store, number)
    if holder is None or holder.host != _host():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False

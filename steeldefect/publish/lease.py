"""The lease: at most one writer per output, on any store that supports conditional writes.

A conditional write creates an object only if the object is absent. Each holder has a number, a
fencing token that only grows:

- To take over from holder N, a process writes `_lock/N+1.json`. Only one process can create it.
- A holder shows that it is alive by rewriting `_lock/N.alive`. A process that waits takes over once
  that object says `released`, or has not changed for some time. So clocks need not agree.
- Before each write that becomes visible, the holder checks whether another process has taken over.
  If so, the holder stops.

A new number is also greater than that of the newest claim (`publish.claims`). So numbers grow even
if somebody has deleted `_lock`.
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
from steeldefect.stores.conditional_writes import require_conditional_writes

FOLDER = "_lock/"

_TWO_WRITERS = (
    "two runs could write at the same time; use another store for the output, or a bucket without "
    "versions"
)


@dataclass(frozen=True)
class Timing:
    """Intervals of the lease, in seconds.

    Attributes:
        beat: time between two signs of life of a holder.
        dead_after: time without a sign of life after which a holder counts as dead.
        look: time between two checks of a process that waits.
    """

    beat: float = 10.0
    dead_after: float = 45.0
    look: float = 1.0


@dataclass(frozen=True)
class Holder:
    """The process that holds an output, as its lock states it; `token` is unique."""

    run_id: str
    host: str
    pid: int
    since: str
    token: str = ""


_HOLDER = TypeAdapter(Holder)


class Lease:
    """The right to write to one output, until `release`."""

    def __init__(self, store: Store, number: int, content: bytes, timing: Timing) -> None:
        """Keep the number and the lock's content; call `hold` or `acquire` instead."""
        self.number = number
        self._store = store
        self._content = content
        self._timing = timing
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def show_life(self) -> None:
        """Start a thread that rewrites the sign of life until `release`."""
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise if this process does not hold the output any more.

        Raises:
            OutputBusyError: another run has taken over, because this process gave no sign of life
                for too long, or somebody has deleted the lock.
            StoreError: the store refused, or does not answer.
        """
        if newest_holder(self._store) != self.number or not self._lock_is_mine():
            raise OutputBusyError(
                f"another run took over {self._store.uri}, because this one was silent for over "
                f"{self._timing.dead_after:.0f} s or its lock was deleted; nothing more is "
                "published; start again"
            )

    def _lock_is_mine(self) -> bool:
        """Return whether the lock holds what this process wrote.

        An equal number is not enough: after somebody deleted the lock, another process may get the
        same number.
        """
        key = _holder_key(self.number)
        try:
            return self._store.read(key) == self._content
        except StoreUnavailableError:
            raise
        except StoreError:
            if any(found.key == key for found in self._store.scan(key)):
                raise  # the lock exists, but the store does not let this process read it
            return False

    def release(self) -> None:
        """Stop the signs of life, and let other runs write; the number stays taken."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        # if the store fails here, others wait until this holder was silent for `dead_after`
        with suppress(StoreError):
            self._store.write(_alive_key(self.number), b"released")
            for found in list(self._store.scan(FOLDER)):
                if _number(found.key) < self.number:
                    self._store.delete(found.key)

    def _beat(self) -> None:
        count = 0
        while not self._stopped.is_set():
            count += 1
            # the next beat makes up for a failed one; `check` decides before anything is published
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
    """Hold the lease of an output, and show signs of life until the block ends.

    Args:
        store: the output.
        run_id: id of the run that holds the lease.
        wait_seconds: longest time to wait for another run to end.
        timing: intervals of the lease.
        on_wait: function that is called once, with a description of the run that is waited for.

    Raises:
        OutputBusyError: another run still holds the output after `wait_seconds`.
        StoreError: the store refused, does not answer, or ignores conditional writes.
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
    """Take the lease of an output, as `hold` does, but show no sign of life yet.

    Raises:
        OutputBusyError: another run still holds the output after `wait_seconds`.
        StoreError: the store refused, does not answer, or ignores conditional writes.
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
                require_conditional_writes(store, _holder_key(number), _TWO_WRITERS)
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


def _this_process(run_id: str) -> Holder:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Holder(run_id, _host(), os.getpid(), since, uuid.uuid4().hex)


def _host() -> str:
    """Return the host's name, its boot id and its pid namespace: hosts may share a name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.uuid4()}"  # unknown: must equal no other host


def newest_holder(store: Store) -> int:
    """Return the number of the newest holder of an output, or 0 if there is none."""
    return max((_number(found.key) for found in store.scan(FOLDER)), default=0)


def current_run(store: Store) -> str | None:
    """Return the id of the run that holds an output, or that died while it held the output.

    None if no run holds the output, or if its lock cannot be read.
    """
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
    """Read the lock of a holder; None if the lock is gone, empty or damaged."""
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
    """Return whether the holder ran on this host and its process is gone: no need to wait."""
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

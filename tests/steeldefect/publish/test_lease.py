"""One writer at a time: which run waits, which takes over, and which has lost the output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from steeldefect.errors import OutputBusyError, StoreError, StoreUnavailableError
from steeldefect.publish.lease import FOLDER, Lease, Timing, hold
from steeldefect.stores import Store, open_store
from steeldefect.stores.local import LocalStore

QUICK = Timing(beat=0.02, dead_after=0.8, look=0.01)
PATIENT = Timing(beat=0.02, dead_after=60, look=0.01)
ELSEWHERE = {"run_id": "far", "host": "elsewhere", "pid": 1, "since": "2026-03-04T05:06:07Z"}

HOLDER = """
import sys, time
from pathlib import Path
from steeldefect.publish.lease import hold
from steeldefect.stores import open_store

with hold(open_store(sys.argv[1]), "first", wait_seconds=0):
    print("held", flush=True)
    time.sleep(600)
"""


class SilencedStore:
    """A store whose writes fail once `silent` is set: its holder shows no sign of life any more."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.uri = inner.uri
        self.scan, self.read, self.write_new = inner.scan, inner.read, inner.write_new
        self.delete, self.delta_uri = inner.delete, inner.delta_uri
        self.delta_options = inner.delta_options
        self.silent = threading.Event()

    def write(self, key: str, data: bytes) -> None:
        if self.silent.is_set():
            raise StoreUnavailableError(f"{key}: no answer")
        self._inner.write(key, data)


def put_holder(store: Store, number: int, alive: bytes | None) -> None:
    """Write the lock of a run on another host, and its sign of life."""
    store.write(f"{FOLDER}{number:09d}.json", json.dumps(ELSEWHERE).encode())
    if alive is not None:
        store.write(f"{FOLDER}{number:09d}.alive", alive)


def numbers(store: Store) -> set[int]:
    return {int(found.key.removeprefix(FOLDER)[:9]) for found in store.scan(FOLDER)}


@pytest.fixture
def first_process(store: Store) -> Iterator[subprocess.Popen[str]]:
    """A separate process that holds the output."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.uri], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_an_output_that_nobody_holds_is_held_at_once(any_store: Store) -> None:
    told: list[str] = []
    with hold(any_store, "run-1", 0, PATIENT, told.append) as lease:
        lease.check()
        assert numbers(any_store) == {1}
    assert told == []


def test_the_second_waits_and_is_refused_at_last(any_store: Store) -> None:
    told: list[str] = []
    with hold(any_store, "run-1", 0, PATIENT):
        began = time.monotonic()
        with (
            pytest.raises(OutputBusyError) as caught,
            hold(any_store, "run-2", 0.3, PATIENT, told.append),
        ):
            pytest.fail("two hold the output")
        assert 0.3 <= time.monotonic() - began < 5
    message = str(caught.value)
    assert message.startswith(f"{any_store.uri} is being written by run run-1 (host ")
    assert f"process {os.getpid()}" in message
    assert "raise lock_wait_seconds" in message
    assert len(told) == 1
    assert told[0].startswith("run run-1 (host ")


def test_the_second_goes_on_as_soon_as_the_first_ends(store: Store) -> None:
    first = ExitStack()
    first.enter_context(hold(store, "run-1", 0, PATIENT))
    threading.Timer(0.2, first.close).start()
    began = time.monotonic()
    with hold(store, "run-2", 30, PATIENT) as lease:
        assert 0.1 < time.monotonic() - began < 5
        lease.check()


def test_a_released_output_is_taken_at_once_and_old_holders_are_tidied_away(
    any_store: Store,
) -> None:
    for turn in range(1, 4):
        with hold(any_store, f"run-{turn}", 0, PATIENT) as lease:
            lease.check()
        assert numbers(any_store) == {turn}


def test_it_is_released_however_the_block_ends(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), hold(store, "run-1", 0, PATIENT):
        raise ZeroDivisionError
    with hold(store, "run-2", 0, PATIENT):
        pass


def test_a_live_process_is_not_robbed(store: Store, first_process: subprocess.Popen[str]) -> None:
    with (
        pytest.raises(OutputBusyError, match=rf"run first .*process {first_process.pid}"),
        hold(store, "second", 0.3, PATIENT),
    ):
        pytest.fail("two hold the output")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_process_of_this_host_is_succeeded_at_once(
    store: Store, first_process: subprocess.Popen[str], how: signal.Signals
) -> None:
    first_process.send_signal(how)
    first_process.wait()
    began = time.monotonic()
    with hold(store, "second", 30, PATIENT) as lease:
        assert time.monotonic() - began < 5
        lease.check()
        assert numbers(store) == {1, 2}
    assert numbers(store) == {2}


def test_a_process_that_is_killed_while_another_waits(
    store: Store, first_process: subprocess.Popen[str]
) -> None:
    def kill() -> None:
        first_process.kill()
        first_process.wait()

    threading.Timer(0.3, kill).start()
    with hold(store, "second", 30, PATIENT) as lease:
        lease.check()


@pytest.mark.parametrize("alive", [None, b"17"], ids=["died before its first beat", "went silent"])
def test_a_silent_holder_of_another_host_is_succeeded_when_it_counts_as_dead(
    any_store: Store, alive: bytes | None
) -> None:
    put_holder(any_store, 1, alive)
    told: list[str] = []
    began = time.monotonic()
    with hold(any_store, "second", 30, QUICK, told.append) as lease:
        assert QUICK.dead_after < time.monotonic() - began < 10
        lease.check()
    assert told == ["run far (host elsewhere, process 1, since 2026-03-04T05:06:07Z)"]


def test_a_holder_of_another_host_that_shows_life_is_waited_for(store: Store) -> None:
    put_holder(store, 1, b"0")
    stop = threading.Event()

    def beat() -> None:
        count = 0
        while not stop.wait(QUICK.dead_after / 10):
            count += 1
            store.write(f"{FOLDER}000000001.alive", str(count).encode())

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with (
            pytest.raises(OutputBusyError, match="host elsewhere"),
            hold(store, "second", 2 * QUICK.dead_after, QUICK),
        ):
            pytest.fail("two hold the output")
    finally:
        stop.set()
        thread.join()


def test_who_was_silent_for_too_long_is_told_that_it_lost_the_output(store: Store) -> None:
    first_store = SilencedStore(store)
    with hold(first_store, "first", 0, QUICK) as first:
        first.check()
        first_store.silent.set()
        with hold(store, "second", 30, QUICK) as second:
            second.check()
            with pytest.raises(OutputBusyError) as caught:
                first.check()
            assert f"another run took over {store.uri}" in str(caught.value)
            assert "nothing more is published" in str(caught.value)
            # the first run's late sign of life does not displace the second run
            first_store.silent.clear()
            time.sleep(5 * QUICK.beat)
            second.check()
            with pytest.raises(OutputBusyError):
                first.check()


def test_a_beat_that_fails_for_a_while_loses_nothing(store: Store) -> None:
    failing = SilencedStore(store)
    with hold(failing, "first", 0, PATIENT) as lease:
        failing.silent.set()
        time.sleep(0.1)
        failing.silent.clear()
        before = store.read(f"{FOLDER}000000001.alive")
        time.sleep(0.2)
        assert store.read(f"{FOLDER}000000001.alive") != before
        lease.check()


def test_a_store_that_failed_does_not_hide_why_the_run_failed(store: Store) -> None:
    failing = SilencedStore(store)

    def fail() -> None:
        failing.silent.set()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), hold(failing, "first", 0, QUICK):
        fail()
    with hold(store, "second", 30, QUICK):  # after the silence
        pass


@pytest.mark.parametrize("before", [0, 1], ids=["nobody held it", "its holder died"])
def test_of_many_that_race_one_wins(store: Store, before: int) -> None:
    for turn in range(5):
        output = open_store(str(Path(store.uri) / str(turn)))
        if before:
            put_holder(output, 1, b"released")
        winners: list[Lease] = []
        refused: list[OutputBusyError] = []
        ready = threading.Barrier(6)
        done = threading.Barrier(6)

        def race(
            run: str,
            output: Store = output,
            winners: list[Lease] = winners,
            refused: list[OutputBusyError] = refused,
            ready: threading.Barrier = ready,
            done: threading.Barrier = done,
        ) -> None:
            ready.wait()
            try:
                with hold(output, run, 0.1, PATIENT) as lease:
                    winners.append(lease)
                    done.wait()
            except OutputBusyError as error:
                refused.append(error)
                done.wait()

        threads = [threading.Thread(target=race, args=(f"run-{one}",)) for one in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(winners), len(refused)) == (1, 5)


def test_other_files_beside_the_lock_change_nothing(store: Store) -> None:
    store.write(f"{FOLDER}notes.txt", b"left by hand")
    store.write(f"{FOLDER}.staged-abc", b"left by a crash")
    with hold(store, "run-1", 0, PATIENT) as lease:
        lease.check()
    with hold(store, "run-2", 0, PATIENT) as lease:
        lease.check()


def test_a_store_that_ignores_conditional_writes_is_refused(store: Store) -> None:
    class Careless(SilencedStore):
        """A store that ignores `If-None-Match`."""

        def __init__(self, inner: Store) -> None:
            super().__init__(inner)
            self.write_new = inner.write

    with (
        pytest.raises(StoreError, match=r"ignores conditional writes .* use another store"),
        hold(Careless(store), "run", 0, PATIENT),
    ):
        pytest.fail("nothing keeps a second run away")


def test_a_lock_that_may_not_be_read_is_no_sign_of_another_run(tmp_path: Path) -> None:
    class Guarded(LocalStore):
        forbidden = False

        def read(self, key: str) -> bytes:
            if self.forbidden:
                raise StoreError(f"{key}: access was denied")
            return super().read(key)

    store = Guarded(tmp_path)
    with hold(store, "first", 0, QUICK) as lease:
        store.forbidden = True
        with pytest.raises(StoreError, match="access was denied"):
            lease.check()
        store.forbidden = False
        lease.check()

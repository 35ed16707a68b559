"""Explore the wave protocol: the real code of lease, claims and commit, on a store in memory.

Several runs share one output. A step is a request to the store, the opening of a table, or a commit
to a table. A scheduler lets one run take one step at a time, and `explore` tries every order of the
steps. A run that stalls is a run that the scheduler does not choose for long; a run that dies is
never chosen again. Every holder counts as silent at once, so any run may take over from any other
at any time.

If two orders lead to the same state, only one is continued. A state is the content of the store,
and what each run knows: the milestones that it has passed, and the answers since the last
milestone. The code is deterministic, so these decide everything that follows.

After every step, no picture may be visible twice or without its findings. From every state, if all
runs died there, one more plain run must make every picture visible once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import greenlet
from deltalake.exceptions import CommitFailedError
from tenacity import wait_none

from steeldefect.errors import (
    AlreadyExistsError,
    OutputBusyError,
    StoreError,
    StoreUnavailableError,
)
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.lease import FOLDER, Timing, acquire
from steeldefect.publish.wave_records import WaveRecord, record_to_json
from steeldefect.stores import ObjectInfo
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import Part
from steeldefect.tables.schema import TableName

ANYONE_MAY_TAKE_OVER = Timing(beat=1, dead_after=-1, look=0)
PICTURES = ("a.png",)
_THEN = datetime(2026, 3, 4, tzinfo=UTC)


@dataclass
class Output:
    """Content of the store: objects, and the log of commits of each table."""

    objects: dict[str, bytes] = field(default_factory=dict)
    logs: dict[TableName, tuple[tuple[str, int, tuple[str, ...]], ...]] = field(
        default_factory=dict
    )

    def copy(self) -> Output:
        return Output(dict(self.objects), dict(self.logs))

    def visible(self, table: TableName) -> list[tuple[str, str]]:
        """Return (picture, run) of each row of a table; a part's name ends with its picture."""
        return [
            (path.split("/")[-1], name)
            for name, _, paths in self.logs.get(table, ())
            for path in paths
        ]

    def fingerprint(self) -> int:
        return hash((frozenset(self.objects.items()), frozenset(self.logs.items())))


class Seat:
    """The store as one run sees it: every request waits for the scheduler first."""

    def __init__(self, output: Output, step: Callable[[str, Callable[[], Any]], Any]) -> None:
        self.uri = "memory"
        self.output = output
        self.step = step
        self.milestones: list[str] = []
        self.answers: list[str] = []

    def milestone(self, text: str) -> None:
        """Record what the run still knows from the answers so far, and forget the answers."""
        self.milestones.append(text)
        self.answers.clear()

    def scan(self, prefix: str = "") -> Iterator[ObjectInfo]:
        def listed() -> list[ObjectInfo]:
            objects = sorted(self.output.objects.items())
            return [ObjectInfo(k, "e", len(v), _THEN) for k, v in objects if k.startswith(prefix)]

        return iter(self.step(f"scan {prefix}", listed))

    def read(self, key: str) -> bytes:
        def content() -> bytes:
            if key not in self.output.objects:
                raise StoreError(f"{key}: there is no such object")
            return self.output.objects[key]

        data: bytes = self.step(f"read {key}", content)
        return data

    def write(self, key: str, data: bytes) -> None:
        self.step(f"write {key}", lambda: self.output.objects.update({key: data}))

    def write_new(self, key: str, data: bytes) -> None:
        def put() -> None:
            if key in self.output.objects:
                raise AlreadyExistsError(f"{key} exists")
            self.output.objects[key] = data

        self.step(f"write_new {key}", put)

    def delete(self, key: str) -> None:
        self.step(f"delete {key}", lambda: self.output.objects.pop(key, None))

    def delta_uri(self, key: str) -> str:
        return key

    def delta_options(self) -> dict[str, str]:
        return {}


class OpenedLog:
    """A table as it was when it was opened; a replacement of `deltalake.DeltaTable`.

    `tests/steeldefect/tables/test_delta.py` shows that the real class behaves in the same way.
    """

    def __init__(self, seat: Seat, table: TableName) -> None:
        self._seat, self._table = seat, table
        self.update_incremental()

    def update_incremental(self) -> None:
        seat, table = self._seat, self._table
        self._seen = seat.step(f"open {table.value}", lambda: seat.output.logs.get(table, ()))

    def transaction_version(self, name: str) -> int | None:
        return max((number for one, number, _ in self._seen if one == name), default=None)

    def schema(self) -> None:
        return None

    def create_write_transaction(self, actions: list[Any], **how: Any) -> None:
        (named,) = how["commit_properties"].app_transactions
        paths = tuple(action.path for action in actions)

        def commit() -> None:
            log = self._seat.output.logs.get(self._table, ())
            if any(name == named.app_id for name, _, _ in log[len(self._seen) :]):
                raise CommitFailedError("Concurrent transaction failed.")
            self._seat.output.logs[self._table] = (*log, (named.app_id, named.version, paths))

        self._seat.step(f"commit {self._table.value}", commit)


class ModelTables(Tables):
    """The real `Tables`, on logs in memory."""

    def open(self, table: TableName) -> Any:
        return OpenedLog(self.store, table)  # type: ignore[arg-type]

    def create(self, table: TableName) -> Any:
        return self.open(table)


def plain_run(seat: Seat, name: str) -> None:
    """Use the store as a run of `jobs/score.py` does: hold, recover, plan, score, publish."""
    lease = acquire(seat, name, 0, ANYONE_MAY_TAKE_OVER)
    seat.milestone(f"holds {lease.number}")
    log = WaveLog(ModelTables(seat))

    def check() -> None:
        lease.check()
        seat.milestone("still holds")

    try:
        log.recover(lease.number)
        seat.milestone("recovered")
        check()
        done = seat.step("plan", lambda: seat.output.visible(TableName.IMAGES))
        todo = [picture for picture in PICTURES if picture not in {one for one, _ in done}]
        seat.milestone(f"todo {todo}")
        for wave, picture in enumerate(todo, start=1):
            record = WaveRecord(name, wave, _parts(seat.output, name, picture), lease.number)
            log.publish(record, check)
            seat.milestone(f"published {wave}")
    except (OutputBusyError, StoreError):
        pass
    lease.release()


def delete_the_lock(seat: Seat, name: str) -> None:
    """Delete the lock, as an impatient operator might at any time."""
    del name
    objects = seat.output.objects

    def delete() -> None:
        for key in [key for key in objects if key.startswith(FOLDER)]:
            del objects[key]

    seat.step("delete _lock", delete)


LATE = "late"


def write_a_late_record(seat: Seat, name: str) -> None:
    """Write the record of a holder that another run has replaced; the holder then dies."""
    del name
    record = WaveRecord(LATE, 1, _parts(seat.output, LATE, PICTURES[0]), holder=1)
    seat.write_new(record.key, record_to_json(record))


def _parts(output: Output, run: str, picture: str) -> list[Part]:
    """Write the files of a picture; no other run reads them, so this is not a step."""
    tables = (TableName.IMAGES, TableName.PREDICTIONS)
    parts = [Part(table, f"{run}/{picture}", "", 4, 1, "{}") for table in tables]
    output.objects.update({part.key: b"rows" for part in parts})
    return parts


class _Named:
    """A replacement of `uuid.uuid4`: each run gets its own token, the same in every execution."""

    @property
    def hex(self) -> str:
        return str(getattr(greenlet.getcurrent(), "name", "last"))


@contextmanager
def repeatable() -> Iterator[None]:
    """Make random and clock values the same in every execution, until the block ends.

    Errors are not masked: nothing here is secret, and masking would take most of the time.
    """
    with (
        patch("uuid.uuid4", _Named),
        patch("steeldefect.errors.masked", str),
        patch("time.strftime", lambda *_: "then"),
        patch("steeldefect.tables.delta._BACKOFF", wait_none()),
    ):
        yield


class _Actor(greenlet.greenlet):
    """A run that executes one step when it is switched to, and switches back before the next."""

    def __init__(self, name: str, program: Callable[[Seat, str], None], output: Output) -> None:
        super().__init__()
        self.name = name
        self.trace: list[str] = []
        self.fault: str | None = None
        self._seat = Seat(output, self._step)
        self._program = program
        self.switch()

    @property
    def ended(self) -> bool:
        """Whether the run has no step left."""
        return self.dead

    def advance(self, fault: str | None = None) -> None:
        """Take one step; with `fault`, the request fails `before` or `after` it was served."""
        self.fault = fault
        self.switch()

    def run(self) -> None:
        with suppress(OutputBusyError, StoreError):
            self._program(self._seat, self.name)

    def _step(self, what: str, work: Callable[[], Any]) -> Any:
        assert self.parent is not None
        self.parent.switch()
        fault, self.fault = self.fault, None
        try:
            answer = None if fault == "before" else work()
            if fault:
                raise StoreUnavailableError(f"{what}: no answer")
        except Exception as error:
            self._note(f"{what}: {type(error).__name__}")
            raise
        self._note(f"{what}: {answer!r}")
        return answer

    def _note(self, answer: str) -> None:
        self.trace.append(answer)
        self._seat.answers.append(answer)

    @property
    def knows(self) -> tuple[Any, ...]:
        """Everything that can influence the further steps of the run."""
        return self.ended, tuple(self._seat.milestones), tuple(self._seat.answers)


@dataclass
class Explored:
    """Result of an exploration.

    Attributes:
        states: number of different states.
        executions: number of executions.
        violations: by kind of fault, the steps of the first schedule that led to it.
    """

    states: int = 0
    executions: int = 0
    violations: dict[str, list[str]] = field(default_factory=dict)


Choice = tuple[int, str | None]  # which run, and the fault that its step meets


class Explorer:
    """Depth-first search over schedules; each schedule is executed from the start."""

    def __init__(
        self,
        programs: dict[str, Callable[[Seat, str], None]],
        switches: int | None = None,
        faults: int = 0,
        until_violated: bool = False,
    ) -> None:
        """Keep the programs and the bounds.

        Args:
            programs: programs by the name of the run.
            switches: most switches away from a run that could continue; None: no bound.
            faults: most requests that fail, before or after they were served.
            until_violated: stop at the first violation.
        """
        self._until_violated = until_violated
        self._programs = programs
        self._switches = switches
        self._faults = faults
        self._seen: set[int] = set()
        self._ends: dict[int, str | None] = {}
        self.found = Explored()

    def explore(self) -> Explored:
        """Try every schedule within the bounds, or all up to the first violation."""
        stack: list[list[Choice]] = [[]]
        while stack and not (self._until_violated and self.found.violations):
            self._execute(stack.pop(), stack)
        return self.found

    def _execute(self, schedule: list[Choice], stack: list[list[Choice]]) -> None:
        """Follow a schedule, then take the first choice at each state; stack the others."""
        self.found.executions += 1
        output = Output()
        if write_a_late_record in self._programs.values():
            output.objects[f"{FOLDER}000000001.json"] = b"the late one's"
        actors = [_Actor(name, program, output) for name, program in self._programs.items()]
        taken: list[Choice] = []
        try:
            while True:
                if len(taken) < len(schedule):
                    choice = schedule[len(taken)]
                else:
                    choices = self._choices(actors, taken)
                    if not self._is_new(output, actors, taken) or not choices:
                        return
                    choice, *others = choices
                    stack += [[*taken, other] for other in others]
                actors[choice[0]].advance(choice[1])
                taken.append(choice)
                if len(taken) >= len(schedule):  # earlier states have been judged already
                    self._judge(output, actors)
        finally:
            for actor in actors:
                actor.throw()  # ends the run where it waits

    def _choices(self, actors: list[_Actor], taken: list[Choice]) -> list[Choice]:
        ready = [number for number, actor in enumerate(actors) if not actor.ended]
        begun = {number for number, _ in taken}
        plain = [number for number in ready if actors[number].name.startswith("run")]
        waiting = [number for number in plain if number not in begun]
        ready = [number for number in ready if number not in waiting[1:]]  # runs are alike
        last = taken[-1][0] if taken else None
        if last in ready:
            ready = [last, *(one for one in ready if one != last)]
            if self._switches is not None and self._count_switches(actors, taken) >= self._switches:
                ready = [last]
        choices: list[Choice] = [(one, None) for one in ready]
        if sum(fault is not None for _, fault in taken) < self._faults:
            choices += [(one, fault) for one in ready for fault in ("before", "after")]
        return choices

    @staticmethod
    def _count_switches(actors: list[_Actor], taken: list[Choice]) -> int:
        left = Counter(number for number, _ in taken)
        switches = 0
        for (one, _), (other, _) in pairwise(taken):
            left[one] -= 1
            goes_on = left[one] > 0 or not actors[one].ended
            switches += one != other and goes_on
        return switches

    def _is_new(self, output: Output, actors: list[_Actor], taken: list[Choice]) -> bool:
        local = tuple(actor.knows for actor in actors)
        bounds: tuple[Any, ...] = ()
        if self._switches is not None:
            bounds = (self._count_switches(actors, taken), taken[-1][0] if taken else None)
        state = hash((output.fingerprint(), local, bounds))
        if state in self._seen:
            return False
        self._seen.add(state)
        self.found.states += 1
        return True

    def _judge(self, output: Output, actors: list[_Actor]) -> None:
        images = output.visible(TableName.IMAGES)
        findings = set(output.visible(TableName.PREDICTIONS))
        pictures = [picture for picture, _ in images]
        if len(set(pictures)) < len(pictures):
            self._note("a picture is visible twice", actors)
        if not set(images) <= findings:
            self._note("a verdict is visible without its findings", actors)
        fault = self._after_a_plain_run(output)
        if fault:
            self._note(fault, actors)

    def _after_a_plain_run(self, output: Output) -> str | None:
        """Return what is wrong if all runs die here and one more plain run completes, or None."""
        fingerprint = output.fingerprint()
        if fingerprint not in self._ends:
            ended = output.copy()
            plain_run(Seat(ended, lambda _, work: work()), "last")
            rows = {
                table: sorted(picture for picture, _ in ended.visible(table))
                for table in (TableName.IMAGES, TableName.PREDICTIONS)
            }
            wrong = next((name for name, found in rows.items() if found != list(PICTURES)), None)
            self._ends[fingerprint] = wrong and f"{wrong.value} after a plain run: {rows[wrong]}"
        return self._ends[fingerprint]

    def _note(self, fault: str, actors: list[_Actor]) -> None:
        steps = [f"{actor.name}: {answer}" for actor in actors for answer in actor.trace]
        self.found.violations.setdefault(fault, steps)


def explore(
    runs: int,
    other: Callable[[Seat, str], None] | None = None,
    switches: int | None = None,
    faults: int = 0,
    until_violated: bool = False,
) -> Explored:
    """Explore several plain runs, with another event at any time.

    Args:
        runs: number of plain runs.
        other: the event: `delete_the_lock`, `write_a_late_record`, or None.
        switches, faults, until_violated: see `Explorer`.
    """
    programs: dict[str, Callable[[Seat, str], None]] = {
        f"run{number}": plain_run for number in range(1, runs + 1)
    }
    if other is not None:
        programs["other"] = other
    with repeatable():
        return Explorer(programs, switches, faults, until_violated).explore()

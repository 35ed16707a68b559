"""The order in which a device gets work, and what happens when its memory runs out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tensorflow as tf

from steeldefect.runtimes.device_program import DeviceQueue
from steeldefect.runtimes.device_program.queue import Steps, completed, side_by_side


class Device:
    """A device that notes what it is told; batches in `short` find no memory at a step."""

    def __init__(self, reads: int = 1, short: dict[int, int] | None = None) -> None:
        self.noted: list[str] = []
        self._reads = reads
        self._short = short or {}

    def steps(self, batch: int) -> Steps[int]:
        for step in range(self._reads + 1):
            self.noted.append(f"read{step} {batch}" if step else f"start {batch}")
            if self._short.get(batch) == step:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            if step < self._reads:
                yield
        return 10 * batch

    def again(self, batch: int) -> int:
        self.noted.append(f"again {batch}")
        return 10 * batch

    def batches(self, count: int) -> Iterator[int]:
        for number in range(count):
            self.noted.append(f"make {number}")
            yield number

    def answers(self, count: int) -> list[int]:
        return list(DeviceQueue(self.steps, self.again).answers(self.batches(count)))


def test_a_batch_starts_before_the_last_one_is_read() -> None:
    device = Device()
    assert device.answers(3) == [0, 10, 20]
    assert device.noted == [
        *("make 0", "start 0", "make 1", "start 1", "read1 0"),
        *("make 2", "start 2", "read1 1", "read1 2"),
    ]


def test_what_is_asked_for_later_lies_between_two_batches() -> None:
    device = Device(reads=2)
    assert device.answers(4) == [0, 10, 20, 30]
    assert device.noted == [
        *("make 0", "start 0", "make 1", "start 1", "read1 0"),
        *("make 2", "start 2", "read2 0", "read1 1"),
        *("make 3", "start 3", "read2 1", "read1 2", "read2 2", "read1 3", "read2 3"),
    ]


def test_answers_come_as_soon_as_they_are_read() -> None:
    device = Device()
    answers = DeviceQueue(device.steps, device.again).answers(device.batches(5))
    assert next(answers) == 0
    assert device.noted[-1] == "read1 0"
    assert "make 2" not in device.noted


def test_no_batch_is_no_answer() -> None:
    assert Device().answers(0) == []


def test_a_batch_that_finds_no_memory_at_its_start_runs_alone() -> None:
    device = Device(short={1: 0})
    assert device.answers(3) == [0, 10, 20]
    assert device.noted == [
        *("make 0", "start 0", "make 1", "start 1", "read1 0", "again 1"),
        *("make 2", "start 2", "read1 2"),
    ]


@pytest.mark.parametrize("step", [1, 2])
def test_a_batch_that_loses_its_memory_later_keeps_its_place(step: int) -> None:
    device = Device(reads=2, short={1: step})
    assert device.answers(4) == [0, 10, 20, 30]
    assert device.noted.count("again 1") == 1


def test_every_batch_may_find_no_memory() -> None:
    device = Device(short=dict.fromkeys(range(3), 0))
    assert device.answers(3) == [0, 10, 20]


def test_other_errors_pass_through() -> None:
    def steps(batch: int) -> Steps[int]:
        yield
        raise ValueError(f"batch {batch} is broken")

    with pytest.raises(ValueError, match="batch 0 is broken"):
        list(DeviceQueue(steps, lambda batch: batch).answers([0, 1]))


def test_parts_of_a_batch_take_turns() -> None:
    device = Device(reads=2)
    assert completed(side_by_side([device.steps(1), device.steps(2)])) == [10, 20]
    assert device.noted == ["start 1", "start 2", "read1 1", "read1 2", "read2 1", "read2 2"]

"""Keep a device busy: start the next batch before the results of the last one are read.

A device takes work in order. A call that starts work returns at once; a call that reads a result
waits for it, and for all work that was started before. So a batch is run in steps, and between two
steps of a batch the next batch is started:

    start 0 | start 1, read 0 | start 2, read 1 | read 2

The host prepares batch 2 while the device computes batch 1. With two reading steps, as the
segmenter has, the request of the second step lies between two batches on the device:

    start 0 | start 1, read 0, ask for more | start 2, read more of 0, read 1, ask for more | ...
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from steeldefect.runtimes.out_of_memory import is_out_of_memory

Batch = TypeVar("Batch")
Answer = TypeVar("Answer")
Steps = Generator[None, None, Answer]
"""The steps of one batch: runs to each `yield` without waiting, and returns the answer."""


class DeviceQueue(Generic[Batch, Answer]):
    """Runs batches on a device in steps, and yields their answers in order.

    One thread uses a queue; the steps of different batches never run at the same time.
    """

    def __init__(
        self, steps: Callable[[Batch], Steps[Answer]], again: Callable[[Batch], Answer]
    ) -> None:
        """Store what runs a batch.

        Args:
            steps: the steps of a batch. The first one starts the work, and must not wait.
            again: runs a whole batch, with fewer pictures at once, after memory ran out.
        """
        self._steps = steps
        self._again = again
        self._ahead: deque[_Flight[Batch, Answer]] = deque()

    def answers(self, batches: Iterable[Batch]) -> Iterator[Answer]:
        """Yield the answer of each batch, in order.

        Args:
            batches: read one ahead; what makes them runs while the device computes.

        Raises:
            DeviceError: the memory does not hold a single picture.
        """
        for batch in batches:
            yield from self.push(batch)
        yield from self.drain()

    def push(self, batch: Batch) -> list[Answer]:
        """Start a batch; return the answers that are ready, oldest first.

        At most as many batches are on the device as a batch has steps. If memory runs out at the
        start of a batch, the batches ahead are finished, and it runs again alone. If it runs out
        later, the batch runs again beside those that were started after it. Any other error is
        raised when it occurs; answers that were not returned before are then lost.

        Raises:
            DeviceError: the memory does not hold a single picture.
        """
        flight = _Flight(batch, self._steps(batch))
        flight.advance()
        if flight.fallen:  # the batches ahead give their memory back first
            return [*self.drain(), self._again(batch)]
        ready = self._advanced()
        self._ahead.append(flight)
        return ready

    def drain(self) -> list[Answer]:
        """Run all steps that are left; return the answers, oldest first."""
        ready: list[Answer] = []
        while self._ahead:
            ready += self._advanced()
        return ready

    def _advanced(self) -> list[Answer]:
        """Run one step of each batch; return the answers of those that have ended."""
        ahead, ready = self._ahead, []
        for flight in tuple(ahead):
            flight.advance()
        while ahead and (ahead[0].ended or ahead[0].fallen):
            flight = ahead.popleft()
            ready.append(self._again(flight.batch) if flight.fallen else flight.answers[0])
        return ready


class _Flight(Generic[Batch, Answer]):
    """A batch on the device.

    Attributes:
        answers: the answer, once there is one.
        fallen: whether memory ran out.
    """

    def __init__(self, batch: Batch, steps: Steps[Answer]) -> None:
        self.batch = batch
        self.answers: list[Answer] = []
        self.fallen = False
        self._steps = steps

    @property
    def ended(self) -> bool:
        return bool(self.answers)

    def advance(self) -> None:
        """Run the next step; nothing happens once the batch has ended or fallen."""
        if self.ended or self.fallen:
            return
        try:
            next(self._steps)
        except StopIteration as end:
            self.answers.append(end.value)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self.fallen = True


def completed(steps: Steps[Answer]) -> Answer:
    """Run all steps, and return the answer."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


def side_by_side(many: Sequence[Steps[Answer]]) -> Steps[list[Answer]]:
    """Run batches of equally many steps by turns, and return their answers."""
    answers: list[Answer] = []
    while True:
        for steps in many:
            try:
                next(steps)
            except StopIteration as end:
                answers.append(end.value)
        if len(answers) == len(many):
            return answers
        yield

"""Send a wave's keys to its tasks: one broadcast of all keys, of which each task reads its share.

The DataFrame that Spark runs has one row for each task: the task's number. Nothing is shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark import Broadcast, SparkContext
from pyspark.errors import PySparkException

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Shares:
    """The broadcast keys of a wave, and each task's share of them.

    Attributes:
        keys: Arrow IPC stream of the wave's keys.
        ends: for each task, the row after its last key.
    """

    keys: Broadcast[bytes]
    ends: tuple[int, ...]

    def by_task_number(
        self, function: Callable[[Batches], Batches]
    ) -> Callable[[Batches], Batches]:
        """Return a function that takes a task's number (column `id`) instead of the task's keys.

        Args:
            function: takes the task's keys.
        """

        def task(numbers: Batches) -> Batches:
            yield from function(self._keys_of(numbers))

        return task

    def _keys_of(self, numbers: Batches) -> Batches:
        for batch in numbers:
            for number in batch.column("id").to_pylist():
                begin, end = (0, *self.ends)[number : number + 2]
                with pa.ipc.open_stream(self.keys.value) as stream:
                    yield from stream.read_all().slice(begin, end - begin).to_batches()


@contextmanager
def shared(context: SparkContext, keys: pa.Table, sizes: Sequence[int]) -> Iterator[Shares]:
    """Broadcast a wave's keys while the block runs.

    Args:
        context: Spark's context.
        keys: columns of `plan.skipped.PLANNED`.
        sizes: number of keys of each task, in order; they add up to the rows of `keys`.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, keys.schema) as stream:
        stream.write_table(keys)
    payload = context.broadcast(sink.getvalue().to_pybytes())
    try:
        yield Shares(payload, tuple(accumulate(sizes)))
    finally:
        # if Spark is gone, the broadcast is gone too; the block's own error says why
        with suppress(PySparkException, Py4JError, OSError):
            payload.destroy()

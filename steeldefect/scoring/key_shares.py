"""How a wave's keys reach its tasks: all of them by broadcast, and each task takes its share.

A task is one row of `range`: its number. Nothing is shuffled.
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
    """The keys of a wave, and where each task's share ends.

    Attributes:
        keys: Arrow IPC stream of the wave's keys.
        ends: row past the last one of each task.
    """

    keys: Broadcast[bytes]
    ends: tuple[int, ...]

    def handed_to(self, function: Callable[[Batches], Batches]) -> Callable[[Batches], Batches]:
        """Wrap a function of a task's own keys into one of its number, column `id`."""

        def task(numbers: Batches) -> Batches:
            yield from function(self._taken(numbers))

        return task

    def _taken(self, numbers: Batches) -> Batches:
        for batch in numbers:
            for number in batch.column("id").to_pylist():
                begin, end = (0, *self.ends)[number : number + 2]
                with pa.ipc.open_stream(self.keys.value) as stream:
                    yield from stream.read_all().slice(begin, end - begin).to_batches()


@contextmanager
def shared(context: SparkContext, keys: pa.Table, sizes: Sequence[int]) -> Iterator[Shares]:
    """Broadcast a wave's keys while the block runs.

    Args:
        context: of Spark.
        keys: columns key, etag, size.
        sizes: how many of them each task takes, in order; their sum is the rows of `keys`.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, keys.schema) as stream:
        stream.write_table(keys)
    payload = context.broadcast(sink.getvalue().to_pybytes())
    try:
        yield Shares(payload, tuple(accumulate(sizes)))
    finally:
        # where Spark is gone, so is the broadcast; why it is gone, the block's own error says
        with suppress(PySparkException, Py4JError, OSError):
            payload.destroy()

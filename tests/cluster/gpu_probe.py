"""A program whose tasks report the GPUs that they were given and can see, one JSON line each."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pyspark import TaskContext
from pyspark.sql import SparkSession

from steeldefect.runtimes.gpus import VISIBLE, expose_gpus

TASKS = 12


def look(_: Iterator[int]) -> Iterator[str]:
    """Use the task's GPUs as scoring does, and keep them for a while."""
    began = time.time()
    context = TaskContext.get()
    assert context is not None
    addresses = tuple(context.resources()["gpu"].addresses)
    expose_gpus(addresses)
    time.sleep(0.5)
    said = {
        "addresses": addresses,
        "visible": os.environ[VISIBLE],
        "worker": Path.cwd().parents[1].name,  # an executor runs in WORKER/APPLICATION/EXECUTOR
        "began": began,
        "ended": time.time(),
    }
    yield json.dumps(said)


if __name__ == "__main__":
    session = SparkSession.builder.getOrCreate()
    numbers = session.sparkContext.parallelize(range(TASKS), TASKS)
    print("\n".join(numbers.mapPartitions(look).collect()))
    session.stop()

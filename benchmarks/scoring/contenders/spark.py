"""Open a local Spark session for the peers that need one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from benchmarks.scoring.contenders.task import Task

_TASKS_PER_CORE = 4


def open_spark(task: Task) -> SparkSession:
    """Start Spark on the task's cores, with batches that fit pictures."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master(f"local[{task.cores}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "32")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    return session


def on_spark(session: SparkSession, paths: Sequence[str], cores: int) -> DataFrame:
    """Return pictures as a frame with the column `path`, in several tasks per core."""
    frame = session.createDataFrame([(path,) for path in paths], "path string")
    return frame.repartition(_TASKS_PER_CORE * cores)

"""Score with `mlflow.pyfunc.spark_udf`, over a model that holds both networks and all steps."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
from pyspark.sql import functions as f

from benchmarks.scoring.contenders import fused
from benchmarks.scoring.contenders.spark import on_spark, open_spark
from benchmarks.scoring.contenders.task import (
    BATCH,
    Task,
    open_task_detector,
    read_task,
    write_answers,
)
from steeldefect.streams import in_batches


class SteelModel(mlflow.pyfunc.PythonModel):
    """A model that takes paths of pictures and returns answers as JSON."""

    def __init__(self, task: Task) -> None:
        """Keep the task; the models are opened later, once in each worker."""
        self._task = task
        self._detector: Any = None

    def load_context(self, context: Any) -> None:
        """Open the models."""
        self._detector = open_task_detector(self._task, threads=1)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:
        """Return the answers to some pictures."""
        batches = in_batches(model_input.iloc[:, 0].tolist(), BATCH)
        answers = [one for batch in batches for one in fused.score(self._detector, batch)]
        return [fused.to_text(one) for one in answers]


def main() -> None:
    """Score all pictures of the task, and write the answers."""
    task = read_task()
    session = open_spark(task)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "model"))
        mlflow.pyfunc.save_model(path, python_model=SteelModel(task), pip_requirements=[])
        score = mlflow.pyfunc.spark_udf(session, path, result_type="string", env_manager="local")
        paths = on_spark(session, task.paths, task.cores)
        found = paths.select(score(f.struct("path")).alias("answer")).collect()
    write_answers(task, [fused.from_text(row.answer) for row in found])
    session.stop()


if __name__ == "__main__":
    main()

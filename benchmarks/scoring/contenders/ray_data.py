"""Score with Ray Data: `map_batches` with a class that keeps both models, one actor per core."""

from __future__ import annotations

from typing import Any

import numpy as np
import ray

from benchmarks.scoring.contenders import fused
from benchmarks.scoring.contenders.task import (
    BATCH,
    Task,
    open_task_detector,
    read_task,
    write_answers,
)


class Scorer:
    """An actor that keeps both models."""

    def __init__(self, task: Task) -> None:
        """Open the models."""
        self._detector = open_task_detector(task, threads=1)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the answers to some pictures."""
        answers = fused.score(self._detector, batch["path"].tolist())
        return {"answer": np.array([fused.to_text(one) for one in answers], dtype=object)}


def main() -> None:
    """Score all pictures of the task, and write the answers."""
    task = read_task()
    ray.init(num_cpus=task.cores, include_dashboard=False, log_to_driver=False)
    pictures = ray.data.from_items([{"path": path} for path in task.paths])
    scored = pictures.map_batches(
        Scorer,
        fn_constructor_args=(task,),
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=task.cores),
        num_cpus=1,
    )
    write_answers(task, [fused.from_text(row["answer"]) for row in scored.iter_rows()])


if __name__ == "__main__":
    main()

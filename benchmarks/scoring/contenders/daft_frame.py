"""Score with Daft: a class as UDF that keeps both models, one process per core."""

from __future__ import annotations

from typing import Any

import daft

from benchmarks.scoring.contenders import fused
from benchmarks.scoring.contenders.task import BATCH, open_task_detector, read_task, write_answers


def main() -> None:
    """Score all pictures of the task, and write the answers."""
    task = read_task()

    @daft.udf(
        return_dtype=daft.DataType.string(),
        concurrency=task.cores,
        use_process=True,
        batch_size=BATCH,
    )
    class Scorer:
        def __init__(self) -> None:
            self._detector = open_task_detector(task, threads=1)

        def __call__(self, paths: Any) -> list[str]:
            answers = fused.score(self._detector, paths.to_pylist())
            return [fused.to_text(one) for one in answers]

    frame = daft.from_pydict({"path": task.paths}).into_partitions(task.cores)
    found = frame.select(Scorer(daft.col("path")).alias("answer")).to_pydict()
    write_answers(task, [fused.from_text(text) for text in found["answer"]])


if __name__ == "__main__":
    main()

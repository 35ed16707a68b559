"""Score each different picture with the Keras models: the reference for all other answers."""

from __future__ import annotations

from benchmarks.scoring.contenders import fused
from benchmarks.scoring.contenders.task import BATCH, open_task_detector, read_task, write_answers
from steeldefect.streams import in_batches


def main() -> None:
    """Score all pictures of the task, and write the answers."""
    task = read_task()
    detector = open_task_detector(task, task.cores)
    batches = in_batches(task.paths, BATCH)
    write_answers(task, [one for batch in batches for one in fused.score(detector, batch)])


if __name__ == "__main__":
    main()

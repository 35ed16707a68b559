"""Several equal runs started at the same time: one works, the others wait for it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support.archives import answers
from support.samples import Ended, fill_archive, run_program, score_arguments

from jobs.score import main
from steeldefect.bundle.files import Bundle

pytestmark = pytest.mark.spark

RUNS, PICTURES = 3, 18
WAVES = ("--set", "wave_pictures=6", "--set", "task_pictures=3")


@pytest.mark.slow
def test_three_runs_at_once_end_as_one(rule_bundle: Bundle, tmp_path: Path) -> None:
    archive = fill_archive(tmp_path / "archive", PICTURES)
    arguments = [*score_arguments(archive, rule_bundle.folder, tmp_path / "output"), *WAVES]
    ended: list[Ended] = []
    started = [
        threading.Thread(target=lambda: ended.append(run_program("jobs/score.py", *arguments)))
        for _ in range(RUNS)
    ]
    for run in started:
        run.start()
    for run in started:
        run.join()
    assert [run.code for run in ended] == [0] * RUNS, [run.err for run in ended]
    assert sum("nothing new" in run.out for run in ended) == RUNS - 1
    assert sum("waiting for run" in run.err for run in ended) == RUNS - 1
    alone = tmp_path / "alone"
    assert main([*score_arguments(archive, rule_bundle.folder, alone), *WAVES]) == 0
    assert answers(tmp_path / "output") == answers(alone)

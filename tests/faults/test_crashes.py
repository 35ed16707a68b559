"""Processes that die: the tables end as if no process had died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from faults.dying_driver import POINTS
from faults.processes import hold_at
from support.archives import answers, rows
from support.samples import ROOT, fill_archive, run_program, score_arguments

from jobs.score import main
from steeldefect.bundle.files import Bundle
from steeldefect.tables.schema import TableName

pytestmark = pytest.mark.spark

PICTURES = 18
WAVES = ("--set", "wave_pictures=6", "--set", "task_pictures=3")
PATH = {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}".rstrip(":")}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_archive(tmp_path_factory.mktemp("archive"), PICTURES)


@pytest.fixture(scope="module")
def unharmed(archive: Path, rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run in which nothing dies."""
    output = tmp_path_factory.mktemp("unharmed")
    assert main([*score_arguments(archive, rule_bundle.folder, output), *WAVES]) == 0
    return output


IN_EVERY_RUN = ("between tables",)
"""A part of the tables is committed."""


@pytest.mark.parametrize(
    "point",
    [pytest.param(one, marks=() if one in IN_EVERY_RUN else pytest.mark.slow) for one in POINTS],
)
def test_the_driver_dies_and_the_next_start_completes(
    point: str,
    archive: Path,
    rule_bundle: Bundle,
    unharmed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*score_arguments(archive, rule_bundle.folder, tmp_path), *WAVES]
    ended = run_program("tests/faults/dying_driver.py", point, *arguments, **PATH)
    assert ended.code == -signal.SIGKILL, ended.err
    published = {row["key"] for row in rows(tmp_path, TableName.IMAGES, "key")}
    assert len(published) in (6, 12)

    assert main(arguments) == 0
    decided = point != "before the record"
    left = PICTURES - (12 if decided else 6)
    assert f"scored {left} pictures" in capsys.readouterr().out
    assert answers(tmp_path) == answers(unharmed)
    assert list((tmp_path / "_waves").glob("*.json")) == []


def test_a_worker_process_dies_and_spark_repeats_its_task(
    archive: Path, rule_bundle: Bundle, unharmed: Path, tmp_path: Path
) -> None:
    """The worker that opens one of the pictures waits there, and is killed."""
    output, hold = tmp_path / "output", hold_at("p005.png", tmp_path)
    command = [
        sys.executable,
        "jobs/score.py",
        *score_arguments(archive, rule_bundle.folder, output),
    ]
    with subprocess.Popen(
        [*command, *WAVES],
        cwd=ROOT,
        env=os.environ | hold.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        try:
            with hold.reached(job):
                killed = _kill_workers(job.pid)
            _, told = job.communicate(timeout=300)
        finally:
            job.kill()
    assert job.returncode == 0, told
    assert killed
    assert answers(output) == answers(unharmed)


def test_two_runs_at_once_end_as_one(
    archive: Path, rule_bundle: Bundle, unharmed: Path, tmp_path: Path
) -> None:
    arguments = [*score_arguments(archive, rule_bundle.folder, tmp_path), *WAVES]
    ended = []
    runs = [
        threading.Thread(target=lambda: ended.append(run_program("jobs/score.py", *arguments)))
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.code for run in ended] == [0, 0], [run.err for run in ended]
    assert sum("nothing new" in run.out for run in ended) == 1
    assert sum("waiting for run" in run.err for run in ended) == 1
    assert answers(tmp_path) == answers(unharmed)


def _kill_workers(ancestor: int) -> list[int]:
    """Kill the Python workers that Spark's daemon forked for a job; return their process ids."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # ended since it was listed
            continue
        parents[int(status.parent.name)] = int(fields[1])
    workers = [
        process
        for process, parent in parents.items()
        if _is_daemon(process) and _is_daemon(parent) and _descends(process, ancestor, parents)
    ]
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    return workers


def _is_daemon(process: int) -> bool:
    try:
        return b"pyspark.daemon" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def _descends(process: int, ancestor: int, parents: dict[int, int]) -> bool:
    while process in parents:
        process = parents[process]
        if process == ancestor:
            return True
    return False

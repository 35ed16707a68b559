"""Runs that are killed, interrupted or out of disk space: exit code, last line, run record."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.processes import hold_at, java_below, python_below, wait_for_end
from support.archives import rows
from support.namespaces import Namespaces
from support.samples import (
    ROOT,
    fill_archive,
    run_program,
    run_program_after,
    score_arguments,
)

from jobs.score import main
from steeldefect.bundle.files import Bundle
from steeldefect.tables.schema import TableName

pytestmark = pytest.mark.spark

PICTURES = 12
WAVES = ("--set", "wave_pictures=6", "--set", "task_pictures=3")
INTERRUPTED = "interrupted: everything published is complete; nothing else was published"


@dataclass
class Job:
    """A job that has published its first wave, and is held in its second.

    Attributes:
        process: process that was started: Python or `spark-submit`.
        output: output of the job.
        arguments: arguments of `jobs/score.py`.
    """

    process: subprocess.Popen[str]
    output: Path
    arguments: list[str]

    def told(self) -> list[str]:
        """Wait until the job ends, and return the lines that it wrote."""
        out, _ = self.process.communicate(timeout=300)
        return [line for line in out.splitlines() if line.strip()]


@contextmanager
def standing_still(command: list[str], bundle: Bundle, folder: Path) -> Iterator[Job]:
    """Start a job in a new process group, and wait until it is held in its second wave."""
    source = fill_archive(folder / "archive", PICTURES)
    hold = hold_at("p008.png", folder)
    output = folder / "output"
    arguments = [*score_arguments(source, bundle.folder, output), *WAVES]
    with subprocess.Popen(
        [*command, "jobs/score.py", *arguments],
        cwd=ROOT,
        env=os.environ | hold.environment | {"SPARK_CONF_DIR": str(ROOT / "conf" / "spark")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            with hold.reached(process):
                wait_until_published(output)
                yield Job(process, output, arguments)
        finally:
            process.kill()


def wait_until_published(output: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        decided = rows(output, TableName.RUNS, "outcome") and rows(output, TableName.IMAGES, "key")
        if decided and not list(output.glob("_waves/*.json")):
            return
        time.sleep(0.1)
    raise TimeoutError("the first wave was not published")


def the_run(output: Path) -> tuple[str, int, str]:
    """Return outcome, scored and error of the only run; check that its lease was released."""
    (run,) = rows(output, TableName.RUNS, "outcome", "scored", "error")
    assert [path.read_bytes() for path in output.glob("_lock/*.alive")] == [b"released"]
    return run["outcome"], run["scored"], run["error"]


def complete(job: Job) -> None:
    """Start the job again, and check that every picture is scored exactly once."""
    assert main(job.arguments) == 0
    keys = [row["key"] for row in rows(job.output, TableName.IMAGES, "key")]
    assert keys == [f"p{number:03d}.png" for number in range(PICTURES)]


def test_a_jvm_that_is_killed_ends_a_run_with_9(rule_bundle: Bundle, tmp_path: Path) -> None:
    with standing_still([sys.executable], rule_bundle, tmp_path) as job:
        os.kill(java_below(job.process.pid), signal.SIGKILL)
        told = job.told()
    assert job.process.returncode == 9, told
    assert told[-1].startswith("error: Spark's JVM ended (killed by SIGKILL); nothing that was in ")
    assert not [line for line in told if "Traceback" in line or line.startswith("\tat ")]
    outcome, scored, error = the_run(job.output)
    assert (outcome, scored) == ("failed", 6)
    assert error == told[-1].removeprefix("error: ")
    complete(job)


@pytest.mark.slow
def test_a_signal_to_the_process_group_interrupts_a_run(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    with standing_still([sys.executable], rule_bundle, tmp_path) as job:
        os.killpg(job.process.pid, signal.SIGINT)  # PySpark replaces the handler of SIGINT
        told = job.told()
    assert job.process.returncode == 130, told
    assert told[-1] == INTERRUPTED
    assert not [line for line in told if "Traceback" in line]
    assert the_run(job.output) == ("interrupted", 6, "interrupted")


def test_a_signal_to_spark_submit_interrupts_the_run_and_is_its_exit_code(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    with standing_still([submit()], rule_bundle, tmp_path) as job:
        job.process.send_signal(signal.SIGTERM)
        told = job.told()
    assert job.process.returncode == 130, told
    assert told[-1] == INTERRUPTED
    assert the_run(job.output) == ("interrupted", 6, "interrupted")
    complete(job)


@pytest.mark.slow
def test_spark_submit_that_is_killed_leaves_a_run_that_ends_by_itself(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    with standing_still([submit()], rule_bundle, tmp_path) as job:
        driver = python_below(job.process.pid, "jobs/score.py")
        job.process.kill()
        wait_for_end(driver)
    outcome, scored, error = the_run(job.output)
    assert (outcome, scored) == ("failed", 6)
    assert error.startswith("Spark's JVM ended (with spark-submit); ")


def test_a_jvm_that_is_killed_while_it_starts_ends_a_run_with_9(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    source, output = fill_archive(tmp_path / "archive", 1), tmp_path / "output"
    command = [
        sys.executable,
        "jobs/score.py",
        *score_arguments(source, rule_bundle.folder, output),
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as job:
        os.kill(java_below(job.pid), signal.SIGKILL)
        _, told = job.communicate(timeout=60)
    assert job.returncode == 9, told
    line = "Spark's JVM ended (killed by SIGKILL) while Spark started; start again"
    assert told.splitlines()[-1] == f"error: {line}"
    assert the_run(output) == ("failed", 0, line)


def test_a_python_that_executors_cannot_run_is_named(rule_bundle: Bundle, tmp_path: Path) -> None:
    source = save_one(tmp_path)
    arguments = score_arguments(source, rule_bundle.folder, tmp_path / "output")
    ended = run_program("jobs/score.py", *arguments, PYSPARK_PYTHON="/nowhere")
    assert ended.code == 2, ended.err
    assert ended.err.splitlines()[-1].startswith(
        'error: an executor cannot run Python: Cannot run program "/nowhere": error=2, No such '
        "file or directory; set PYSPARK_PYTHON"
    )


@pytest.mark.slow
def test_a_full_disk_ends_a_run_with_4_and_the_next_one_completes_it(
    namespaces: Namespaces, rule_bundle: Bundle, tmp_path: Path
) -> None:
    source = fill_archive(tmp_path / "archive", PICTURES)
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size=40k none {disk}; "
        '"$@"; echo "code $?" >&2; '
        f"mount -o remount,size=64m {disk}; "
        f'"$@"; code=$?; cp -r {disk}/output {kept}; exit $code'
    )
    arguments = [*score_arguments(source, rule_bundle.folder, disk / "output"), *WAVES]
    ended = run_program_after(namespaces.root(script, "--mount"), "jobs/score.py", *arguments)
    first = ended.err.partition("code ")
    assert first[2].startswith("4\n"), ended.err
    line = first[0].splitlines()[-1]
    assert line.startswith("error: ")
    assert "No space left on device" in line
    assert ended.code == 0, ended.err
    keys = [row["key"] for row in rows(kept, TableName.IMAGES, "key")]
    assert keys == [f"p{number:03d}.png" for number in range(PICTURES)]
    assert not list(kept.rglob(".staged-*"))


def test_a_full_disk_for_temporary_files_is_named(
    namespaces: Namespaces, rule_bundle: Bundle, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    arguments = score_arguments(save_one(tmp_path), rule_bundle.folder, tmp_path / "output")
    mounted = namespaces.root(f'mount -t tmpfs -o size=40k none {small}; exec "$@"', "--mount")
    ended = run_program_after(
        mounted, "jobs/score.py", *arguments, SPARK_LOCAL_DIRS=str(small), TMPDIR=str(small)
    )
    assert ended.code == 4, ended.err
    line = ended.err.splitlines()[-1]
    assert line.startswith("error: ")
    assert "No space left on device" in line
    assert "Traceback" not in ended.err


def save_one(folder: Path) -> Path:
    return fill_archive(folder / "archive", 1)


def submit() -> str:
    program = shutil.which("spark-submit")
    assert program is not None
    return program

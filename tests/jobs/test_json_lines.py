"""`--log-format json`: every line on standard error is one object, whoever wrote it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.archives import rows
from support.samples import ROOT, Ended, fill_archive, run_program, score_arguments

from steeldefect.bundle.files import Bundle
from steeldefect.tables.schema import TableName

KEYS = ("time", "level", "logger", "message", "run", "wave")


def lines(text: str) -> list[dict[str, Any]]:
    """Return the objects of a log; each line is one."""
    found = [json.loads(line) for line in text.splitlines()]
    for one in found:
        assert tuple(one)[: len(KEYS)] == KEYS
        moment = datetime.fromisoformat(one["time"])
        assert abs(moment - datetime.now(UTC)) < timedelta(hours=1)
        assert "\n" not in one["message"]
    return found


# the job itself, which also says which wave it publishes
SPEAKING_JOB = """
import runpy, sys
from steeldefect.program.progress import say
from steeldefect.run import ScoringRun

publish = ScoringRun._publish

def speaking(run, wave):
    say(f"before wave {wave.number}")
    publish(run, wave)
    say(f"after wave {wave.number}")

ScoringRun._publish = speaking
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.mark.spark
def test_a_run_names_itself_and_its_wave_on_every_line(rule_bundle: Bundle, tmp_path: Path) -> None:
    source, output = fill_archive(tmp_path / "archive", 9), tmp_path / "out"
    (source / "empty.jpg").write_bytes(b"")
    asked = score_arguments(source, rule_bundle.folder, output)
    job = tmp_path / "speaking.py"
    job.write_text(SPEAKING_JOB)
    ended: Ended = run_program(
        str(job), "jobs/score.py", *asked, "--log-format", "json", "--set", "wave_pictures=4"
    )
    assert ended.code == 0, ended.err
    found = lines(ended.err)
    (run,) = rows(output, TableName.RUNS)
    planned = next(one for one in found if "to score in 3 waves" in one["message"])
    assert (planned["run"], planned["wave"], planned["level"]) == (run["run_id"], None, "INFO")
    progress = [one for one in found if "done" in one]
    assert progress[-1]["done"] == progress[-1]["total"] == 10
    assert progress[-1]["failed"] == 1
    assert progress[-1]["rate"] > 0
    assert progress[-1]["seconds_left"] == 0
    assert {one["run"] for one in found if one["time"] >= planned["time"]} == {run["run_id"]}
    said = [(one["message"], one["wave"]) for one in found if one["message"][-6:-1] == "wave "]
    assert said == [(f"{when} wave {n}", n) for n in (1, 2, 3) for when in ("before", "after")]
    assert {one["wave"] for one in found} == {None, 1, 2, 3}
    assert ended.out.startswith("scored 9 pictures")  # results are for people, as before


def test_an_error_is_an_object(tmp_path: Path) -> None:
    asked = score_arguments(tmp_path, tmp_path / "none", tmp_path / "out")
    ended = run_program("jobs/score.py", *asked, "--log-format=json")
    assert ended.code == 3
    (only,) = lines(ended.err)
    assert (only["level"], only["run"], only["wave"]) == ("ERROR", None, None)
    assert only["message"].startswith("no bundle at ")


def test_a_wrong_command_line_is_one_too(tmp_path: Path) -> None:
    ended = run_program("jobs/score.py", "--log-format", "json", "--inptu", "x")
    assert ended.code == 2
    (only,) = lines(ended.err)
    assert only["level"] == "ERROR"


@pytest.mark.parametrize("option", ["--log-form", "--log"])
def test_the_beginning_of_the_option_is_enough(option: str, tmp_path: Path) -> None:
    asked = score_arguments(tmp_path, tmp_path / "none", tmp_path / "out")
    ended = run_program("jobs/score.py", *asked, option, "json")
    (only,) = lines(ended.err)
    assert (ended.code, only["level"]) == (3, "ERROR")


def test_an_unknown_form_is_refused() -> None:
    ended = run_program("jobs/score.py", "--log-format", "xml")
    assert ended.code == 2
    assert "invalid choice: 'xml'" in ended.err
    assert ended.err.startswith("error: ")


PROGRAM = """
import logging, os, subprocess, sys, threading
from steeldefect.program.command import CommandParser, add_log_format_argument, run_command
from steeldefect.program import log_format

def work(arguments):
    log_format.set_run("the run")
    log_format.set_wave(7)
    logging.getLogger("a.library").warning("line one\\nline two, secret %s", "AKIA" + "X" * 16)
    def broken():
        raise ValueError("of a thread")
    thread = threading.Thread(target=broken, name="worker")
    thread.start(); thread.join()
    os.write(2, "from C, é, without an end".encode())
    os.write(2, b"\\n\\xff\\xfe no text\\n")
    os.write(2, b'{"time": broken\\n{"time": 1}\\n')
    child = "import sys; sys.stderr.write('{not json\\\\nof a child\\\\n')"
    subprocess.run([sys.executable, "-c", child])
    print("a result")
    if os.environ.get("DIES"):
        raise RuntimeError("a fault")
    sys.stderr.write("the last line has no end")

parser = CommandParser()
add_log_format_argument(parser)
sys.exit(run_command(parser, work))
"""


def _run(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "--log-format", "json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        check=False,
        timeout=60,
    )


def test_lines_of_threads_libraries_and_children_are_objects(tmp_path: Path) -> None:
    ended = _run(tmp_path)
    found = lines(ended.stderr)
    assert (ended.returncode, ended.stdout) == (0, "a result\n")
    assert {(one["run"], one["wave"]) for one in found} == {("the run", 7)}
    said = [(one["level"], one["logger"], one["message"]) for one in found]
    assert said[0][:2] == ("WARNING", "a.library")
    assert said[0][2].startswith("line one line two, secret ")
    assert said[1][0] == "WARNING"
    assert "thread worker ended: ValueError: of a thread" in said[1][2]
    assert said[2:] == [
        ("INFO", "stderr", "from C, é, without an end"),
        ("INFO", "stderr", "\ufffd\ufffd no text"),
        ("INFO", "stderr", '{"time": broken'),
        ("INFO", "stderr", '{"time": 1}'),
        ("INFO", "stderr", "{not json"),
        ("INFO", "stderr", "of a child"),
        ("INFO", "stderr", "the last line has no end"),
    ]


def test_a_fault_is_an_object_that_names_its_report(tmp_path: Path) -> None:
    ended = _run(tmp_path, DIES="1")
    assert ended.returncode == 1
    last = lines(ended.stderr)[-1]
    assert last["level"] == "ERROR"
    assert "RuntimeError: a fault; this is a fault of the program" in last["message"]


def test_without_the_option_nothing_changes(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        errors="replace",
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        timeout=60,
    )
    assert ended.stderr.startswith("WARNING: line one line two, secret ")
    assert ended.stderr.endswith("of a child\nthe last line has no end")


@pytest.mark.spark
def test_the_jvm_of_spark_submit_can_write_objects_too(tmp_path: Path) -> None:
    """The file for log4j that the documents name: its lines have the same first keys."""
    program = tmp_path / "log.py"
    program.write_text(
        "from pyspark.sql import SparkSession\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "logger = spark._jvm.org.apache.logging.log4j.LogManager.getLogger('of.spark')\n"
        "logger.error('a line\\nof the JVM')\n"
    )
    file = ROOT / "conf/spark/log4j2-json.properties"
    ended = subprocess.run(
        ["spark-submit", "--driver-java-options", f"-Dlog4j2.configurationFile={file}", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    written = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    own = next(one for one in written if one["logger"] == "of.spark")
    assert (own["level"], own["message"]) == ("ERROR", "a line\nof the JVM")
    assert tuple(own)[:4] == KEYS[:4]
    assert datetime.fromisoformat(own["time"]).tzinfo is not None

"""The jobs use the Spark session that `spark-submit` was asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.namespaces import Namespaces
from support.samples import Ended, run_program, run_program_after, spark_submit

pytestmark = pytest.mark.spark

PROGRAM = """
from steeldefect.spark.session import open_session

session = open_session("test")
print("master", session.sparkContext.master, session.conf.get("spark.some.setting", "unset"))
flags = session.sparkContext._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean()
print("flags", list(flags.getInputArguments()))
session.stop()
"""


FAILING = """
import argparse, sys
from steeldefect.program.command import run_command
from steeldefect.spark.session import open_session

sys.exit(run_command(argparse.ArgumentParser(prog="test"), lambda _: open_session("test"), []))
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return str(path)


def test_the_master_of_spark_submit_counts(program: str) -> None:
    ended = spark_submit(*("--master", "local[3]", "--conf", "spark.some.setting=kept"), program)
    assert "master local[3,4] kept" in ended.out, ended.err


def test_without_spark_submit_the_session_is_local(program: str) -> None:
    ended = run_program(program)
    assert "master local[*,4] unset" in ended.out, ended.err


@pytest.mark.slow
def test_the_jvm_of_a_local_session_is_compiled_lightly(program: str) -> None:
    assert "-XX:TieredStopAtLevel=1" in run_program(program).out
    own = "--driver-java-options -XX:TieredStopAtLevel=4 pyspark-shell"
    flags = run_program(program, PYSPARK_SUBMIT_ARGS=own).out
    assert flags.index("TieredStopAtLevel=1") < flags.index("TieredStopAtLevel=4")


def refusal(ended: Ended) -> str:
    """Return why Spark does not start; check that it is one line, with exit code 2."""
    assert ended.code == 2, ended.err
    assert ended.out == ""
    assert ended.err.count("\n") == 1, ended.err
    beginning = "error: Spark does not start: "
    assert ended.err.startswith(beginning)
    return ended.err.removeprefix(beginning)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SPARK_HOME": "/nowhere"}, "SPARK_HOME=/nowhere holds no Spark"),
        ({"JAVA_HOME": "/nowhere"}, "JAVA_HOME=/nowhere holds no Java"),
        ({"SPARK_LOCAL_IP": "203.0.113.9"}, "SPARK_LOCAL_IP=203.0.113.9 is no address of this"),
        ({"SPARK_LOCAL_DIRS": "/proc/nowhere"}, "SPARK_LOCAL_DIRS: Spark cannot keep files in /pr"),
        ({"PYSPARK_SUBMIT_ARGS": "garbage"}, "PYSPARK_SUBMIT_ARGS='garbage' starts no Spark"),
        (
            {"PYSPARK_SUBMIT_ARGS": "--nosuch pyspark-shell"},
            "PYSPARK_SUBMIT_ARGS='--nosuch pyspark-shell': spark-submit has no option --nosuch",
        ),
        (
            {"PYSPARK_SUBMIT_ARGS": "--driver-memory 900000g pyspark-shell"},
            "spark.driver.memory is more than this host can give",
        ),
        (
            {"PYSPARK_SUBMIT_ARGS": "--master nosuch://host pyspark-shell"},
            "Master must either be yarn or start with spark, k8s, or local",
        ),
        (
            {"PYSPARK_SUBMIT_ARGS": "--conf spark.task.cpus=two pyspark-shell"},
            "[INVALID_CONF_VALUE.TYPE_MISMATCH] The value 'two' in the config \"spark.task.cpus\"",
        ),
    ],
)
def test_what_keeps_spark_from_starting_is_named(variables: dict[str, str], named: str) -> None:
    assert refusal(run_program("-c", FAILING, **variables)).startswith(named)


@pytest.mark.parametrize(
    "variable", ["SPARK_LOCAL_IP=203.0.113.9", "SPARK_LOCAL_DIRS=/proc/nowhere"]
)
def test_under_spark_submit_it_is_named_before_the_jvm_ends(variable: str, tmp_path: Path) -> None:
    path = tmp_path / "failing.py"
    path.write_text(FAILING, encoding="utf-8")
    name, value = variable.split("=")
    ended = spark_submit(str(path), **{name: value})
    assert ended.code == 2, ended.err
    # spark-submit sends a program's errors to standard output
    assert f"error: Spark does not start: {name}" in ended.out
    assert "Exception" not in ended.err


def test_a_java_that_is_too_old_is_named(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    said = "java.lang.UnsupportedClassVersionError: org/apache/spark/launcher/Main"
    java.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n", encoding="utf-8")
    java.chmod(0o755)
    told = refusal(run_program("-c", FAILING, JAVA_HOME=str(tmp_path)))
    assert told.startswith(f"JAVA_HOME={tmp_path} is older than Java 17")


def test_a_user_without_a_name_is_named(namespaces: Namespaces) -> None:
    ended = run_program_after(namespaces.user(12345), "-c", FAILING)
    assert refusal(ended).startswith("user id 12345 has no entry in /etc/passwd")


def test_a_host_without_an_address_is_named(namespaces: Namespaces) -> None:
    named = namespaces.root('hostname nowhere-at-all && exec "$@"', "--uts")
    ended = run_program_after(named, "-c", FAILING)
    assert refusal(ended).startswith("this host's name, nowhere-at-all, does not resolve")


def test_a_read_only_folder_for_temporary_files_is_named(namespaces: Namespaces) -> None:
    if Path(sys.executable).is_relative_to("/tmp"):  # noqa: S108
        pytest.skip("this project lies in /tmp itself")
    sealed = namespaces.root('mount -t tmpfs -o ro none /tmp && exec "$@"', "--mount")
    ended = run_program_after(sealed, "-c", FAILING)
    assert refusal(ended).startswith("spark.local.dir: Spark cannot keep files in /tmp: Read-only")

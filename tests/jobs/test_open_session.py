"""The Spark session of the jobs is the one that `spark-submit` was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import run_program, spark_submit

pytestmark = pytest.mark.spark

PROGRAM = """
from steeldefect.session import open_session

session = open_session("test")
print("master", session.sparkContext.master, session.conf.get("spark.some.setting", "unset"))
flags = session.sparkContext._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean()
print("flags", list(flags.getInputArguments()))
session.stop()
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


def test_the_jvm_of_a_local_session_is_compiled_lightly(program: str) -> None:
    assert "-XX:TieredStopAtLevel=1" in run_program(program).out
    own = "--driver-java-options -XX:TieredStopAtLevel=4 pyspark-shell"
    flags = run_program(program, PYSPARK_SUBMIT_ARGS=own).out
    assert flags.index("TieredStopAtLevel=1") < flags.index("TieredStopAtLevel=4")

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

"""The examples run on small data, each as its docstring says."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.demo_folder import make_demo, working_in
from support.samples import ROOT, run_program

from steeldefect.bundle.files import Bundle

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    opened = session.getOrCreate()
    yield opened
    opened.stop()


@pytest.fixture(scope="module")
def demo(
    rule_bundle: Bundle, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return make_demo(tmp_path_factory.mktemp("here") / "demo", rule_bundle, spark)


def run(name: str, capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run an example in this process, which has a Spark session; return its output."""
    capfd.readouterr()
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]([str(one) for one in arguments])
    return capfd.readouterr().out


@pytest.mark.spark
def test_score_one_picture(
    demo: Path, spark: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    with working_in(demo.parent, spark):
        out = run("score_one_picture", capfd)
    assert "coil_001-camera_1-frame_0001.jpg: defect, 128 x 64 pixels" in out
    assert "bright: 256 pixels in 16 rows" in out


@pytest.mark.spark
def test_ask_the_tables(demo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = run("ask_the_tables", capfd, demo / "output")
    assert "defect    4" in out
    assert "│ bright" in out
    assert 'coil_001-camera_1-frame_0002.jpg    512 ["bright","dark"]' in out


@pytest.mark.spark
def test_score_in_your_spark_pipeline(
    demo: Path, spark: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    with working_in(demo.parent, spark):
        out = run("score_in_your_spark_pipeline", capfd)
    assert "| defect|    4|" in out
    assert "|    bright|       4|" in out
    assert spark.range(2).count() == 2


@pytest.mark.slow
def test_train_on_your_own_data(tmp_path: Path) -> None:
    ended = run_program("examples/train_on_your_own_data.py", str(tmp_path / "own"))
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1].endswith("strip_001.png: defect")
    assert (tmp_path / "own" / "bundle" / "report.html").exists()


def test_every_example_says_how_to_run_it_and_is_tested() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f"    python examples/{path.name}" in path.read_text(encoding="utf-8")
        assert f"def test_{path.stem}(" in tests

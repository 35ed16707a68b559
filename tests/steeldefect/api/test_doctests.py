"""The examples in public docstrings run, beside a folder demo/ like that of `make demo`."""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.demo_folder import make_demo, working_in
from support.samples import ROOT

import steeldefect
from steeldefect.bundle.files import Bundle

pytestmark = pytest.mark.spark

PUBLIC = sorted({getattr(steeldefect, name).__module__ for name in steeldefect._HOMES})
FINDER = doctest.DocTestFinder(exclude_empty=True)
EXAMPLES = [
    found
    for module in PUBLIC
    for found in FINDER.find(sys.modules[module], module)
    if found.examples
]


@pytest.fixture(scope="module")
def beside_demo(
    rule_bundle: Bundle, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("here")
    make_demo(folder / "demo", rule_bundle, spark)
    return folder


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_the_examples_of_docstrings_run(
    example: doctest.DocTest,
    beside_demo: Path,
    spark: SparkSession,
) -> None:
    example.globs = {"spark": spark}
    told: list[str] = []
    with working_in(beside_demo, spark):
        ended = doctest.DocTestRunner().run(example, out=told.append)
    assert ended.failed == 0, "".join(told)
    assert ended.attempted > 1


def test_every_public_function_has_an_example() -> None:
    functions = {"detect", "evaluate", "open_detector", "open_tables", "score"}
    assert {one.name.rpartition(".")[2] for one in EXAMPLES} >= functions


def test_the_examples_of_the_readme_run(
    beside_demo: Path, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    with working_in(beside_demo, spark):
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    assert "defect" in capsys.readouterr().out

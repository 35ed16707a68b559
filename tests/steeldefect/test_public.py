"""`import steeldefect`: cheap, complete, and the same for people, editors and type checkers."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import pkgutil
from pathlib import Path

import pytest
from support.samples import ROOT, run_program

import steeldefect

HEAVY = ("duckdb", "keras", "numpy", "openvino", "pandas", "pyarrow", "pydantic", "pyspark")
LOOK = """
import json, sys, time
began = time.perf_counter()
import steeldefect
seconds = time.perf_counter() - began
print(json.dumps([seconds, sorted(name for name in sys.modules if "." not in name)]))
"""


def test_importing_it_is_cheap() -> None:
    seconds, loaded = json.loads(run_program("-c", LOOK).out)
    assert not {"tensorflow", *HEAVY}.intersection(loaded)
    assert seconds < 0.3


@pytest.mark.parametrize("name", steeldefect.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(steeldefect, name)
    assert name in dir(steeldefect)
    assert getattr(found, "__doc__", None)


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="module 'steeldefect' has no attribute 'nosuch'"):
        steeldefect.nosuch  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nosuch'"):
        from steeldefect import nosuch  # type: ignore[attr-defined]  # noqa: F401


def test_no_module_takes_the_place_of_a_public_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(steeldefect.__path__)}
    assert modules.isdisjoint(steeldefect.__all__)


def test_type_checkers_are_told_the_same_homes() -> None:
    tree = ast.parse(Path(steeldefect.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    told = {
        name.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert told == steeldefect._HOMES
    assert sorted({*told, "__version__"}) == sorted(steeldefect.__all__)


def test_the_version_is_that_of_the_package() -> None:
    assert steeldefect.__version__ == importlib.metadata.version("steeldefect")
    for words in (("-m", "steeldefect"), ("-m", "steeldefect.cli")):
        ended = run_program(*words, "--version")
        assert (ended.code, ended.out) == (0, f"steeldefect {steeldefect.__version__}\n")


def test_help_imports_nothing_that_takes_long() -> None:
    programs = [
        ("-m", "steeldefect"),
        ("-m", "steeldefect", "score"),
        ("-m", "steeldefect", "find"),
    ]
    programs += [("jobs/score.py",), ("jobs/evaluate.py",)]
    for words in programs:
        ended = run_program("-X", "importtime", *words, "--help")
        assert ended.code == 0
        assert ended.out.startswith("usage: ")
        loaded = {line.rpartition("|")[2].strip() for line in ended.err.splitlines()}
        assert "steeldefect.commands" in loaded
        assert not {"tensorflow", *HEAVY}.intersection(loaded), words
    assert (ROOT / "steeldefect" / "py.typed").exists()

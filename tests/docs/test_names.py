"""Make targets and tests that documents, templates and workflows name exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from documents import DOCUMENTS, ROOT, Document, name

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TEMPLATES = sorted([*GITHUB.glob("*.md"), *(GITHUB / "ISSUE_TEMPLATE").glob("*.yml")])

_MAKE = re.compile(r"\bmake ([a-z][a-z0-9-]*)")
_TEST = re.compile(r"\b(tests/[\w/]+\.py)(?:::(test_\w+))?")
_TARGET = re.compile(r"^([a-z0-9-]+):", re.MULTILINE)
TARGETS = set(_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))


def unknown_targets(text: str) -> set[str]:
    return set(_MAKE.findall(text)) - TARGETS


def unknown_tests(text: str) -> set[str]:
    """Return the files of tests, and the tests in them, that a text names but that do not exist."""
    unknown = set()
    for file, test in _TEST.findall(text):
        path = ROOT / file
        if not path.is_file():
            unknown.add(file)
        elif test and not re.search(rf"^ *def {test}\(", path.read_text("utf-8"), re.MULTILINE):
            unknown.add(f"{file}::{test}")
    return unknown


def commands(workflow: Any) -> list[str]:
    """Return each command of a workflow, once for each value of the matrix in it."""
    found: list[str] = []
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        for step in job["steps"]:
            written = [step["run"]] if "run" in step else []
            for key, values in matrix.items():
                mark = f"${{{{ matrix.{key} }}}}"
                written = [one.replace(mark, str(value)) for one in written for value in values]
            found.extend(dict.fromkeys(written))
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_documents_name_what_is_there(path: Path) -> None:
    code = "\n".join(Document.read(path).code())
    assert unknown_targets(code) == set()
    assert unknown_tests(code) == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_templates_name_targets_that_are_there(path: Path) -> None:
    assert unknown_targets(path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_workflows_run_targets_that_are_there(path: Path) -> None:
    ran = commands(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert ran
    assert all(_MAKE.match(command) for command in ran)  # everybody can run the same commands
    assert unknown_targets("\n".join(ran)) == set()


def test_the_two_commands_run_on_every_python() -> None:
    workflow = yaml.safe_load((GITHUB / "workflows/check.yml").read_text(encoding="utf-8"))
    assert {"make demo", "make test"} <= set(commands(workflow))
    matrix = workflow["jobs"]["commands"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]


def test_what_is_not_there_is_noticed() -> None:
    assert unknown_targets("make test; make tets, then make no-such-thing") == {
        "tets",
        "no-such-thing",
    }
    assert unknown_tests(
        "tests/nothing.py tests/docs/test_names.py::test_nothing "
        "tests/docs/test_names.py::test_what_is_not_there_is_noticed"
    ) == {"tests/nothing.py", "tests/docs/test_names.py::test_nothing"}
    assert commands({"jobs": {"a": {"steps": [{"run": "make x"}, {"uses": "y"}]}}}) == ["make x"]

"""`make` takes the first supported Python that runs, or says in one line what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHOOSE = Path(__file__).parents[2] / "tools/choose_python.sh"
SUPPORTED = "3.11 3.12 3.13"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that stands for a whole PATH; Pythons are added to it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "sed", "env"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def add(folder: Path, name: str, answer: str) -> None:
    """Add a program that prints `answer`, or fails if `answer` is empty."""
    lines = f"echo '{answer}'" if answer else "exit 127"
    program = folder / name
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)


def choose(programs: Path, *python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(CHOOSE), SUPPORTED, *python],
        env={**os.environ, "PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ({"python3.11": "3.11", "python3.12": "3.12", "python3.13": "3.13"}, "python3.11"),
        ({"python3.13": "3.13", "python3.12": "3.12"}, "python3.12"),
        # a shim of pyenv: the name is there, the version is switched off
        ({"python3.11": "", "python3.12": "", "python3.13": "3.13"}, "python3.13"),
        ({"python3": "3.12"}, "python3"),
        ({"python3.11": "3.10", "python3": "3.13"}, "python3"),
    ],
)
def test_the_first_that_runs(programs: Path, there: dict[str, str], chosen: str) -> None:
    for name, version in there.items():
        add(programs, name, version)
    done = choose(programs)
    assert (done.stdout, done.stderr, done.returncode) == (f"{chosen}\n", "", 0)


@pytest.mark.parametrize(
    ("there", "line"),
    [
        ({}, "error: no Python is here, but Python 3.11, 3.12 or 3.13 is needed: install it ("),
        (
            {"python3": "3.14"},
            "error: Python 3.14 is here, but Python 3.11, 3.12 or 3.13 is needed",
        ),
        ({"python3.12": ""}, "error: no Python is here"),
    ],
)
def test_none_is_one_line(programs: Path, there: dict[str, str], line: str) -> None:
    for name, version in there.items():
        add(programs, name, version)
    done = choose(programs)
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert "or name it (PYTHON=/path/to/python)" in done.stderr


@pytest.mark.parametrize(
    ("manager", "answer", "way"),
    [
        # what this distribution has is named, and not another version
        ("apt-cache", "#!/bin/sh\n[ $2 = python3.12-venv ]\n", "(apt-get install python3.12-venv)"),
        ("dnf", "#!/bin/sh\n", "(dnf install python3.12)"),
        ("pip", "#!/bin/sh\n", "(pyenv install 3.12 && pyenv global 3.12, or: uv python install"),
    ],
)
def test_how_to_install_one(programs: Path, manager: str, answer: str, way: str) -> None:
    (programs / manager).write_text(answer)
    (programs / manager).chmod(0o755)
    assert way in choose(programs).stderr


def test_the_one_that_is_named(programs: Path) -> None:
    add(programs, "python3.11", "3.11")
    add(programs, "mine", "3.13")
    assert choose(programs, str(programs / "mine")).stdout == f"{programs}/mine\n"


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("3.10", "error: mine is Python 3.10; give PYTHON= a Python 3.11, 3.12 or 3.13\n"),
        ("3.1", "error: mine is Python 3.1; give PYTHON= a Python 3.11, 3.12 or 3.13\n"),
        ("", "error: mine does not run; give PYTHON= a Python 3.11, 3.12 or 3.13\n"),
    ],
)
def test_a_named_one_that_is_refused(programs: Path, version: str, line: str) -> None:
    add(programs, "python3.11", "3.11")
    add(programs, "mine", version)
    done = choose(programs, "mine")
    assert (done.stdout, done.stderr, done.returncode) == ("", line, 1)

"""What the package says of itself: one version, ranges that the locks keep to, the same Pythons."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import steeldefect

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ["3.11", "3.12", "3.13"]


def locked(*names: str) -> dict[str, str]:
    """Read locks: version by canonical name."""
    lines = [line for name in names for line in (ROOT / name).read_text().splitlines()]
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


@pytest.mark.parametrize(
    ("requirements", "locks"),
    [
        (PROJECT["dependencies"], ["requirements.lock"]),
        (PROJECT["optional-dependencies"]["dev"], ["requirements.lock"]),
        (PROJECT["optional-dependencies"]["gpu"], ["requirements.lock"]),
        (PROJECT["optional-dependencies"]["peers"], ["benchmarks/peers.lock"]),
    ],
    ids=["dependencies", "dev", "gpu", "peers"],
)
def test_locked_versions_are_in_range(requirements: list[str], locks: list[str]) -> None:
    pins = locked(*locks)
    for text in requirements:
        requirement = Requirement(text)
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier
        # a pin would keep others from installing this beside what they have
        assert not any(one.operator in ("==", "===") for one in requirement.specifier), text


def test_locks_pin_nothing_twice() -> None:
    assert not set(locked("requirements.lock")) & set(locked("benchmarks/peers.lock"))


def test_the_same_pythons_everywhere() -> None:
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{minor}" for minor in range(30) if f"3.{minor}" in supported] == PYTHONS
    prefix = "Programming Language :: Python :: 3."
    classified = [one[len(prefix) - 2 :] for one in PROJECT["classifiers"] if prefix in one]
    assert classified == PYTHONS
    [made] = re.findall(r"^SUPPORTED := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert made.split() == PYTHONS


def test_one_version() -> None:
    assert "version" not in PROJECT
    assert metadata("steeldefect")["Version"] == steeldefect.__version__

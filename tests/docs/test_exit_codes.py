"""The documents list every exit code; the README gives each the meaning that the code states."""

from __future__ import annotations

import ast
import inspect
import re
from itertools import pairwise

import pytest
from documents import ROOT

from steeldefect import exit_codes
from steeldefect.exit_codes import ExitCode

_ROW = re.compile(r"^\| ([\d, ]+) \| ([^|]+) \|", re.MULTILINE)


def stated() -> dict[int, str]:
    """Return the text below each member of `ExitCode`, without its full stop."""
    tree = ast.parse(inspect.getsource(exit_codes))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
    found = {}
    for member, text in pairwise(body):
        if isinstance(member, ast.Assign):
            assert isinstance(text, ast.Expr)
            found[ast.literal_eval(member.value)] = ast.literal_eval(text.value).rstrip(".")
    return found


def listed(text: str, heading: str) -> dict[int, str]:
    """Return code and meaning from the table that begins with `heading`."""
    table = text[text.index(heading) :].partition("\n\n")[0]
    return {
        int(code): meaning for codes, meaning in _ROW.findall(table) for code in codes.split(",")
    }


def test_every_code_states_its_meaning() -> None:
    assert list(stated()) == [code.value for code in ExitCode]
    assert all(stated().values())


def test_the_readme_lists_the_codes_with_their_meanings() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = listed(text, "| code | meaning |")
    assert {code: meaning.lower() for code, meaning in found.items()} == {
        code: meaning.lower() for code, meaning in stated().items()
    }


def test_operations_lists_all_codes() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert set(ExitCode) <= set(listed(text, "| code | it means | do |"))


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("| 1 | a |\n| 2, 3 | b | c |", {1: "a", 2: "b", 3: "b"}),
        ("| 1 | a |\n\n| 2 | b |", {1: "a"}),  # another table
    ],
)
def test_only_the_rows_of_one_table_are_read(rows: str, found: dict[int, str]) -> None:
    assert listed(f"| 9 | x |\n\n| code |\n|---|\n{rows}", "| code |") == found

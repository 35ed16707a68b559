"""Addresses that spark-submit passes on: its Java reads them in its locale."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.samples import Ended, spark_submit

from steeldefect.errors import SettingsError

pytestmark = pytest.mark.spark

PROGRAM = """
import sys
from steeldefect.program.command import CommandParser, run_command
from steeldefect.stores import open_store

parser = CommandParser(prog="opens")
parser.add_argument("--output")
sys.exit(run_command(parser, lambda given: print(ascii(open_store(given.output).uri))))
"""
UNSET = {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""}  # as in a crontab


def opened(address: str, folder: Path, environment: dict[str, str]) -> Ended:
    program = folder / "opens.py"
    program.write_text(PROGRAM, encoding="utf-8")
    return spark_submit(str(program), "--output", address, **(UNSET | environment))


@pytest.mark.parametrize(
    ("address", "environment"),
    [
        ("/data/tabellen für Linie", {}),
        ("s3://plant/tabellen für Linie", {"LC_ALL": "C"}),
        ("/data/tabellen für Linie", {"LANG": "xx_XX.UTF-8"}),  # named, but not installed
        (
            "/data/tabellen für Linie",
            {"LC_ALL": "C", "JAVA_TOOL_OPTIONS": "-Dsun.jnu.encoding=UTF-8"},
        ),
    ],
)
def test_an_address_that_java_did_not_pass_on_is_refused(
    address: str, environment: dict[str, str], tmp_path: Path
) -> None:
    ended = opened(address, tmp_path, environment)
    assert ended.code == SettingsError.exit_code, ended.out + ended.err
    assert "is not what was typed" in ended.out + ended.err
    assert "set LC_ALL=C.UTF-8" in ended.out + ended.err


@pytest.mark.parametrize(
    ("address", "environment"),
    [
        ("/data/tabellen für Linie?", {"LC_ALL": "C.UTF-8"}),
        ("/data/tabellen für Linie?", {"LANG": "C.UTF-8"}),
        ("/data/tables of line 1", {"LC_ALL": "C"}),
    ],
)
def test_other_addresses_arrive_as_they_are(
    address: str, environment: dict[str, str], tmp_path: Path
) -> None:
    ended = opened(address, tmp_path, environment)
    assert ended.code == 0, ended.out + ended.err
    assert ascii(address) in ended.out

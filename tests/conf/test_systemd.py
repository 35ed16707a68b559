"""The units for systemd: valid for systemd itself, with arguments that the job accepts."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
from support.samples import ROOT

from steeldefect.commands.report import add_arguments as add_report_arguments
from steeldefect.commands.score import add_arguments
from steeldefect.exit_codes import ExitCode
from steeldefect.program.command import CommandParser

UNITS = ROOT / "conf/systemd"


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    text = (UNITS / name).read_text().replace("\\\n", " ")
    parser.read_string(text)
    return parser


def test_systemd_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed here")
    for one in UNITS.iterdir():
        # the program of the unit has to exist, and its user
        text = one.read_text()
        for program_of_unit in ("spark-submit", "steeldefect"):
            text = text.replace(f"/opt/steeldefect/.venv/bin/{program_of_unit}", "/bin/true")
        (tmp_path / one.name).write_text(text.replace("User=steeldefect", "User=root"))
    units = [str(tmp_path / one.name) for one in UNITS.iterdir()]
    done = subprocess.run(
        [program, "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = [line for line in done.stderr.splitlines() if "steeldefect" in line]
    assert (done.returncode, said) == (0, [])


def test_the_job_accepts_the_arguments() -> None:
    words = unit("steeldefect.service")["Service"]["ExecStart"].split()
    job = words.index("jobs/score.py")
    assert all((ROOT / one).exists() for one in words[job - 1 : job + 1])
    parser = CommandParser()
    add_arguments(parser)
    asked = parser.parse_args(words[job + 1 :])
    assert (asked.input, asked.output) == ("s3://plant/archive", "s3://plant/tables")
    assert asked.metrics_file.suffix == ".prom"


def test_the_page_is_written_after_every_run_and_fails_none() -> None:
    words = unit("steeldefect.service")["Service"]["ExecStopPost"].split()
    assert words[0].startswith("-")  # systemd ignores how it ends
    assert words[1] == "report"
    parser = CommandParser()
    add_report_arguments(parser)
    asked = parser.parse_args(words[2:])
    assert (asked.output, asked.to) == ("s3://plant/tables", "s3://plant/pages")


def test_what_may_pass_is_tried_again_and_nothing_else() -> None:
    service = unit("steeldefect.service")["Service"]
    never = {int(word) for word in service["RestartPreventExitStatus"].split()}
    of_a_run = set(ExitCode) - {ExitCode.DONE, ExitCode.QUERY, ExitCode.PROMOTION, ExitCode.DRIFT}
    assert service["Restart"] == "on-failure"
    assert of_a_run - never == {ExitCode.STORE, ExitCode.OUTPUT_BUSY, ExitCode.WAVE}


def test_the_timer_starts_the_service_each_night() -> None:
    timer = unit("steeldefect.timer")
    assert timer["Timer"]["Persistent"] == "true"
    assert "Unit" not in timer["Timer"]  # so it starts the service of its own name


def test_the_driver_is_the_python_of_the_environment() -> None:
    """In standalone.conf, the driver is python3; the path of systemd itself holds another one."""
    service = unit("steeldefect.service")["Service"]
    programs = Path(service["ExecStart"].split()[0]).parent
    assert f"PATH={programs}:" in service["Environment"]

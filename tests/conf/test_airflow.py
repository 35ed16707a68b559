"""The DAG for Airflow: its parser loads it, and its commands are ones that this project accepts.

Airflow has an environment of its own (`make test-airflow`): its dependencies do not fit beside
ours. So the tests named after Airflow run there, and the others read the file without Airflow.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "conf/airflow"
FILE = FOLDER / "steeldefect_dag.py"


def test_airflow_loads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    pytest.importorskip("airflow", reason="needs Airflow: make test-airflow")
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(FOLDER))
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    assert (dag.dag_id, dag.max_active_runs, dag.catchup) == ("steeldefect", 1, False)
    score, page = (dag.get_task(name) for name in ("score", "page"))
    assert page.upstream_task_ids == {"score"}
    assert page.is_teardown
    assert score.retries == 8


# in a process of its own: Airflow reads its settings when it is imported
RUN_ONCE = """
from airflow.dag_processing.dagbag import DagBag
(dag,) = DagBag().dags.values()
ended = dag.test()
states = {one.task_id: str(one.state) for one in ended.get_task_instances()}
print("ended:", ended.state, states["score"], states["page"])
"""


@pytest.mark.parametrize(
    ("score", "page", "judged"),
    [
        (0, 0, "success success success"),
        (7, 0, "failed failed success"),  # the page is written, and hides nothing
        (0, 1, "success success failed"),
    ],
)
def test_airflow_judges_a_run_by_scoring(
    score: int, page: int, judged: str, tmp_path: Path
) -> None:
    pytest.importorskip("airflow", reason="needs Airflow: make test-airflow")
    programs, dags = tmp_path / ".venv/bin", tmp_path / "dags"
    for folder in (programs, dags):
        folder.mkdir(parents=True)
    for name, code in (("spark-submit", score), ("steeldefect", page)):
        (programs / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (programs / name).chmod(0o755)
    (dags / FILE.name).write_text(FILE.read_text().replace("/opt/steeldefect", str(tmp_path)))
    settings = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for words in (["db", "migrate"], ["dags", "reserialize"]):
        command = [sys.executable, "-m", "airflow", *words]
        subprocess.run(command, env=settings, check=True, capture_output=True, timeout=120)
    ended = subprocess.run(
        [sys.executable, "-c", RUN_ONCE],
        env=settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert f"ended: {judged}\n" in ended.stdout, ended.stderr


class _Fail(Exception):
    """Stands for Airflow's exception of a task that is not tried again."""


class _Again(Exception):
    """Stands for Airflow's exception of a task that may be tried again."""


@pytest.fixture
def commands() -> ModuleType:
    """Load the file with stand-ins for Airflow, to reach its function `start`."""
    sdk, exceptions = ModuleType("airflow.sdk"), ModuleType("airflow.sdk.exceptions")
    sdk.dag = sdk.task = lambda **_: lambda function: lambda: None  # type: ignore[attr-defined]
    exceptions.AirflowException = _Again  # type: ignore[attr-defined]
    exceptions.AirflowFailException = _Fail  # type: ignore[attr-defined]
    stated = {"airflow": ModuleType("airflow"), "airflow.sdk": sdk}
    module = ModuleType("steeldefect_dag")
    with patch.dict(sys.modules, stated | {"airflow.sdk.exceptions": exceptions}):
        exec(compile(FILE.read_text(), str(FILE), "exec"), module.__dict__)  # noqa: S102
    return module


def _calls() -> dict[str, list[str]]:
    """Return the words of each call of `start` in the file, by the name of its task."""
    found = {}
    for function in ast.walk(ast.parse(FILE.read_text())):
        if isinstance(function, ast.FunctionDef) and function.name in ("score", "page"):
            words = ast.unparse(function.body[-1]).removeprefix("start")
            names = {"INPUT": "in", "BUNDLE": "bundle", "TABLES": "out", "PAGES": "pages"}
            found[function.name] = list(eval(words, {"__builtins__": {}}, names))  # noqa: S307
    return found


def test_the_programs_accept_the_arguments() -> None:
    from steeldefect.commands import report, score
    from steeldefect.program.command import CommandParser

    calls = _calls()
    words = calls["score"]
    job = words.index("jobs/score.py")
    assert all((ROOT / one).exists() for one in words[job - 1 : job + 1])
    for module, given in ((score, words[job + 1 :]), (report, calls["page"][2:])):
        parser = CommandParser()
        module.add_arguments(parser)
        assert parser.parse_args(given).output == "out"
    assert calls["page"][:2] == ["steeldefect", "report"]


@pytest.mark.parametrize("code", range(16))
def test_what_may_pass_is_tried_again_and_nothing_else(
    code: int, commands: ModuleType, tmp_path: Path
) -> None:
    from steeldefect.exit_codes import ExitCode

    program = tmp_path / ".venv/bin/program"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    commands.HOME = str(tmp_path)  # type: ignore[attr-defined]
    if code == 0:
        commands.start("program")
        return
    may_pass = code in (ExitCode.STORE, ExitCode.OUTPUT_BUSY, ExitCode.WAVE)
    with pytest.raises(_Again if may_pass else _Fail, match=f"exit code {code}"):
        commands.start("program")

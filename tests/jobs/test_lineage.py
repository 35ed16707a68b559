"""OpenLineage events of real runs: what they name, and that a lineage server ends no run."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from openlineage.client.event_v2 import RunState
from support.archives import rows, salt
from support.samples import fill_archive, score_arguments
from support.short_runs import score_without_spark

from steeldefect.bundle.files import Bundle
from steeldefect.publish import lineage
from steeldefect.publish.lineage import dataset_name, openlineage_id
from steeldefect.tables.schema import SCHEMAS, TableName


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the client write to a file, by its own configuration."""
    file, config = tmp_path / "events.json", tmp_path / "openlineage.yml"
    stated = {"transport": {"type": "file", "log_file_path": str(file), "append": True}}
    config.write_text(json.dumps(stated))  # JSON is YAML
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(config))
    return file


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def score(source: Path, bundle: Bundle, output: Path, *more: str) -> int:
    asked = [*score_arguments(source, bundle.folder, output), "--lineage"]
    return score_without_spark([*asked, "--set", "max_failure_share=1", *more])


def test_a_run_names_archive_bundles_and_tables(
    rule_bundle: Bundle, int8_bundle: Bundle, tmp_path: Path, events: Path
) -> None:
    source, output = fill_archive(tmp_path / "archive", 3), tmp_path / "out"
    salt(source)
    assert score(source, rule_bundle, output, "--shadow", str(int8_bundle.folder)) == 0
    begun, ended = read(events)
    led = next(one for one in rows(output, TableName.RUNS) if one["shadow_of"] is None)
    assert [one["eventType"] for one in (begun, ended)] == ["START", "COMPLETE"]
    for one in (begun, ended):
        assert one["run"]["runId"] == openlineage_id(led["run_id"])
        assert one["job"] == {
            "namespace": "steeldefect",
            "name": f"score {output}",
            "facets": {},
        }
        inputs = [(each["namespace"], each["name"]) for each in one["inputs"]]
        folders = (source, rule_bundle.folder, int8_bundle.folder)
        assert inputs == [("file", str(folder)) for folder in folders]
        digests = [each["facets"]["version"]["datasetVersion"] for each in one["inputs"][1:]]
        assert digests == [rule_bundle.digest, int8_bundle.digest]
        tags = {each["key"]: each["value"] for each in one["run"]["facets"]["tags"]["tags"]}
        assert tags["run_id"] == led["run_id"]
        for each in one["outputs"]:
            table = TableName(Path(each["name"]).name)
            assert each["name"] == str(output / table.value)
            fields = [field["name"] for field in each["facets"]["schema"]["fields"]]
            assert fields == SCHEMAS[table].columns.names
    counted = {Path(one["name"]).name: one["outputFacets"] for one in ended["outputs"]}
    assert counted["images"]["outputStatistics"]["rowCount"] == led["scored"] > 0
    assert counted["quarantine"]["outputStatistics"]["rowCount"] == led["quarantined"] > 0
    files = ended["inputs"][0]["inputFacets"]["inputStatistics"]["fileCount"]
    assert files == led["scored"] + led["quarantined"]
    assert begun["eventTime"] <= ended["eventTime"]


def test_a_run_that_fails_says_why(rule_bundle: Bundle, tmp_path: Path, events: Path) -> None:
    source, output = fill_archive(tmp_path / "archive", 3), tmp_path / "out"
    salt(source)
    assert score(source, rule_bundle, output, "--set", "max_failure_share=0") == 7
    begun, ended = read(events)
    assert (begun["eventType"], ended["eventType"]) == ("START", "FAIL")
    assert "FailureShareError" in ended["run"]["facets"]["errorMessage"]["message"]


def test_a_run_that_is_interrupted_is_aborted(
    rule_bundle: Bundle, tmp_path: Path, events: Path
) -> None:
    source, output = fill_archive(tmp_path / "archive", 3), tmp_path / "out"
    with patch("steeldefect.run.ScoringRun.publish", side_effect=KeyboardInterrupt):
        assert score(source, rule_bundle, output) == 130
    assert [one["eventType"] for one in read(events)] == ["START", "ABORT"]


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Start a server that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_hangs_holds_nobody_up(
    silent_server: str,
    rule_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", silent_server)
    monkeypatch.setattr(lineage, "_SECONDS", 0.3)
    source, output = fill_archive(tmp_path / "archive", 3), tmp_path / "out"
    with caplog.at_level(logging.WARNING):
        assert score(source, rule_bundle, output) == 0
    said = [one.getMessage() for one in caplog.records if "lineage server" in one.getMessage()]
    assert [re.findall("START|COMPLETE", one) for one in said] == [["START"], ["COMPLETE"]]
    (run,) = rows(output, TableName.RUNS)
    assert (run["outcome"], run["scored"]) == ("success", 3)


def test_a_server_that_refuses_costs_one_warning_an_event(
    rule_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{port}")
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert score(fill_archive(tmp_path / "a", 2), rule_bundle, tmp_path / "out") == 0
    own = [one for one in caplog.records if one.name.startswith("steeldefect")]
    said = [one.getMessage() for one in own if one.levelno >= logging.WARNING]
    assert [one.split(":")[0] for one in said] == [
        "lineage event START is lost",
        "lineage event COMPLETE is lost",
    ]
    assert time.monotonic() - began < 60


def test_without_the_extra_it_is_refused(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch("importlib.util.find_spec", return_value=None):
        assert score(fill_archive(tmp_path / "a", 2), rule_bundle, tmp_path / "out") == 2
    assert 'pip install "steeldefect[lineage]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_follow_openlineages_naming() -> None:
    from openlineage.client.naming.dataset import S3, LocalFileSystem

    s3 = S3("plant", "archive/2026")
    assert dataset_name("s3://plant/archive/2026/") == (s3.get_namespace(), s3.get_name())
    assert dataset_name("s3://plant") == ("s3://plant", "/")
    file = LocalFileSystem("/data/archive")
    assert dataset_name("/data/archive") == (file.get_namespace(), file.get_name())
    assert dataset_name("file:///data/archive") == dataset_name("/data/archive")


def test_states_are_those_of_the_client() -> None:
    assert {"START", "COMPLETE", "FAIL", "ABORT"} <= {one.name for one in RunState}

"""The metrics file, read back by Prometheus' own client: what it says, and that it ends no run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.archives import rows, salt
from support.samples import fill_archive, score_arguments
from support.short_runs import score_without_spark

from steeldefect.bundle.files import Bundle
from steeldefect.publish.metrics_file import MetricsFile
from steeldefect.tables.schema import TableName

Samples = dict[tuple[str, ...], float]


def samples(file: Path) -> Samples:
    """Return values by name and labels (sorted by name), without what begins all names."""
    found: Samples = {}
    for family in text_string_to_metric_families(file.read_text(encoding="utf-8")):
        assert family.documentation
        for one in family.samples:
            name = one.name.removeprefix("steeldefect_").removeprefix("run_")
            found[name, *one.labels.values()] = float(one.value)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "collector" / "steeldefect.prom"


def score(source: Path, bundle: Bundle, output: Path, file: Path, *more: str) -> int:
    file.parent.mkdir(exist_ok=True)
    asked = [*score_arguments(source, bundle.folder, output), "--metrics-file", str(file)]
    return score_without_spark([*asked, "--set", "max_failure_share=1", *more])


def test_the_file_says_what_the_tables_say(rule_bundle: Bundle, tmp_path: Path, file: Path) -> None:
    source, output = fill_archive(tmp_path / "archive", 9), tmp_path / "out"
    salt(source)
    before = time.time()
    assert score(source, rule_bundle, output, file) == 0
    found = samples(file)
    (run,) = rows(output, TableName.RUNS)
    for state in ("planned", "skipped", "scored", "quarantined", "defective"):
        assert found["pictures", "leading", state] == run[state]
    assert found["pictures", "leading", "scored"] >= 9
    assert found["info", run["bundle"], "leading", run["run_id"]] == 1
    assert found["waves", "leading"] == run["waves"] == 1
    assert found["pictures_per_second", "leading"] == pytest.approx(run["pictures_per_second"])
    assert ("stage_seconds", "leading", "publish") in found
    assert (found["exit_code",], found["drift_alarms",], found["repeats",]) == (0, 0, 0)
    begin, end, success = (
        found[f"{name}_timestamp_seconds",] for name in ("start", "end", "last_success")
    )
    assert before <= begin <= success <= end <= time.time()
    assert [one.name for one in file.parent.iterdir()] == [file.name]  # nothing half-written


def test_a_failure_keeps_the_last_success(rule_bundle: Bundle, tmp_path: Path, file: Path) -> None:
    source, output = fill_archive(tmp_path / "archive", 2), tmp_path / "out"
    assert score(source, rule_bundle, output, file) == 0
    success = samples(file)["last_success_timestamp_seconds",]
    assert score(tmp_path / "nothing", rule_bundle, output, file) == 5
    found = samples(file)
    assert found["exit_code",] == 5
    assert found["last_success_timestamp_seconds",] == success
    assert not any(name[0] == "pictures" for name in found)


def test_a_run_that_works_has_no_end(rule_bundle: Bundle, tmp_path: Path, file: Path) -> None:
    source, output = fill_archive(tmp_path / "archive", 6), tmp_path / "out"
    seen: list[Samples] = []
    write = MetricsFile.write

    def spied(metrics: MetricsFile, code: Any = None) -> None:
        write(metrics, code)
        seen.append(samples(file))

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(MetricsFile, "write", spied)
        assert score(source, rule_bundle, output, file, "--set", "wave_pictures=3") == 0
    done = [one.get(("pictures", "leading", "scored")) for one in seen]
    assert done == [None, 3, 6, 6]
    assert [("end_timestamp_seconds",) in one for one in seen] == [False, False, False, True]


def test_a_shadow_has_a_role_of_its_own(
    rule_bundle: Bundle, int8_bundle: Bundle, tmp_path: Path, file: Path
) -> None:
    source, output = fill_archive(tmp_path / "archive", 3), tmp_path / "out"
    assert score(source, rule_bundle, output, file, "--shadow", str(int8_bundle.folder)) == 0
    found = samples(file)
    assert found["pictures", "shadow", "scored"] == 3
    roles = {(name[2], name[1]) for name in found if name[0] == "info"}
    assert roles == {("leading", rule_bundle.digest), ("shadow", int8_bundle.digest)}


@pytest.mark.parametrize(
    ("name", "problem"),
    [("metrics.txt", "the name must end with .prom"), ("no/folder/a.prom", "there is no folder")],
)
def test_a_file_that_nobody_would_read_is_refused(
    name: str,
    problem: str,
    rule_bundle: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = fill_archive(tmp_path / "archive", 1), tmp_path / "out"
    asked = [*score_arguments(source, rule_bundle.folder, output)]
    assert score_without_spark([*asked, "--metrics-file", str(tmp_path / name)]) == 2
    assert problem in capsys.readouterr().err
    assert not output.exists()


def test_a_file_that_cannot_be_written_or_read_ends_no_run(
    rule_bundle: Bundle, tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, output = fill_archive(tmp_path / "archive", 2), tmp_path / "out"
    file.mkdir(parents=True)  # a folder in its place
    assert score(source, rule_bundle, output, file) == 0
    assert "the metrics file cannot be written" in caplog.text
    assert "the metrics file of the last run cannot be read" in caplog.text
    assert len(rows(output, TableName.IMAGES)) == 2

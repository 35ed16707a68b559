"""The jobs as functions, in a caller's session and in their own session."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession
from support.archives import answers, rows
from support.samples import fill_archive, run_program, score_arguments

import steeldefect
from jobs import evaluate as evaluate_job
from jobs import score as score_job
from steeldefect.bundle.files import Bundle
from steeldefect.errors import (
    EmptyInputError,
    FailureShareError,
    SettingsError,
    TableError,
)
from steeldefect.spark.callers_session import require_usable
from steeldefect.tables.schema import TableName

pytestmark = pytest.mark.spark

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ALONE = """
import signal, sys
import steeldefect
from pyspark import SparkContext

before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
result = steeldefect.score(*sys.argv[1:4], settings={"wave_pictures": 2})
print(result.scored, result.waves, SparkContext._active_spark_context)
report = steeldefect.evaluate(sys.argv[3], sys.argv[4])
print(report.value("positives_dice"), SparkContext._active_spark_context)
print(before == [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)])
"""


@dataclass(frozen=True)
class ByJobs:
    """Output of the jobs: the tables, and the labels that the evaluation compared them with."""

    output: Path
    labels: Path


@pytest.fixture(scope="module")
def by_jobs(archive: Path, rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> ByJobs:
    """Tables of the jobs; the labels are all findings except one."""
    folder = tmp_path_factory.mktemp("jobs")
    output, labels = folder / "output", folder / "train.csv"
    words = score_arguments(archive, rule_bundle.folder, output)
    assert score_job.main([*words, "--set", "max_failure_share=0.5"]) == 0
    found = rows(output, TableName.PREDICTIONS, "image_id", "class_id", "run_lengths")
    lines = [f"{row['image_id']},{row['class_id']},{row['run_lengths']}" for row in found[1:]]
    labels.write_text("\n".join(["ImageId,ClassId,EncodedPixels", *lines, ""]))
    assert evaluate_job.main(["--output", str(output), "--labels", str(labels)]) == 0
    return ByJobs(output, labels)


@pytest.fixture(scope="module")
def spark(by_jobs: ByJobs, spark: SparkSession) -> SparkSession:
    """A session that is opened after the jobs have stopped theirs."""
    return spark


@pytest.fixture(scope="module")
def labels(by_jobs: ByJobs) -> Path:
    return by_jobs.labels


def test_scoring_says_what_it_did_and_leaves_the_session_open(
    spark: SparkSession, rule_bundle: Bundle, tmp_path: Path
) -> None:
    source = fill_archive(tmp_path / "pictures", 7)
    before = [signal.getsignal(one) for one in SIGNALS]
    result = steeldefect.score(
        source, rule_bundle.folder, tmp_path / "output", spark=spark, settings={"wave_pictures": 3}
    )
    assert (result.planned, result.skipped, result.scored, result.quarantined) == (7, 0, 7, 0)
    assert (result.defective, result.waves, result.bundle) == (4, 3, rule_bundle.digest)
    assert str(result).startswith("scored 7 pictures (4 with defects, 0 in quarantine, 0 skipped)")
    assert [row["run_id"] for row in rows(tmp_path / "output", TableName.RUNS, "run_id")] == [
        result.run_id
    ]
    again = steeldefect.score(source, rule_bundle.folder, tmp_path / "output")
    assert (again.scored, again.skipped, again.seconds) == (0, 7, 0)
    assert spark.range(3).count() == 3
    assert [signal.getsignal(one) for one in SIGNALS] == before


def test_functions_and_jobs_write_the_same(
    by_jobs: ByJobs, spark: SparkSession, output: Path
) -> None:
    evaluated = steeldefect.evaluate(output, by_jobs.labels)
    assert spark.range(3).count() == 3
    other = by_jobs.output
    assert answers(other) == answers(output)
    columns = ("name", "class_id", "scope", "support", "value")
    assert rows(other, TableName.METRICS, *columns) == rows(output, TableName.METRICS, *columns)
    names = ("name", "class_id", "size_class", "value", "low", "high")
    stored = {
        tuple(row[name] for name in names)
        for row in rows(output, TableName.METRICS)
        if row["run_id"] == evaluated.run_id
    }
    assert {tuple(getattr(one, name) for name in names) for one in evaluated.scores} == stored


def test_an_evaluation_gives_its_metrics(spark: SparkSession, output: Path, labels: Path) -> None:
    result = steeldefect.evaluate(str(output), str(labels), spark=spark)
    frame = result.metrics()
    columns = ["scope", "class_id", "name", "value", "support", "size_class", "low", "high"]
    assert list(frame.columns) == columns
    assert len(frame) == len(result.scores)
    assert 0 < (result.value("mean_dice") or 0) < 1
    assert result.value("positives_dice", 1) is not None
    with pytest.raises(KeyError, match="nosuch of class 9"):
        result.value("nosuch", 9)
    assert str(result) == result.report
    assert "gate, by picture:" in result.report
    assert result.run_id in {row["run_id"] for row in rows(output, TableName.METRICS, "run_id")}


def test_without_a_session_there_is_a_local_one_for_as_long_as_it_takes(
    rule_bundle: Bundle, labels: Path, tmp_path: Path
) -> None:
    source = fill_archive(tmp_path / "pictures", 4)
    words = map(str, (source, rule_bundle.folder, tmp_path / "output", labels))
    ended = run_program("-c", ALONE, *words)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == ["4 2 None", "1.0 None", "True"]


def test_errors_are_those_of_this_project(
    spark: SparkSession, archive: Path, labels: Path, rule_bundle: Bundle, tmp_path: Path
) -> None:
    bundle, output = rule_bundle.folder, tmp_path / "output"
    with pytest.raises(SettingsError, match=r"wave_picture: no such setting \(did you mean wave"):
        steeldefect.score(archive, bundle, output, settings={"wave_picture": 3})
    with pytest.raises(EmptyInputError):
        steeldefect.score(labels.parent, bundle, output)
    with pytest.raises(FailureShareError):
        steeldefect.score(archive, bundle, output, spark=spark)
    with pytest.raises(TableError, match="nothing was scored"):
        steeldefect.evaluate(output, labels)
    assert spark.range(3).count() == 3


def test_sessions_of_spark_connect_are_refused() -> None:
    class Remote:
        """A session without `sparkContext`, like that of Spark Connect."""

    with pytest.raises(SettingsError, match="one of Spark Connect"):
        require_usable(Remote())  # type: ignore[arg-type]


def test_a_session_that_has_ended_is_refused(tmp_path: Path) -> None:
    context = SparkContext.__new__(SparkContext)
    context._jsc = None  # as `stop` leaves it
    ended = SparkSession.__new__(SparkSession)
    ended._sc = context
    with pytest.raises(SettingsError, match=r"session has ended.*open another one"):
        steeldefect.evaluate(tmp_path / "tables", tmp_path, spark=ended)

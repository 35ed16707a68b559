"""The watch of whole runs: rows in tables, recounted in pandas; reruns; missing references."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pandas as pd
import pytest
from support.samples import fill_archive, score_arguments
from support.short_runs import score_without_spark

from steeldefect.bundle.files import Bundle
from steeldefect.cli import main as steeldefect
from steeldefect.errors import TableError
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
from steeldefect.watch.behind_gate import estimate_hidden
from steeldefect.watch.watch import watch_run
from steeldefect.watch_settings import WatchSettings

PICTURES = 90


@pytest.fixture(scope="module")
def output(strict_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of two nights."""
    folder = tmp_path_factory.mktemp("nights")
    for night in ("one", "two"):
        fill_archive(folder / "archive" / night, PICTURES)
        arguments = score_arguments(folder / "archive", strict_bundle.folder, folder / "output")
        assert score_without_spark([*arguments, "--set", "audit_share=0.5"]) == 0
    return folder / "output"


def rows(output: Path, table: TableName) -> pd.DataFrame:
    frame: pd.DataFrame = Tables(open_store(str(output))).read(table).to_pandas()
    return frame


def no_spark() -> AbstractContextManager[object]:
    raise AssertionError("Spark is not needed")


def test_a_run_ends_with_its_watch(output: Path) -> None:
    runs = rows(output, TableName.RUNS).sort_values("run_number")
    metrics = rows(output, TableName.METRICS)
    assert set(metrics["run_id"]) == set(runs["run_id"])
    assert len(runs) == 2
    for run in runs.itertuples():
        assert set(metrics.loc[metrics["run_id"] == run.run_id, "run_number"]) == {run.run_number}


def test_what_the_gate_hides_is_recounted_in_pandas(output: Path) -> None:
    images, metrics = rows(output, TableName.IMAGES), rows(output, TableName.METRICS)
    found = rows(output, TableName.PREDICTIONS)
    for run_id, of_run in images.groupby("run_id"):
        stopped = of_run[of_run["verdict"] == "gated"]
        audited = stopped[stopped["audit_defects"].notna()]
        hidden = estimate_hidden(
            len(stopped), len(audited), int((audited["audit_defects"] > 0).sum())
        )
        bright = found[found["audit"] & (found["run_id"] == run_id) & (found["class_id"] == 1)]
        mine = metrics[(metrics["run_id"] == run_id) & (metrics["labels"] == "audit")]
        for scope, estimate in (
            (mine[mine["scope"] == "overall"], hidden),
            (mine[mine["class_id"] == 1], estimate_hidden(len(stopped), len(audited), len(bright))),
            (mine[mine["class_id"] == 2], estimate_hidden(len(stopped), len(audited), 0)),
        ):
            named = scope.set_index("name")
            rate, pictures = named.loc["behind_gate_rate"], named.loc["behind_gate_pictures"]
            assert (rate["value"], rate["low"], rate["high"]) == pytest.approx(
                (estimate.rate, estimate.low, estimate.high)
            )
            assert pictures["value"] == pytest.approx((estimate.rate or 0) * len(stopped))
            assert rate["support"] == len(audited)


def test_expected_recall_is_the_sum_of_probabilities(output: Path) -> None:
    images, metrics = rows(output, TableName.IMAGES), rows(output, TableName.METRICS)
    for run_id, of_run in images.groupby("run_id"):
        passed = of_run["verdict"] != "gated"
        chance = of_run["gate_probability"].astype(float)
        named = metrics[metrics["run_id"] == run_id].set_index("name")
        recall, precision = (named.loc[f"expected_gate_{one}"] for one in ("recall", "precision"))
        assert recall["value"] == pytest.approx(chance[passed].sum() / chance.sum())
        assert precision["value"] == pytest.approx(chance[passed].mean())
        assert recall["invalid"] is not None  # without a reference nobody knows


def test_watching_again_replaces_the_rows_and_leaves_others(output: Path) -> None:
    before = rows(output, TableName.METRICS)
    newest = before.loc[before["run_number"].idxmax(), "run_id"]
    assert steeldefect(["watch", "--output", str(output)]) == 0
    assert steeldefect(["watch", "--output", str(output), "--run", newest]) == 0
    columns = ["run_id", "name", "scope", "class_id", "value", "low", "high", "labels"]
    one, other = (
        frame[columns].sort_values(columns[:4]).reset_index(drop=True)
        for frame in (before, rows(output, TableName.METRICS))
    )
    pd.testing.assert_frame_equal(one, other)
    assert steeldefect(["maintain", "--output", str(output), "--check"]) == 0


def test_a_night_is_compared_with_a_named_run(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = rows(output, TableName.RUNS).sort_values("run_number")["run_id"].tolist()
    words = ["watch", "--output", str(output), "--reference", runs[0], "--fail-on-drift"]
    assert steeldefect(words) == 0, "the same pictures under new keys"
    assert "no drift" in capsys.readouterr().out
    drift = rows(output, TableName.DRIFT)
    assert set(drift["run_id"]) == {runs[1]}
    assert set(drift["reference"]) == {f"run {runs[0]}"}
    images = rows(output, TableName.IMAGES)
    mean = drift[(drift["quantity"] == "gray_mean") & drift["camera"].isna()].iloc[0]
    medians = images.groupby("run_id")["gray_mean"].median()
    assert mean["reference_value"] == pytest.approx(medians[runs[0]], rel=1e-5)
    assert mean["night_value"] == pytest.approx(medians[runs[1]], rel=1e-5)


def test_without_a_reference_the_watch_says_so(output: Path) -> None:
    watched = watch_run(open_store(str(output)), WatchSettings(), None, no_spark)
    assert watched.drift is None
    assert any("no reference" in note for note in watched.notes)
    assert "coils are not known" in watched.report()


def test_a_run_that_is_not_there_is_named(output: Path) -> None:
    with pytest.raises(TableError, match="no scoring run begins with 1999"):
        watch_run(open_store(str(output)), WatchSettings(), "1999", no_spark)


def test_the_watch_can_be_switched_off(strict_bundle: Bundle, tmp_path: Path) -> None:
    source = fill_archive(tmp_path / "archive", 3)
    arguments = score_arguments(source, strict_bundle.folder, tmp_path / "output")
    assert score_without_spark([*arguments, "--set", "watch.after_score=false"]) == 0
    assert rows(tmp_path / "output", TableName.METRICS).empty

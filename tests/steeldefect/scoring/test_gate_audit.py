"""The audit of the gate: a share of the stopped pictures is segmented, and counts as no finding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.samples import fill_archive, score_arguments
from support.short_runs import score_without_spark

from steeldefect.analysis.sql import kaggle_rows, query
from steeldefect.bundle.files import Bundle
from steeldefect.cli import main as steeldefect
from steeldefect.scoring.gate_audit import is_audited
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

PICTURES = 60
SHARE = 0.4


@pytest.fixture(scope="module")
def output(strict_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a run with an audit."""
    folder = tmp_path_factory.mktemp("audited")
    source = fill_archive(folder / "archive", PICTURES)
    arguments = score_arguments(source, strict_bundle.folder, folder / "output")
    assert score_without_spark([*arguments, "--set", f"audit_share={SHARE}"]) == 0
    return folder / "output"


def test_the_share_that_is_chosen_is_the_one_asked_for() -> None:
    keys = [f"line 1/{number:05d}.jpg" for number in range(20_000)]
    for share in (0.0, 0.01, 0.3, 1.0):
        chosen = np.mean([is_audited("b" * 64, key, share) for key in keys])
        assert chosen == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(keys)))


def test_a_larger_share_contains_a_smaller_one_and_another_bundle_takes_others() -> None:
    keys = [str(number) for number in range(1_000)]
    few, more = ({key for key in keys if is_audited("b", key, share)} for share in (0.1, 0.2))
    assert few < more
    assert few != {key for key in keys if is_audited("c", key, 0.1)}


def test_the_pictures_chosen_are_segmented_and_stay_gated(
    output: Path, strict_bundle: Bundle
) -> None:
    rows = Tables(open_store(str(output))).read(TableName.IMAGES).to_pylist()
    assert len(rows) == PICTURES
    audited = 0
    for row in rows:
        kind = int(row["key"][1:4]) % 3  # plain, class 1, both classes
        gated = kind < 2
        assert row["verdict"] == ("gated" if gated else "defect")
        chosen = gated and is_audited(strict_bundle.digest, row["key"], SHARE)
        expected = kind if chosen else None
        assert (row["audit_defects"], row["audit_regions"]) == (expected, expected)
        assert row["defects"] == (0 if gated else 2)
        audited += chosen
    assert 0 < audited < PICTURES * 2 / 3


def test_what_the_audit_finds_is_marked_and_left_out_of_findings(output: Path) -> None:
    store = open_store(str(output))
    tables = Tables(store)
    for table in (TableName.PREDICTIONS, TableName.DEFECTS):
        stored = tables.read(table).to_pandas()
        hidden = stored[stored["audit"]]
        assert 0 < len(hidden) < len(stored)
        assert set(hidden["class_id"]) == {1}
        shown = query(store, f"SELECT count(*) AS n, bool_or(audit) AS some FROM {table.value}")  # noqa: S608
        assert shown.to_pylist() == [{"n": len(stored) - len(hidden), "some": False}]
        asked = query(store, f"SELECT key FROM audit_{table.value} ORDER BY key")["key"].to_pylist()  # noqa: S608
        assert asked == sorted(hidden["key"])
    assert kaggle_rows(store, None, False).num_rows == PICTURES / 3 * 2
    assert query(store, "SELECT count(*) AS n FROM newest_defects")["n"].to_pylist() == [40]


def test_the_tables_of_an_audited_run_are_sound(output: Path) -> None:
    assert steeldefect(["maintain", "--output", str(output), "--check"]) == 0


def test_without_a_share_nothing_is_audited(strict_bundle: Bundle, tmp_path: Path) -> None:
    source = fill_archive(tmp_path / "archive", 6)
    arguments = score_arguments(source, strict_bundle.folder, tmp_path / "output")
    assert score_without_spark([*arguments, "--set", "audit_share=0"]) == 0
    tables = Tables(open_store(str(tmp_path / "output")))
    assert tables.read(TableName.IMAGES)["audit_defects"].null_count == 6
    assert not any(tables.read(TableName.PREDICTIONS)["audit"].to_pylist())

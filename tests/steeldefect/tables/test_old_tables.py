"""Tables of version 0.1 are read, completed, extended and maintained; newer ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake import Schema as DeltaSchema
from support.archives import unpack_old_output
from support.examples import finish
from support.nights import QUICK, origin_of, write_parts
from support.samples import fill_archive, score_arguments
from support.short_runs import score_without_spark

from steeldefect.analysis.sql import kaggle_rows, query
from steeldefect.bundle.files import open_bundle
from steeldefect.cli import main as steeldefect
from steeldefect.detection.selftest import check_selftest
from steeldefect.errors import NewerTableError
from steeldefect.plan.listing import LISTING
from steeldefect.plan.plan import dealt_with
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.lease import hold
from steeldefect.publish.wave_records import WaveRecord, pending_records
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store
from steeldefect.tables.delta import WITH_IMAGES, Tables
from steeldefect.tables.exchange import exchange_files
from steeldefect.tables.schema import SCHEMA_VERSION, SCHEMAS, TableName
from steeldefect.upkeep.health import check_tables, require_sound
from steeldefect.upkeep.keep_up import UpkeepRules, keep_up, preview
from steeldefect.upkeep.repair import Repair

ROWS = {
    TableName.IMAGES: ["key", "width", "height", "gate_probability", "verdict", "defects"],
    TableName.PREDICTIONS: ["key", "class_id", "run_lengths", "area", "box_top", "regions"],
}
SCORED = [f"p{number:03d}.png" for number in range(10)]
PENDING = ["p008.png", "p009.png"]


@pytest.fixture
def old(tmp_path: Path) -> Store:
    """An output of version 0.1 with a wave that is only partly published."""
    return open_store(str(unpack_old_output(tmp_path)))


@pytest.fixture
def bundle(old: Store) -> Path:
    """The bundle that scored it, of version 0.1."""
    return Path(f"{old.uri}-bundle")


def recover(store: Store) -> list[WaveRecord]:
    with hold(store, "newer", 5, QUICK) as held:
        return WaveLog(Tables(store)).recover(held.number)


def keys(store: Store, table: TableName) -> list[str]:
    return sorted(Tables(store).read(table, ["key"])["key"].to_pylist())


def test_all_of_it_is_read(old: Store) -> None:
    tables = Tables(old)
    rows = {table: tables.read(table) for table in TableName}
    for table, read in rows.items():
        assert read.schema.equals(SCHEMAS[table].columns)
        assert read["run_number"].null_count == read.num_rows
        assert (read.num_rows > 0) == (table not in WITH_IMAGES), "they came later"
    assert rows[TableName.IMAGES]["regions"].null_count == len(SCORED)
    assert keys(old, TableName.IMAGES) == SCORED
    assert keys(old, TableName.QUARANTINE) == ["empty.png"]
    assert rows[TableName.QUARANTINE].select(["tries", "given_up"]).to_pylist() == [
        {"tries": None, "given_up": None}
    ]


def test_a_wave_that_the_older_version_left_is_completed(old: Store) -> None:
    found = keys(old, TableName.PREDICTIONS)
    assert not set(PENDING) & set(found)
    assert check_tables(old) == []
    (record,) = recover(old)
    assert record.wave == 2
    assert keys(old, TableName.PREDICTIONS) == sorted(found + PENDING)
    assert keys(old, TableName.IMAGES) == SCORED
    assert pending_records(old) == []
    assert recover(old) == []
    assert not list(old.scan("_waves/recovered-by"))
    require_sound(old)


def test_queries_return_the_old_rows(old: Store) -> None:
    recover(old)
    counts = query(old, "select count(*) as n, sum(defects) as d from newest_images").to_pylist()
    assert counts == [{"n": 10, "d": 10}]
    assert query(old, "select count(*) as n from newest_predictions").to_pylist() == [{"n": 10}]
    assert query(old, "select key, tries from not_scored").to_pylist() == [
        {"key": "empty.png", "tries": None}
    ]
    outcomes = "select job, outcome, scored, run_number from runs order by scored_at"
    assert [tuple(row.values()) for row in query(old, outcomes).to_pylist()] == [
        ("score", "success", 6, None),
        ("evaluate", "success", 0, None),
        ("score", "running", 0, None),
    ]
    (row,) = query(old, "select engine, took from runs where scored = 6").to_pylist()
    assert "openvino on cpu at" in row["took"]
    assert row["engine"] == row["took"]
    assert query(old, "select count(*) as n from metrics").to_pylist()[0]["n"] > 5
    assert kaggle_rows(old, None, True).num_rows == 20


def test_what_it_scored_is_not_scored_again(old: Store) -> None:
    recover(old)
    tables = Tables(old)
    scored = tables.read(TableName.IMAGES, ["key", "etag", "bundle"]).to_pylist()
    listed = [{"key": row["key"], "etag": row["etag"], "size": 1} for row in scored]
    listed.append({"key": "new.png", "etag": "e1", "size": 1})
    failed = tables.read(TableName.QUARANTINE, ["key", "etag"]).to_pylist()
    listed += [row | {"size": 0} for row in failed]
    bundle = scored[0]["bundle"]
    listing = pa.Table.from_pylist(listed, LISTING)
    plan = dealt_with(tables, "/plant/archive", bundle, ScoreSettings()).plan(listing)
    assert plan.todo["key"].to_pylist() == ["new.png"]


def publish(store: Store) -> None:
    """Publish a wave as this version does, and record the run."""
    made = origin_of(1)
    with hold(store, made.run_id, 5, QUICK) as held:
        parts = write_parts(store, ["one-1.png", "bad-1.png"], made)
        WaveLog(Tables(store)).publish(WaveRecord(made.run_id, 1, parts, held.number), held.check)
        finish(store, made, scored=1, quarantined=1, waves=1)


def test_new_rows_extend_the_schema(old: Store) -> None:
    recover(old)
    publish(old)
    for table in (TableName.IMAGES, TableName.PREDICTIONS, TableName.QUARANTINE, TableName.RUNS):
        rows = Tables(old).read(table, ["run_id", "run_number"]).to_pylist()
        numbers = {row["run_number"] for row in rows if row["run_id"] == "run-001"}
        assert numbers == {1}
        assert {row["run_number"] for row in rows if row["run_id"] != "run-001"} == {None}
    require_sound(old)


def test_columns_whose_comments_were_put_otherwise_are_written(store: Store) -> None:
    columns = SCHEMAS[TableName.RUNS].columns
    other = pa.schema([field.with_metadata({"comment": "as it was"}) for field in columns])
    address = store.delta_uri("runs")
    DeltaTable.create(address, DeltaSchema.from_arrow(other), partition_by=["scored_date"])
    finish(store, origin_of(1))
    finish(store, origin_of(1))
    Tables(store).append(TableName.RUNS, Tables(store).read(TableName.RUNS))
    assert Tables(store).read(TableName.RUNS).num_rows == 2
    assert all("comment" in field.metadata for field in DeltaTable(address).schema().fields)


@pytest.mark.parametrize("extended", [False, True], ids=["as it was", "extended"])
def test_upkeep_keeps_all_rows(old: Store, extended: bool) -> None:
    if extended:
        recover(old)
        publish(old)
    upkept = keep_up(old, UpkeepRules(wait_seconds=2), QUICK)
    assert upkept.left == []
    assert any(line.startswith("images: made 1 data files of") for line in upkept.done)
    found = keys(old, TableName.IMAGES)
    assert found == sorted([*SCORED, "one-1.png"] if extended else SCORED)
    numbers = Tables(old).read(TableName.IMAGES, ["run_number"])["run_number"].to_pylist()
    assert numbers.count(None) == 10
    require_sound(old)


def test_a_repair_finds_what_is_lost(old: Store) -> None:
    folder = Path(old.uri)
    part = next(path for path in (folder / "images").rglob("*-000001-000000-*.parquet"))
    part.unlink()
    assert len(check_tables(old)) == 1
    with hold(old, "repair", 5, QUICK) as held:
        assert Repair(old, held, "repair").run().left == []
    require_sound(old)
    assert len(keys(old, TableName.IMAGES)) < 10


ENTRIES: dict[str, Callable[[Store], object]] = {
    "open": lambda store: Tables(store).open(TableName.IMAGES),
    "read": lambda store: Tables(store).read(TableName.IMAGES, ["key"]),
    "dataset": lambda store: Tables(store).dataset(TableName.IMAGES),
    "create": lambda store: Tables(store).create_all(),
    "add": lambda store: Tables(store).add(
        TableName.IMAGES, write_parts(store, ["clean-1.png"], origin_of(1)), "run", 1
    ),
    "append": lambda store: Tables(store).append(
        TableName.IMAGES, Tables(store).read(TableName.IMAGES)
    ),
    "replace": lambda store: finish(store, origin_of(1)),
    "exchange": lambda store: exchange_files(
        Tables(store), TableName.IMAGES, [], [], data_change=True
    ),
    "recover": recover,
    "sql": lambda store: query(store, "select 1"),
    "check": check_tables,
    "upkeep": lambda store: keep_up(store, UpkeepRules(wait_seconds=2), QUICK),
    "preview": lambda store: preview(store, UpkeepRules()),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_tables_of_a_newer_version_are_refused_everywhere(old: Store, entry: str) -> None:
    tables = (TableName.RUNS, TableName.IMAGES, TableName.PREDICTIONS)
    for table in tables:
        delta = DeltaTable(old.delta_uri(table.value))
        stated = {"steeldefect.schema_version": str(SCHEMA_VERSION + 1)}
        delta.alter.set_table_properties(stated, raise_if_not_exists=False)
    before = _versions(old)
    with pytest.raises(NewerTableError, match=r"has schema version .* use the program that wrote"):
        ENTRIES[entry](old)
    assert _versions(old) == before


def _versions(old: Store) -> dict[TableName, int]:
    """Return the versions of the tables that there are."""
    addresses = {table: old.delta_uri(table.value) for table in TableName}
    return {
        table: DeltaTable(address).version()
        for table, address in addresses.items()
        if DeltaTable.is_deltatable(address)
    }


@pytest.mark.parametrize("options", [[], ["--check"], ["--repair"], ["--dry-run"]])
def test_commands_end_with_the_code_of_unknown_tables(
    old: Store, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    delta = DeltaTable(old.delta_uri("images"))
    newer = {"steeldefect.schema_version": "99"}
    delta.alter.set_table_properties(newer, raise_if_not_exists=False)
    assert steeldefect(["maintain", "--output", old.uri, *options]) == 10
    assert "this program knows versions up to" in capsys.readouterr().err


def test_the_bundle_answers_as_it_did(old: Store, bundle: Path, tmp_path: Path) -> None:
    """The rows of the older version are those of this one, for the same pictures."""
    recover(old)
    archive = fill_archive(tmp_path / "archive", 6)
    output = tmp_path / "output"
    assert score_without_spark(score_arguments(archive, bundle, output)) == 0
    for table, columns in ROWS.items():
        before = Tables(old).read(table, columns).sort_by([("key", "ascending")])
        now = Tables(open_store(str(output))).read(table, columns).sort_by([("key", "ascending")])
        known = now["key"].to_pylist()
        assert known
        kept = [row for row in before.to_pylist() if row["key"] in known]
        assert now.to_pylist() == kept


def test_the_bundle_adds_to_the_tables(old: Store, bundle: Path, tmp_path: Path) -> None:
    archive = fill_archive(tmp_path / "archive", 4)
    assert score_without_spark(score_arguments(archive, bundle, old.uri)) == 0
    added = query(old, "select count(*) as n, count(engine) as e from runs where run_number > 0")
    assert added.to_pylist() == [{"n": 1, "e": 1}]
    assert query(old, "select count(distinct bundle) as n from images").to_pylist() == [{"n": 1}]
    assert len(keys(old, TableName.IMAGES)) == len(SCORED) + 4
    assert check_selftest(open_bundle(bundle)) is None
    require_sound(old)

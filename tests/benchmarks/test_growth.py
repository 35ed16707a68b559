from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from support.samples import run_program

from benchmarks.growth.drawing import draw
from benchmarks.growth.run import Run
from benchmarks.growth.scored_before import write_inventory, write_tables
from benchmarks.growth.stand_in import make_archive
from steeldefect.bundle.files import Bundle
from steeldefect.plan.inventory import read_inventory
from steeldefect.plan.plan import dealt_with
from steeldefect.settings import ScoreSettings
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables


def test_a_plan_of_many_keys_leaves_the_new_ones(tmp_path: Path, rule_bundle: Bundle) -> None:
    archive = make_archive(tmp_path / "archive", 30)
    inventory = write_inventory(tmp_path / "keys.parquet", archive, keys=5000, pictures=30)
    write_tables(tmp_path / "tables", archive, inventory, rule_bundle.folder, skip=30)
    settings = ScoreSettings()
    source = open_store(str(archive))
    listing = read_inventory(str(inventory), source, settings.include, settings.s3)
    tables = Tables(open_store(str(tmp_path / "tables")))
    plan = dealt_with(tables, source.uri, rule_bundle.digest, settings).plan(listing.whole())
    assert (plan.listed, plan.todo.num_rows) == (5000, 30)
    assert plan.todo["key"].to_pylist() == pq.read_table(inventory)["key"].to_pylist()[:30]


def test_a_plan_of_many_keys_is_measured(tmp_path: Path, rule_bundle: Bundle) -> None:
    archive = make_archive(tmp_path / "archive", 30)
    inventory = write_inventory(tmp_path / "keys.parquet", archive, keys=5000, pictures=30)
    write_tables(tmp_path / "tables", archive, inventory, rule_bundle.folder, skip=40)
    asked = (archive, rule_bundle.folder, tmp_path / "tables", inventory)
    ended = run_program("-m", "benchmarks.growth.plan_once", *map(str, asked))
    assert ended.code == 0, ended.err
    figures = json.loads(ended.out.splitlines()[-1])
    assert (figures["keys"], figures["new"]) == (5000, 40)
    assert 0 < figures["inventory_seconds"] < figures["first_wave_seconds"] < figures["seconds"]


def test_growth_is_drawn(tmp_path: Path) -> None:
    seconds = {"list": 1.0, "plan": 2.0, "publish": 3.0}
    peaks = {"driver": 2**28, "JVM": 2**29, "worker": 2**28}
    runs = [
        Run(pictures, pictures, tasks, 5, 100.0 * tasks, 0.01, 0.02, 10.0, seconds, peaks)
        for pictures in (1000, 10_000)
        for tasks in (1, 2)
    ]
    for name in ("one.svg", "two.svg"):
        draw(runs, runs, tmp_path / name)
    first = (tmp_path / "one.svg").read_bytes()
    assert b"<svg" in first
    assert first == (tmp_path / "two.svg").read_bytes()

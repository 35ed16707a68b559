"""The schema of every table: properties that all tables share, and that queries rely on."""

from __future__ import annotations

import pyarrow as pa
import pytest

from steeldefect.analysis.sql import _OPENED
from steeldefect.tables.schema import (
    COMMIT_ORDER,
    PARTITION,
    SCHEMAS,
    Stage,
    TableName,
    TableSchema,
    Verdict,
)
from steeldefect.upkeep.run_counts import _ORDER

every_table = pytest.mark.parametrize(("table", "schema"), SCHEMAS.items())
PROVENANCE = ["run_id", "bundle", "scored_at", "run_number", PARTITION]


def test_every_table_has_a_schema() -> None:
    assert set(SCHEMAS) == set(TableName)


@every_table
def test_every_row_says_which_run_and_bundle_made_it(table: TableName, schema: TableSchema) -> None:
    assert schema.columns.names[-5:] == PROVENANCE
    for name in PROVENANCE:
        nullable = schema.columns.field(name).nullable
        assert nullable == (name == "run_number"), (table, name)
    assert schema.columns.field("scored_at").type == pa.timestamp("us", tz="UTC")
    assert schema.columns.field(PARTITION).type == pa.date32()


@every_table
def test_data_files_hold_all_but_the_partition(table: TableName, schema: TableSchema) -> None:
    assert schema.stored.names == [name for name in schema.columns.names if name != PARTITION]
    assert len(set(schema.columns.names)) == len(schema.columns.names), table


@every_table
def test_every_column_and_table_is_explained(table: TableName, schema: TableSchema) -> None:
    assert schema.row, table
    for column in schema.columns:
        assert column.metadata[b"comment"], (table, column.name)


@pytest.mark.parametrize(
    ("table", "nullable"),
    [
        (
            TableName.IMAGES,
            {"gate_probability", "coil", "camera", "side", "position_mm", "captured_at"}
            | {"pixel_mm_x", "pixel_mm_y", "attributes", "regions", "rejected_regions"}
            | {"level_masks", "audit_defects", "audit_regions", "gray_mean", "gray_std"}
            | {"sharpness", "clipped_dark", "clipped_bright", "black_margin", "novelty"},
        ),
        (
            TableName.DEFECTS,
            {"reason", "coil", "camera", "side", "area_mm2", "length_mm", "width_mm", "angle_mm"}
            | {"perimeter_mm", "along_mm", "across_mm", "audit"},
        ),
        (TableName.PREDICTIONS, {"audit"}),
        (TableName.QUARANTINE, {"tries", "given_up"}),
        (
            TableName.CONFUSIONS,
            {"true_defects", "found_defects", "matched_defects", "matched_iou", "true_by_size"}
            | {"matched_true_by_size", "found_by_size", "matched_found_by_size"},
        ),
        (
            TableName.METRICS,
            {"class_id", "class_name", "value", "size_class", "low", "high"} | {"invalid"},
        ),
        (TableName.REVIEWS, set()),
        (TableName.MASK_LEVELS, set()),
        (TableName.RUNS, {"error", "took", "engine", "thresholds", "shadow_of"}),
    ],
)
def test_which_columns_may_be_null(table: TableName, nullable: set[str]) -> None:
    assert {column.name for column in SCHEMAS[table].columns if column.nullable} == nullable | {
        "run_number"
    }


def test_comments_name_every_verdict_and_stage() -> None:
    verdict = SCHEMAS[TableName.IMAGES].columns.field("verdict").metadata[b"comment"].decode()
    stage = SCHEMAS[TableName.QUARANTINE].columns.field("stage").metadata[b"comment"].decode()
    assert all(one.value in verdict for one in Verdict)
    assert all(one.value in stage for one in Stage)


def test_verdicts_are_committed_last_and_opened_first() -> None:
    """So no reader sees a verdict without its findings."""
    assert COMMIT_ORDER[-1] is TableName.IMAGES
    for opened in (_OPENED, _ORDER):
        assert sorted(opened) == sorted(TableName)
        verdicts = opened.index(TableName.IMAGES)
        assert all(opened.index(table) > verdicts for table in COMMIT_ORDER[:-1])

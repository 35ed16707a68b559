"""The description of the schema, as the document for analysts shows it."""

from __future__ import annotations

import pytest
from support.samples import ROOT

from steeldefect.cli import main
from steeldefect.tables.schema import SCHEMAS
from steeldefect.tables.schema_text import as_markdown


def test_every_table_and_column_is_described() -> None:
    sections = as_markdown().split("### ")[1:]
    assert [section.split("`")[1] for section in sections] == [table.value for table in SCHEMAS]
    for section, schema in zip(sections, SCHEMAS.values(), strict=True):
        assert f"One row: {schema.row}." in section
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == schema.columns.names


@pytest.mark.parametrize(
    "line",
    [
        "| `gate_probability` | float, may be null | the gate's probability of a defect, "
        "calibrated by the bundle's temperature and shift, 0 to 1; null if the bundle has no "
        "gate |",
        "| `area` | int64 | area of the mask in pixels |",
        "| `scored_at` | timestamp[us, tz=UTC] | start of the run that wrote the row (UTC) |",
    ],
)
def test_a_column_has_its_type_and_unit(line: str) -> None:
    assert line in as_markdown().splitlines()


def test_the_table_stays_a_table() -> None:
    lines = as_markdown().splitlines()
    assert all(line.count(" | ") == 2 for line in lines if line.startswith("| `"))


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables"]) == 0
    assert capsys.readouterr().out == as_markdown() + "\n"


def test_the_document_holds_what_is_printed() -> None:
    document = (ROOT / "docs/tables.md").read_text(encoding="utf-8")
    for section in as_markdown().split("\n\n### "):
        assert section in document

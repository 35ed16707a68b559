"""Scoring by an alias: each run takes what stands, and its rows say which bundle that was."""

from __future__ import annotations

from pathlib import Path

import pytest
from archives import rows
from published import Answers, publishable
from samples import fill_archive, score_arguments

from jobs.score import main
from steeldefect.bundle import Bundle
from steeldefect.stores import S3Settings
from steeldefect.tables import TableName
from training.registry.promotion import Request, promote

pytestmark = pytest.mark.spark


def test_rows_carry_the_bundle_that_the_alias_stood_for(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    archive = fill_archive(tmp_path / "archive", 3)
    registry, output = tmp_path / "registry", tmp_path / "output"
    arguments = score_arguments(archive, registry / "production", output)
    first = publishable(rule_bundle, tmp_path / "first", Answers(0.7))
    second = publishable(rule_bundle, tmp_path / "second", Answers(0.8))
    for standing in (first, second):
        promote(Request(str(standing.folder), str(registry), "production"), S3Settings())
        assert main(arguments) == 0
    scored = [(row["image_id"], row["bundle"]) for row in rows(output, TableName.IMAGES)]
    assert sorted(scored) == sorted(
        (f"p00{number}.png", bundle.digest) for number in range(3) for bundle in (first, second)
    )

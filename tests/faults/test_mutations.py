"""Two thousand damaged pictures in one run: each is scored or quarantined; no process dies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.archives import rows
from support.mutations import mutated
from support.samples import score_arguments

from jobs.score import main
from steeldefect.bundle.files import Bundle
from steeldefect.tables.schema import TableName

pytestmark = pytest.mark.spark

PICTURES = 2_000
OF_THE_BYTES = {"DecodeError", "PictureSizeError", "UnprovenError"}


def test_two_thousand_damaged_pictures(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    for name, data in mutated(PICTURES):
        (archive / name).write_bytes(data)
    written = sorted(path.name for path in archive.iterdir())
    assert len(written) == PICTURES
    output = tmp_path / "output"
    more = ("--set", "max_failure_share=1", "--set", "any_picture_size=true")
    assert main([*score_arguments(archive, rule_bundle.folder, output), *more]) == 0
    assert "Traceback" not in capsys.readouterr().err
    scored = [row["key"] for row in rows(output, TableName.IMAGES, "key")]
    failed = rows(output, TableName.QUARANTINE, "key", "stage", "error", "message")
    assert sorted([*scored, *(row["key"] for row in failed)]) == written
    kinds = Counter((row["stage"], row["error"]) for row in failed)
    print(f"{len(scored)} scored; {dict(kinds)}")
    assert {error for _, error in kinds} <= OF_THE_BYTES, kinds
    assert scored
    assert failed

"""Damage, repair and upkeep of the tables of real runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.archives import answers, salt
from support.samples import fill_archive, score_arguments

from jobs.maintain import main as maintain
from jobs.score import main as score
from steeldefect.bundle.files import Bundle

pytestmark = pytest.mark.spark


def test_damaged_tables_are_mended_and_what_they_lost_is_scored_again(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, output = fill_archive(tmp_path / "archive", 12), tmp_path / "output"
    salt(archive)
    settings = ("wave_pictures=5", "max_failure_share=1", "audit_masks=0")
    options = [word for one in settings for word in ("--set", one)]
    arguments = [*score_arguments(archive, rule_bundle.folder, output), *options]
    assert score(arguments) == 0
    whole = answers(output)

    waves = sorted((output / "images" / "_delta_log").glob("*.json"))
    waves[1].write_bytes(b"")
    lost = next((output / "predictions").rglob("part-*-000003-*.parquet"))
    lost.write_bytes(lost.read_bytes()[:100])
    (output / "_waves" / "run-000001.json").write_bytes(b"")
    capsys.readouterr()
    assert maintain(["--output", str(output), "--check"]) == 10
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert score(arguments) == 10
    assert "_waves/run-000001.json is not a wave record" in capsys.readouterr().err
    assert maintain(["--output", str(output), "--repair"]) == 0
    assert "of 1 waves" in capsys.readouterr().out.splitlines()[-1]
    assert answers(output) != whole

    assert score(arguments) == 0
    assert answers(output) == whole
    assert maintain(["--output", str(output), "--check"]) == 0

    now = ["--retention-hours", "0", "--min-age-hours", "0"]
    assert maintain(["--output", str(output), *now]) == 0
    assert answers(output) == whole
    assert len(list((output / "images").glob("scored_date=*/*.parquet"))) == 1
    assert score(arguments) == 0
    assert "nothing new" in capsys.readouterr().out

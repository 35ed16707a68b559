"""The watch of a scoring run on Spark: a damaged roll is found; a damaged reference is named."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from support.samples import WIDTH, fill_archive, plain_picture, save, score_arguments
from support.short_runs import score_without_spark

from steeldefect.bundle.files import Bundle
from steeldefect.cli import main as steeldefect
from steeldefect.errors import StoreError
from steeldefect.publish.commit import WaveLog
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

FRAME_MM, PERIOD_MM, FRAMES = 512.0, 1_250.0, 40
PIXEL_MM = FRAME_MM / WIDTH
ON_STRIP = (
    *("--set", r"strip.key_pattern=(?P<coil>[^/]+)/(?P<camera>c\d)-(?P<frame>\d+)\.png"),
    *("--set", f"strip.frame_mm={FRAME_MM}", "--set", f"strip.pixel_mm={PIXEL_MM}"),
    *("--set", "strip.along=x"),
)


def write_coil(folder: Path) -> list[float]:
    """Write the pictures of a coil on which a roll prints a mark; return the marks' places."""
    pictures = [plain_picture(number) for number in range(FRAMES)]
    marks = []
    for place in np.arange(300.0, FRAMES * FRAME_MM, PERIOD_MM):
        frame, left = int(place // FRAME_MM), int(place % FRAME_MM / PIXEL_MM)
        if left > WIDTH - 16:  # it would lie on two pictures
            continue
        pictures[frame][20:36, left : left + 16] = 250
        marks.append((left + 7.5 + 0.5) * PIXEL_MM + frame * FRAME_MM)
    for number, picture in enumerate(pictures):
        save(picture, folder / f"coil 7/c1-{number:03d}.png")
    return marks


@pytest.mark.spark
def test_a_damaged_roll_is_found_and_its_marks_are_members(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = write_coil(tmp_path / "archive")
    arguments = score_arguments(tmp_path / "archive", rule_bundle.folder, tmp_path / "output")
    assert score_without_spark([*arguments, *ON_STRIP]) == 0
    assert "repeat: roll of 398 mm diameter: " in capsys.readouterr().out
    tables = Tables(open_store(str(tmp_path / "output")))
    (row,) = tables.read(TableName.REPEATS).to_pylist()
    assert (row["kind"], row["coil"], row["camera"]) == ("roll", "coil 7", "c1")
    assert row["period_mm"] == pytest.approx(PERIOD_MM, rel=0.01)
    assert (row["marks"], row["defects"]) == (len(marks), len(marks))
    assert row["p_value"] < 0.005
    defects = tables.read(TableName.DEFECTS).to_pandas().set_index(["key", "number"])
    members = list(zip(row["member_keys"], row["member_numbers"], strict=True))
    assert sorted(defects.loc[members, "along_mm"]) == pytest.approx(sorted(marks))
    (run,) = tables.read(TableName.RUNS).to_pylist()
    assert row["run_id"] == run["run_id"]


def test_a_run_that_was_completed_by_the_next_one_is_watched_by_it(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = fill_archive(tmp_path / "archive", 6), tmp_path / "output"
    arguments = score_arguments(source, rule_bundle.folder, output)

    def die(*_: object) -> None:
        raise StoreError("the store went away")

    with patch.object(WaveLog, "_carry_out", die):
        assert score_without_spark(arguments) == 4
    tables = Tables(open_store(str(output)))
    assert tables.read(TableName.IMAGES).num_rows == 0
    assert score_without_spark(arguments) == 0
    assert "nothing new" in capsys.readouterr().out
    died, completed = tables.read(TableName.RUNS).sort_by("run_number")["run_id"].to_pylist()
    metrics = tables.read(TableName.METRICS).to_pylist()
    assert {row["run_id"] for row in metrics} == {died} != {completed}
    assert "expected_gate_recall" in {row["name"] for row in metrics}


def test_a_damaged_reference_is_named_and_fails_no_scoring_run(
    rule_bundle: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    output = tmp_path / "output"
    stored = output / f"_watch/{rule_bundle.digest}.json"
    stored.parent.mkdir(parents=True)
    stored.write_text('{"name": ""')
    source = fill_archive(tmp_path / "archive", 3)
    assert score_without_spark(score_arguments(source, rule_bundle.folder, output)) == 0
    (record,) = caplog.records
    assert "all pictures are published, but the watch failed" in record.message
    assert str(stored) in record.message
    assert Tables(open_store(str(output))).read(TableName.IMAGES).num_rows == 3
    capsys.readouterr()
    assert steeldefect(["watch", "--output", str(output)]) == 12
    assert str(stored) in capsys.readouterr().err

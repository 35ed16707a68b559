"""The job with scale and places: from Spark's workers into `images` and `defects`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.archives import rows
from support.samples import bright_picture, plain_picture, save, score_arguments
from support.short_runs import score_without_spark

from jobs.score import main
from steeldefect.bundle.files import Bundle
from steeldefect.tables.schema import TableName

STRIP = (
    *("--set", "strip.pixel_mm=[0.5, 2]", "--set", "strip.along=x", "--set", "strip.frame_mm=64"),
    *("--set", r"strip.key_pattern='coil(?P<coil>\d+)-(?P<frame>\d+)'"),
)
SIDE_MM = {"length_mm": 32.0, "width_mm": 8.0, "angle_mm": 90.0}  # of 16 by 16 pixels


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two pictures of one coil, one of them plain, and one picture of no coil."""
    folder = tmp_path / "archive"
    save(bright_picture(), folder / "coil7-003.png")
    save(plain_picture(), folder / "coil7-004.png")
    save(bright_picture(), folder / "spare.png")
    return folder


def images(output: Path) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in rows(output, TableName.IMAGES)}


def defects(output: Path) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in rows(output, TableName.DEFECTS)}


@pytest.mark.spark
def test_a_run_on_spark_states_places_and_sizes(
    archive: Path, rule_bundle: Bundle, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    assert main([*score_arguments(archive, rule_bundle.folder, output), *STRIP]) == 0
    found = images(output)
    coils = {key: (row["coil"], row["position_mm"]) for key, row in found.items()}
    assert coils == {
        "coil7-003.png": ("7", 192.0),
        "coil7-004.png": ("7", 256.0),
        "spare.png": (None, None),
    }
    assert {(row["pixel_mm_x"], row["pixel_mm_y"]) for row in found.values()} == {(0.5, 2.0)}
    regions = {key: row["regions"] for key, row in found.items()}
    assert regions == {"coil7-003.png": 1, "coil7-004.png": 0, "spare.png": 1}
    placed = defects(output)
    assert sorted(placed) == ["coil7-003.png", "spare.png"]
    assert placed["coil7-003.png"]["along_mm"] == pytest.approx(192 + (20 + 8) * 0.5)
    assert placed["spare.png"]["along_mm"] is None
    for row in placed.values():
        assert row["across_mm"] == pytest.approx((10 + 8) * 2)
        assert {name: row[name] for name in SIDE_MM} == pytest.approx(SIDE_MM)
        assert row["area_mm2"] == pytest.approx(256)


def test_an_inventory_states_places_row_by_row(
    archive: Path, rule_bundle: Bundle, tmp_path: Path
) -> None:
    listed = pa.table(
        {
            "key": ["coil7-003.png", "coil7-004.png", "spare.png"],
            "coil": ["8", None, None],
            "position_mm": [None, 5.0, None],
            "pixel_mm_x": [1.0, None, None],
            "heat": ["h1", None, "h2"],
        }
    )
    pq.write_table(listed, tmp_path / "keys.parquet")
    output = tmp_path / "output"
    arguments = score_arguments(archive, rule_bundle.folder, output)
    asked = ("--inventory", str(tmp_path / "keys.parquet"), "--set", "strip.attributes=[heat]")
    assert score_without_spark([*arguments, *STRIP, *asked]) == 0
    found = images(output)
    places = {
        key: (row["coil"], row["position_mm"], row["pixel_mm_x"], row["attributes"])
        for key, row in found.items()
    }
    assert places == {
        "coil7-003.png": ("8", 192.0, 1.0, [("heat", "h1")]),
        "coil7-004.png": ("7", 5.0, 0.5, None),
        "spare.png": (None, None, 0.5, [("heat", "h2")]),
    }
    assert defects(output)["coil7-003.png"]["width_mm"] == pytest.approx(16)


def test_without_settings_everything_is_null(
    archive: Path, rule_bundle: Bundle, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    assert score_without_spark(score_arguments(archive, rule_bundle.folder, output)) == 0
    unknown = ("coil", "camera", "side", "area_mm2", "length_mm", "along_mm", "across_mm")
    for row in defects(output).values():
        assert {row[name] for name in unknown} == {None}
        assert (row["area"], row["length"], row["width"]) == (256, 16, 16)
    assert {row["attributes"] for row in images(output).values()} == {None}


@pytest.mark.parametrize(
    ("settings", "code", "problem"),
    [
        (["strip.key_pattern='(?P<coil>x+)-'"], 2, "fits none of 3 keys, such as"),
        ([r"strip.key_pattern='(?P<frame>[a-z]+)'"], 12, "frame is 'coil', expected a number"),
        (["strip.attributes=[heat]"], 2, "heat is neither a group of strip.key_pattern nor"),
        (["strip.pixel_mm=-1"], 2, "strip.pixel_mm.x: Input should be greater than 0"),
    ],
)
def test_what_fits_nothing_is_refused_at_the_door(
    archive: Path,
    rule_bundle: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: list[str],
    code: int,
    problem: str,
) -> None:
    output = tmp_path / "output"
    given = [part for one in settings for part in ("--set", one)]
    arguments = score_arguments(archive, rule_bundle.folder, output)
    assert score_without_spark([*arguments, *given]) == code
    assert problem in capsys.readouterr().err
    assert not output.exists()

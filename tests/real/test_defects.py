"""The table `defects` on real pictures agrees with a recount of the exported masks by scipy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from support.samples import score_arguments
from support.short_runs import score_without_spark

from steeldefect.analysis.sql import kaggle_rows, query
from steeldefect.bundle.files import Bundle
from steeldefect.pictures import run_lengths
from steeldefect.stores import Store, open_store

pytestmark = pytest.mark.real

PIXEL_MM = (0.5, 0.25)
FOLDERS = {"magnetic_tile": 897, "severstal_unlabelled": 69, "severstal": 42}


@pytest.fixture(scope="module", params=FOLDERS)
def scored(
    request: pytest.FixtureRequest,
    real_data: Path,
    rule_bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
) -> Store:
    """The tables of a run over one folder: bright and dark places of real pictures."""
    output = tmp_path_factory.mktemp("real") / request.param
    archive = real_data / request.param / "images"
    settings = ("any_picture_size=true", f"strip.pixel_mm={list(PIXEL_MM)}", "strip.along=x")
    chosen = [part for one in settings for part in ("--set", one)]
    arguments = score_arguments(archive, rule_bundle.folder, output)
    assert score_without_spark([*arguments, *chosen]) == 0
    store = open_store(str(output))
    (count,) = query(store, "select count(*) as n from images").to_pylist()
    assert count["n"] == FOLDERS[request.param]
    return store


def test_every_region_agrees_with_the_exported_masks(scored: Store) -> None:
    shapes = {
        row["image_id"]: (row["height"], row["width"])
        for row in query(scored, "select image_id, height, width from images").to_pylist()
    }
    defects: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in query(scored, "select * from defects where kept").to_pylist():
        defects.setdefault((row["image_id"], row["class_id"]), []).append(row)
    recounted = 0
    for exported in kaggle_rows(scored, None, False).to_pylist():
        name, class_id = exported["ImageId"], int(exported["ClassId"])
        mask = run_lengths.decode(exported["EncodedPixels"], shapes[name])
        _compare(mask, defects.pop((name, class_id)))
        recounted += 1
    assert defects == {}
    assert recounted > 30


def _compare(mask: npt.NDArray[np.bool_], rows: list[dict[str, Any]]) -> None:
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    assert len(rows) == count
    boxes, areas = ndimage.find_objects(labels), np.bincount(labels.ravel())
    for row in rows:
        first = int(row["run_lengths"].split()[0]) - 1
        column, line = divmod(first, mask.shape[0])
        number = labels[line, column]
        rows_of, columns_of = boxes[number - 1]
        assert row["area"] == areas[number]
        assert (row["box_top"], row["box_bottom"]) == (rows_of.start, rows_of.stop)
        assert (row["box_left"], row["box_right"]) == (columns_of.start, columns_of.stop)
        assert row["area_mm2"] == pytest.approx(areas[number] * PIXEL_MM[0] * PIXEL_MM[1])
        own = np.argwhere(labels[rows_of, columns_of] == number)[:, ::-1]
        for name, pixel in (("", (1.0, 1.0)), ("_mm", PIXEL_MM)):
            stated = (row[f"length{name}"], row[f"width{name}"])
            tolerance = 0.5 * max(pixel)
            assert any(
                stated == pytest.approx(sides, abs=tolerance)
                for sides in _least_rectangles(own, pixel)
            )


def _least_rectangles(
    points: npt.NDArray[np.int64], pixel: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return length and width of the least rectangle around pixels; of all, if several are least.

    One side of a least rectangle lies along an edge of the convex hull.
    """
    around = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    corners = (points[:, np.newaxis] + around).reshape(-1, 2) * pixel
    hull = corners[ConvexHull(corners).vertices]
    edges = np.roll(hull, -1, axis=0) - hull
    found = []
    for x, y in edges / np.linalg.norm(edges, axis=1, keepdims=True):
        sides = float(np.ptp(hull @ (x, y))), float(np.ptp(hull @ (-y, x)))
        found.append((max(sides), min(sides)))
    least = min(length * width for length, width in found)
    return [one for one in found if one[0] * one[1] <= least * 1.0001]

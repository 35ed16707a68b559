"""Dirt is found, what the strip itself makes frequent is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.watch.repeats import archive, dirt_found
from steeldefect.repeats.places import find_places
from steeldefect.watch_settings import FixedPlaceSettings


def test_dirt_on_a_tenth_of_the_coils_is_found_and_nothing_else() -> None:
    assert dirt_found(21, 6, 0.1) == (6, 0)


def test_archives_without_dirt_give_no_alarm() -> None:
    assert dirt_found(22, 6, 0.0) == (0, 0)


def test_the_place_is_that_of_an_independent_count() -> None:
    defects = archive(23, 0, dirt=0.1)
    (found,) = find_places(defects).places
    away = (defects[["centroid_x", "centroid_y"]] - [700, 200]).abs().max(axis=1)
    dirt = defects.index[(away < 10) & (defects["class_id"] == 3)]
    assert set(found.members) >= set(dirt)
    assert away.iloc[found.members].max() < 32
    there = defects.iloc[found.members]
    assert found.coils == there["coil"].nunique()
    assert found.coils_seen == defects["coil"].nunique()
    assert (found.x_px, found.y_px) == pytest.approx(
        (there["centroid_x"].mean(), there["centroid_y"].mean())
    )
    assert found.subject.class_id == 3
    assert found.sentence.startswith(
        f"fixed place of camera top1 at column {found.x_px:.0f}, row {found.y_px:.0f}: defects on "
        f"{found.coils} of 400 coils"
    )


def test_one_coil_with_many_defects_counts_once() -> None:
    defects = archive(24, 0)
    spot = defects[:300].assign(coil="c1", centroid_x=700.0, centroid_y=200.0)
    assert find_places(pd.concat([defects, spot], ignore_index=True)).places == ()


def test_without_coils_nothing_is_said() -> None:
    found = find_places(archive(25, 0, dirt=0.5).assign(coil=None))
    assert (found.places, found.used) == ((), 0)


def test_p_values_are_corrected_for_cameras() -> None:
    defects = archive(23, 0, dirt=0.1)
    (one,), (many,) = find_places(defects).places, find_places(defects, cameras=8).places
    assert many.p_value == pytest.approx(8 * one.p_value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 1e9])
def test_no_place_in_the_picture_takes_no_part(value: float) -> None:
    defects = archive(26, 0, coils=50)
    found = find_places(defects.assign(centroid_x=value), FixedPlaceSettings(cell_px=16))
    assert (found.places, found.used) == ((), 0)


def test_an_unnamed_camera_is_said_so() -> None:
    (found,) = find_places(archive(23, 0, dirt=0.1).assign(camera=None)).places
    assert found.subject.camera is None
    assert found.sentence.startswith("fixed place of the unnamed camera")

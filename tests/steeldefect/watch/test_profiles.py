"""Profiles of tables, recounted with pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from watched_plant import BUNDLE, CLASSES, changed, failures, plant, without_places

from steeldefect.errors import DataError
from steeldefect.watch import Observed, observe, profile
from steeldefect.watch.quantities import PICTURE_QUANTITIES

SOURCE = "s3://plant"


def tables() -> dict[str, pd.DataFrame]:
    """Return rows as the tables hold them: four pictures, one of them with two classes."""
    keys = ["a", "b", "c", "d"]
    images = pd.DataFrame({"source": SOURCE, "key": keys, "verdict": ["clean", "defect"] * 2})
    images["camera"], images["coil"] = ["1", "1", "2", None], ["7", None, "8", "8"]
    images["gate_probability"] = np.array([0.1, 0.9, np.nan, 0.5], np.float32)
    for number, name in enumerate(PICTURE_QUANTITIES):
        images[name] = np.arange(4, dtype=np.float32) + number
    predictions = pd.DataFrame({"source": SOURCE, "key": ["b", "d", "d"], "class_id": [1, 1, 2]})
    defects = pd.DataFrame({"source": SOURCE, "key": ["b", "b", "d", "d"]})
    defects["class_id"], defects["kept"] = [1, 1, 2, 1], [True, False, True, True]
    defects["area"], defects["length"] = [30, 2, 50, 70], np.array([9, 1, 8, 7], np.float32)
    quarantine = pd.DataFrame({"source": SOURCE, "key": ["x", "x", "d"], "stage": "decode"})
    return {
        "images": images,
        "predictions": predictions,
        "defects": defects,
        "quarantine": quarantine,
    }


def observed(**changes: pd.DataFrame) -> Observed:
    rows = {name: pa.Table.from_pandas(one) for name, one in (tables() | changes).items()}
    return observe(BUNDLE, CLASSES, **rows)


def test_tables_become_pictures_and_findings() -> None:
    found = observed()
    assert found.images["defective"].tolist() == [False, True, False, True]
    assert found.images["camera"].tolist() == ["1", "1", "2", None]
    assert found.found[["picture", "class_id"]].to_numpy().tolist() == [[1, 1], [3, 1], [3, 2]]
    assert found.regions[["picture", "area"]].to_numpy().tolist() == [[1, 30], [3, 50], [3, 70]]
    assert len(found.failed) == 1  # x failed twice, and d was scored in the end


def test_profiles_of_tables_count_by_camera() -> None:
    made = profile(observed())
    rates = {key: (one.count, one.n) for key, one in made.overall.counts.items()}
    assert rates == {
        "failure_rate": (1, 5),
        "defective_rate": (2, 4),
        "class_rate/1": (2, 4),
        "class_rate/2": (1, 4),
    }
    assert made.overall.samples["gate_probability"].n == 3
    assert made.overall.samples["area/1"].values == (30.0, 70.0)
    assert made.overall.samples["length/2"].values == (8.0,)
    shares = {name: one.counts["camera_share"] for name, one in made.cameras.items()}
    assert {name: (one.count, one.n) for name, one in shares.items()} == {"1": (2, 3), "2": (1, 3)}
    clusters = made.overall.samples["gray_mean"].clusters
    assert clusters is not None
    assert clusters.coils == 3  # a picture of an unknown coil is a coil of its own


def test_failures_are_counted_by_camera_where_it_is_known() -> None:
    rows = tables()["quarantine"].assign(camera="3")
    made = profile(observed(quarantine=rows))
    assert sorted(made.cameras) == ["1", "2", "3"]
    assert made.cameras["3"].pictures == 0
    failed = made.cameras["3"].counts["failure_rate"]
    assert (failed.count, failed.n, failed.rate) == (1, 1, 1.0)
    assert made.cameras["3"].counts["camera_share"].rate == 0.0


def test_columns_that_older_tables_lack_are_unknown() -> None:
    images = tables()["images"][["source", "key", "verdict"]]
    made = profile(observed(images=images))
    assert made.cameras == {}
    assert made.overall.samples["gray_mean"].n == 0
    assert made.overall.counts["defective_rate"].clusters is None
    nulls = tables()["images"].assign(gray_mean=None, coil=None)
    assert profile(observed(images=nulls)).overall.samples["gray_mean"].n == 0


def test_empty_tables_have_empty_profiles() -> None:
    made = profile(observed(**{name: one.iloc[:0] for name, one in tables().items()}))
    assert (made.overall.pictures, made.cameras) == (0, {})
    assert made.overall.counts["class_rate/1"].rate is None


def test_a_picture_with_two_rows_is_refused() -> None:
    images = tables()["images"]
    with pytest.raises(DataError, match="picture a has two rows"):
        observed(images=pd.concat([images, images.iloc[:1]]))


def test_a_finding_without_its_picture_is_refused() -> None:
    with pytest.raises(DataError, match="belongs to picture b"):
        observed(images=tables()["images"].iloc[[0, 2, 3]])


def test_unknown_classes_and_missing_columns_are_refused() -> None:
    night = plant(1)
    with pytest.raises(DataError, match=r"classes \[9\] that the bundle has not"):
        changed(night, found=night.found.assign(class_id=9))
    with pytest.raises(DataError, match=r"missing columns images\.coil, regions\.area"):
        changed(
            night,
            images=night.images.drop(columns="coil"),
            regions=night.regions.drop(columns="area"),
        )
    with pytest.raises(DataError, match="names a picture that is not in images"):
        changed(night, found=night.found.assign(picture=1000))


def test_the_numbers_are_those_of_pandas() -> None:
    night = changed(plant(4), failed=failures(("1", "1", "4")))
    made = profile(night)
    images, shows = night.images, night.found[night.found["class_id"] == 2]["picture"]
    for camera, rows in images.groupby("camera"):
        mine = made.cameras[str(camera)]
        for name in PICTURE_QUANTITIES:
            assert mine.samples[name].median == pytest.approx(rows[name].median())
        assert mine.counts["class_rate/2"].rate == rows.index.isin(shows).mean()
        assert mine.counts["defective_rate"].rate == rows["defective"].mean()
        assert mine.counts["camera_share"].rate == len(rows) / len(images)
        areas = night.regions[night.regions["picture"].isin(rows.index)].groupby("class_id")["area"]
        assert mine.samples["area/1"].median == areas.median()[1]
    assert made.cameras["1"].counts["failure_rate"].rate == 2 / 252


def test_defects_of_a_picture_are_alike_even_without_coils() -> None:
    made = profile(without_places(plant(2), "coil"))
    assert made.overall.samples["gray_mean"].clusters is None
    clusters = made.overall.samples["area/1"].clusters
    assert clusters is not None
    assert clusters.size == pytest.approx(2)  # two defects of a class on each picture

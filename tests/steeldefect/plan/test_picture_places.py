"""Places of pictures at the door: columns of an inventory, and patterns that fit no key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steeldefect.errors import DataError, SettingsError
from steeldefect.pictures.strip import Places, PlaceSettings
from steeldefect.plan.inventory import read_inventory
from steeldefect.plan.listing import LISTING
from steeldefect.plan.picture_places import require_groups, require_places
from steeldefect.settings import ScoreSettings
from steeldefect.stores import S3Settings, open_store

INCLUDE = ScoreSettings().include


def places(
    folder: Path, attributes: tuple[str, ...] = (), **columns: Any
) -> list[dict[str, Any] | None]:
    """Return what an inventory of these columns states, picture by picture."""
    rows = len(next(iter(columns.values())))
    table = pa.table({"key": [f"{number}.png" for number in range(rows)], **columns})
    found = []
    for name in ("keys.parquet", "keys.csv"):
        path = folder / name
        if name.endswith(".parquet"):
            pq.write_table(table, path)
        elif any(pa.types.is_timestamp(field.type) for field in table.schema):
            continue
        else:
            path.write_text(_csv(table))
        store = open_store(str(folder))
        strip = PlaceSettings(attributes=attributes)
        listed = read_inventory(str(path), store, INCLUDE, S3Settings(), strip=strip).whole()
        found.append(
            [None if one is None else json.loads(one) for one in listed["place"].to_pylist()]
        )
    assert all(one == found[0] for one in found)
    return found[0]


def _csv(table: pa.Table) -> str:
    rows = [table.column_names, *(row.values() for row in table.to_pylist())]
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    return "".join(",".join(row) + "\n" for row in cells)


def test_columns_are_read_row_by_row(tmp_path: Path) -> None:
    assert places(
        tmp_path,
        coil=["a", None, None],
        position_mm=[1.5, -2.0, None],
        pixel_mm_x=[None, 0.5, None],
        frame=[None, 3, None],
        ignored=["x", "y", "z"],
    ) == [
        {"coil": "a", "position_mm": 1.5},
        {"position_mm": -2.0, "pixel_mm_x": 0.5, "frame": 3.0},
        None,
    ]


def test_times_of_any_form(tmp_path: Path) -> None:
    stated = [{"captured_at": "2026-03-04T05:06:07+00:00"}]
    assert places(tmp_path, captured_at=["2026-03-04T06:06:07+01:00"]) == stated
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    for kind in (pa.timestamp("ms", "UTC"), pa.timestamp("ns", "Europe/Berlin")):
        assert places(tmp_path, captured_at=pa.array([moment], kind)) == stated
    plain = pa.array([moment.replace(tzinfo=None)], pa.timestamp("us"))
    assert places(tmp_path, captured_at=plain) == stated


def test_attributes_are_kept_if_they_are_asked_for(tmp_path: Path) -> None:
    found = places(tmp_path, ("heat", "grade"), heat=["h1", None], grade=["7", "8"], other=["", ""])
    assert found == [{"heat": "h1", "grade": "7"}, {"grade": "8"}]
    with pytest.raises(DataError, match=r"no column speed, which strip\.attributes asks for"):
        places(tmp_path, ("speed",), heat=["h1"])


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("position_mm", ["far"], "the column position_mm has to hold numbers"),
        ("frame", ["1", "one"], "the column frame has to hold numbers"),
        ("pixel_mm_x", [0.0], "the column pixel_mm_x has to be above 0; got 0"),
        ("pixel_mm_y", [-1.0], "the column pixel_mm_y has to be above 0; got -1"),
        ("position_mm", [float("inf")], "the column position_mm has to be finite; got inf"),
        ("captured_at", ["noon"], "the column captured_at has to hold times"),
    ],
)
def test_columns_of_the_wrong_type_are_refused(
    tmp_path: Path, column: str, values: list[Any], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        places(tmp_path, **{column: values})


def listing(*keys: str) -> pa.Table:
    rows = [{"key": key, "etag": "e", "size": 1} for key in keys]
    return pa.Table.from_pylist(rows, LISTING)


def test_a_pattern_has_to_fit_some_key() -> None:
    strip = PlaceSettings(key_pattern=r"^(?P<coil>\d+)/")
    pictures = [listing("a.png"), listing("b.png"), listing("1/a.png", "c.png"), listing("d.png")]
    assert list(require_places(pictures, strip)) == pictures
    with pytest.raises(SettingsError, match=r"fits none of 2 keys, such as a\.png; a key is"):
        list(require_places([listing("a.png"), listing("b.png")], strip))


def test_nothing_is_planned_before_a_key_that_the_pattern_fits() -> None:
    looked_at = []

    def pictures() -> Iterator[pa.Table]:
        for key in ("a.png", "b.png", "1/c.png", "d.png"):
            looked_at.append(key)
            yield listing(key)

    next(require_places(pictures(), PlaceSettings(key_pattern=r"^(?P<coil>\d+)/")))
    assert looked_at == ["a.png", "b.png", "1/c.png"]


def test_each_key_is_looked_at() -> None:
    strip = PlaceSettings(key_pattern=r"-(?P<frame>\w+)\.png", frame_mm=1)
    for pictures in ([listing("a-1.png", "a-x.png")], [listing("a-1.png"), listing("a-x.png")]):
        with pytest.raises(DataError, match=r"a-x\.png: frame is 'x'"):
            list(require_places(pictures, strip))


def test_all_keys_of_an_inventory_are_looked_at_before_a_run_begins(tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_text("key\na-1.png\na-x.png\n")
    strip = PlaceSettings(key_pattern=r"-(?P<frame>\w+)\.png", frame_mm=1)
    uri, store = str(tmp_path / "keys.csv"), open_store(str(tmp_path))
    with pytest.raises(DataError, match=r"a-x\.png: frame is 'x'"):
        read_inventory(uri, store, INCLUDE, S3Settings(), strip=strip)


def test_an_attribute_has_to_come_from_somewhere() -> None:
    require_groups(PlaceSettings(key_pattern=r"(?P<heat>\d)", attributes=("heat",)))
    with pytest.raises(SettingsError, match=r"strip\.attributes: grade is neither a group"):
        require_groups(PlaceSettings(key_pattern=r"(?P<heat>\d)", attributes=("heat", "grade")))


def test_a_column_wins_over_a_group_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_text("key,Heat\na-1.png,h9\nb-2.png,\n")
    strip = PlaceSettings(key_pattern=r"-(?P<heat>\d)", attributes=("heat",))
    store = open_store(str(tmp_path))
    uri = str(tmp_path / "keys.csv")
    listed = read_inventory(uri, store, INCLUDE, S3Settings(), strip=strip).whole()
    found = [Places(strip).of(row["key"], row["place"]).attributes for row in listed.to_pylist()]
    assert found == [{"heat": "h9"}, {"heat": "2"}]


KINDS = {
    "text": pa.string(),
    "long text": pa.large_string(),
    "text views": pa.string_view(),
    "categories": pa.dictionary(pa.int32(), pa.string()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_any_encoding(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "keys.parquet"
    columns = {
        "key": ["1.png", "2.png", "3.png"],
        "coil": pa.array([" a ", "  ", None], pa.string()).cast(KINDS[kind]),
        "position_mm": pa.array(["1.5", "", None], pa.string()).cast(KINDS[kind]),
    }
    pq.write_table(pa.table(columns), path)
    listed = read_inventory(str(path), open_store(str(tmp_path)), INCLUDE, S3Settings()).whole()
    places = [None if one is None else json.loads(one) for one in listed["place"].to_pylist()]
    assert places == [{"coil": "a", "position_mm": 1.5}, None, None]


def test_numbers_as_names(tmp_path: Path) -> None:
    nan = pa.array([float("nan"), 7.0])
    path = tmp_path / "nan.parquet"
    pq.write_table(pa.table({"key": ["1.png", "2.png"], "coil": nan}), path)
    listed = read_inventory(str(path), open_store(str(tmp_path)), INCLUDE, S3Settings()).whole()
    assert listed["place"].to_pylist() == [None, '{"coil":"7"}']


def test_whole_numbers_are_names_without_a_fraction_beside_others(tmp_path: Path) -> None:
    path = tmp_path / "mixed.parquet"
    pq.write_table(pa.table({"key": ["1.png", "2.png"], "coil": [7.0, 7.5]}), path)
    listed = read_inventory(str(path), open_store(str(tmp_path)), INCLUDE, S3Settings()).whole()
    assert listed["place"].to_pylist() == ['{"coil":"7"}', '{"coil":"7.5"}']


@pytest.mark.parametrize(
    "times",
    [
        pa.array([10**17], pa.timestamp("ms", "UTC")),
        pa.array([9 * 10**17], pa.timestamp("us", "UTC")),
    ],
)
def test_times_out_of_range_are_refused(tmp_path: Path, times: pa.Array) -> None:
    with pytest.raises(DataError, match="the column captured_at holds a time out of range"):
        places(tmp_path, captured_at=times)


def test_parts_of_a_microsecond_are_cut(tmp_path: Path) -> None:
    moment = pa.array([1_772_600_767_123_456_789], pa.timestamp("ns"))
    (found,) = places(tmp_path, captured_at=moment)
    assert found == {"captured_at": "2026-03-04T05:06:07.123456+00:00"}


def test_true_and_false_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the column frame has to hold numbers: "):
        places(tmp_path, frame=pa.array([True]))

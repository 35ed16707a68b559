"""The place of a picture: from its key, from an inventory, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from steeldefect.errors import DataError, SettingsError
from steeldefect.pictures.strip import Axis, Place, Places, PlaceSettings, read_moment, stated_place
from steeldefect.settings import load_settings

KEY = "4711/cam2-top-0012-20260304T050607Z.png"
PATTERN = (
    r"^(?P<coil>\w+)/cam(?P<camera>\d)-(?P<side>top|bottom)-(?P<frame>\d+)"
    r"-(?P<captured_at>\w+)\.png$"
)


def places(**strip: Any) -> Places:
    return Places(PlaceSettings(**strip))


def test_the_key_states_the_place() -> None:
    found = places(key_pattern=PATTERN, frame_mm=500, pixel_mm=[0.5, 0.25], along="x").of(KEY)
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert found == Place("4711", "2", "top", 6_000.0, moment, 0.5, 0.25, None)
    assert found.pixel_mm == (0.5, 0.25)


def test_nothing_is_known_without_settings() -> None:
    assert places().of(KEY) == Place()


def test_what_is_not_stated_is_never_guessed() -> None:
    found = places(key_pattern=PATTERN).of(KEY)  # without the distance of frames
    assert (found.position_mm, found.pixel_mm) == (None, None)
    assert places(key_pattern=PATTERN).of("other.png") == Place()
    assert places(key_pattern=PATTERN).groups_of("other.png") is None
    optional = places(key_pattern=r"^(?P<coil>\w+)(-(?P<camera>\d))?\.png$")
    assert optional.of("a.png") == Place(coil="a")
    one_side = places(key_pattern=r"(?P<pixel_mm_x>\d\.\d)mm")
    assert one_side.of("0.5mm.png") == Place(pixel_mm_x=0.5)
    assert one_side.of("0.5mm.png").pixel_mm is None
    empty = places(key_pattern=r"(?P<coil>\w*)/(?P<frame>\d*)", frame_mm=1)
    assert empty.of("/.png") == Place()


def test_groups_of_other_names_are_attributes() -> None:
    found = places(key_pattern=r"(?P<line>\w+)/(?P<coil>\w+)-(?P<heat>\d+)?").of("line1/a-77.png")
    assert found.coil == "a"
    assert found.attributes == {"line": "line1", "heat": "77"}
    without = places(key_pattern=r"(?P<line>\w+)/(?P<coil>\w+)-(?P<heat>\d+)?").of("line1/a-.png")
    assert without.attributes == {"line": "line1"}


def test_an_inventory_wins_column_by_column() -> None:
    known = places(key_pattern=PATTERN, frame_mm=500, pixel_mm=2)
    given = stated_place(
        {"coil": "4712", "camera": None, "side": None, "position_mm": 7.5, "pixel_mm_y": 3.0}
        | {"heat": "h1"}
    )
    found = known.of(KEY, given)
    assert (found.coil, found.camera, found.side) == ("4712", "2", "top")
    assert found.position_mm == 7.5
    assert found.pixel_mm == (2.0, 3.0)
    assert found.attributes == {"heat": "h1"}
    assert known.of(KEY, stated_place({"frame": 3.0})).position_mm == 1_500.0
    stated = places(key_pattern=r"(?P<position_mm>\d+)", frame_mm=500)
    assert stated.of("7.png").position_mm == 7.0
    assert stated.of("7.png", stated_place({"frame": 3.0})).position_mm == 1_500.0


def test_nothing_stated_is_null() -> None:
    assert stated_place({"coil": None, "side": None}) is None
    assert stated_place({}) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-04T05:06:07Z", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("20260304T050607", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("2026-03-04 05:06:07.5+02:00", datetime(2026, 3, 4, 3, 6, 7, 500_000, tzinfo=UTC)),
        ("1772600767", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("1772600767.5", datetime(2026, 3, 4, 5, 6, 7, 500_000, tzinfo=UTC)),
        ("1772600767123", datetime(2026, 3, 4, 5, 6, 7, 123_000, tzinfo=UTC)),
        ("20260304050607", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("20260304", datetime(2026, 3, 4, tzinfo=UTC)),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    assert read_moment(text) == moment


@pytest.mark.parametrize(
    "text", ["", "noon", "12", "nan", "inf", "1e30", "2026-13-01", "2026-03-04x05"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        read_moment(text)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("frame-x.png", "frame-x.png: frame is 'x', expected a number; correct strip.key_pattern"),
        ("frame-nan.png", "frame is 'nan', expected a number"),
        ("frame-1_0.png", "frame is '1_0', expected a number"),
    ],
)
def test_a_group_that_is_no_number(key: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        places(key_pattern=r"frame-(?P<frame>\w+)\.", frame_mm=1).of(key)


def test_other_groups_of_the_wrong_type() -> None:
    with pytest.raises(DataError, match="pixel_mm_x is '0', expected a number above 0"):
        places(key_pattern=r"(?P<pixel_mm_x>\d)").of("0.png")
    with pytest.raises(DataError, match="captured_at is 'noon', expected a time"):
        places(key_pattern=r"(?P<captured_at>\w+)\.png").of("noon.png")


@pytest.mark.parametrize(
    ("override", "size"),
    [
        ("strip.pixel_mm=0.5", (0.5, 0.5)),
        ("strip.pixel_mm=[0.5, 0.25]", (0.5, 0.25)),
        ("strip.pixel_mm={x: 0.5, y: 1}", (0.5, 1.0)),
    ],
)
def test_forms_of_a_pixel_size(override: str, size: tuple[float, float]) -> None:
    pixel = load_settings(None, [override]).strip.pixel_mm
    assert pixel is not None
    assert (pixel.x, pixel.y) == size


def test_sides_of_a_pixel_one_by_one() -> None:
    strip = load_settings(
        None, ["strip.pixel_mm.x=0.5", "strip.pixel_mm.y=2", "strip.along=y"]
    ).strip
    assert Places(strip).of("a").pixel_mm == (0.5, 2.0)
    assert strip.along is Axis.Y


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("strip.pixel_mm=0", "strip.pixel_mm.x: Input should be greater than 0"),
        ("strip.pixel_mm={x: 1}", "strip.pixel_mm.y: missing"),
        ("strip.pixel_mm=[1, 2, 3]", "strip.pixel_mm"),
        ("strip.pixel_mm=.inf", "strip.pixel_mm.x: Input should be a finite number"),
        ("strip.along=z", "strip.along"),
        ("strip.key_pattern='(?P<coil>'", "strip.key_pattern: not a regular expression"),
        ("strip.key_pattern='\\d+'", "strip.key_pattern: has no named group"),
        ("strip.key_pattern='(?P<frame>1)(?P<position_mm>2)'", "frame or position_mm, not both"),
        ("strip.attributes=[heat, Coil]", "strip.attributes: Coil is read in any case"),
        ("strip.frame_mm=-1", "strip.frame_mm: Input should be greater than 0"),
        ("strip.pixel=1", r"strip.pixel: no such setting \(did you mean strip.pixel_mm"),
    ],
)
def test_wrong_settings(override: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load_settings(None, [override])

"""One picture: which one is meant, its history as text, and its drawing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.archives import unpack_old_output
from support.examples import BUNDLE, MORNING, origin
from support.reviewing import DENT, Night, found, judge, region, square

from steeldefect.analysis.sql import opened_database
from steeldefect.errors import SettingsError, TableError
from steeldefect.review.find_picture import PictureName
from steeldefect.review.history_text import history_text
from steeldefect.review.show import choose_history, show
from steeldefect.stores import Store, open_store
from steeldefect.tables.schema import TableName

OTHER = "c" * 64


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "archive")


def text_of(store: Store, asked: str) -> str:
    return history_text(show(store, asked))


@pytest.fixture
def several(store: Store, night: Night) -> Store:
    """An output with pictures of one file name, and with odd names."""
    for key in ("line 1/a.png", "line 2/a.png", "b.png", 'it\'s 100% "odd".png', "日本.png"):
        night.scored(key, 1)
    night.scored("two\nlines.png", 1)
    night.failed("broken.png")
    night.end(store)
    return store


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("line 1/a.png", "line 1/a.png"),
        ("b.png", "b.png"),
        ("{source}/line 2/a.png", "line 2/a.png"),
        ('it\'s 100% "odd".png', 'it\'s 100% "odd".png'),
        ("two\nlines.png", "two\nlines.png"),
        ("日本.png", "日本.png"),
        ("broken.png", "broken.png"),
    ],
)
def test_pictures_are_found_by_key_file_name_and_address(
    several: Store, night: Night, asked: str, key: str
) -> None:
    history = show(several, asked.format(source=night.archive))
    assert history.name == PictureName(str(night.archive), key, key.rpartition("/")[2])


def test_a_local_path_is_an_address(
    several: Store, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(night.archive / "line 1")
    assert show(several, "../line 2/a.png").name.key == "line 2/a.png"


def test_several_pictures_of_one_name_are_listed(several: Store, night: Night) -> None:
    with pytest.raises(SettingsError) as raised:
        show(several, "a.png")
    assert str(raised.value) == (
        f"2 pictures are named a.png: {night.archive}/line 1/a.png, {night.archive}/line 2/a.png; "
        "give the address of one"
    )


def test_many_pictures_of_one_name_are_counted(store: Store, night: Night) -> None:
    for number in range(13):
        night.scored(f"line {number:02d}/a.png")
    night.end(store)
    with pytest.raises(SettingsError, match=r"13 pictures .*/line 09/a\.png, and 3 more; give"):
        show(store, "a.png")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("line 1/b.png", r"did you mean line 1/a.png or line 2/a.png or two\nlines.png?"),
        ("brocken.png", "did you mean broken.png or b.png?"),
        ("two lines.png", r"did you mean two\nlines.png or line 2/a.png or line 1/a.png?"),
        ("zzzzzzzz", "see the table images"),
        ("", "see the table images"),
    ],
)
def test_near_names_are_suggested(several: Store, asked: str, hint: str) -> None:
    with pytest.raises(SettingsError) as raised:
        show(several, asked)
    assert str(raised.value) == f"no picture {asked} in these tables; {hint}"


def test_an_output_without_tables(store: Store) -> None:
    with pytest.raises(TableError, match="no tables at"):
        show(store, "a.png")


def test_everything_that_is_known_is_shown(store: Store, night: Night) -> None:
    place = {"coil": "17", "camera": "top", "side": "upper", "position_mm": 2500.0}
    scale = {"pixel_mm_x": 0.5, "pixel_mm_y": 0.25}
    moment = datetime(2026, 3, 4, 3, 2, 1, tzinfo=UTC)
    night.scored(
        "a.png",
        verdict="defect",
        defects=1,
        regions=1,
        rejected_regions=2,
        captured_at=moment,
        **place,
        **scale,
    )
    sizes = {"length": 12.25, "width": 3.0, "angle": -0.3, "touches_edge": True}
    millimetres = {"area_mm2": 4.5, "length_mm": 6.1, "width_mm": 0.75, "along_mm": 2504.0}
    night.add(
        TableName.DEFECTS,
        region("a.png", 1, square(6), class_id=DENT, across_mm=1.5, **sizes, **millimetres),
    )
    night.add(TableName.DEFECTS, region("a.png", 2, square(9, left=40), kept=False))
    night.add(TableName.PREDICTIONS, found("a.png", square(6), class_id=DENT))
    night.end(store)
    assert text_of(store, "a.png").splitlines() == [
        "a.png",
        f"  source  {night.archive}",
        "  size    128 x 64 px, 64.0 x 16.0 mm",
        "  place   coil 17, camera top, side upper, begins at 2500 mm",
        "  taken   2026-03-04 03:02 UTC",
        "",
        "bundle bbbbbbbbbbbb, gate threshold 0.010",
        "  scored                verdict   gate  engine            run",
        "  2026-03-04 05:06 UTC  defect   0.990  openvino cpu f32  20260304T050607-0123abcd",
        "",
        "  1 defect",
        "    no  class  px  mm2     size px    size mm  angle  mean p  max p  along mm  across mm  "
        "edge",
        "     1  dent   36  4.5  12.2 x 3.0  6.1 x 0.8      0   0.990  1.000    2504.0        1.5  "
        "edge",
        "",
        "  2 regions removed, smaller than a minimum area, the 1 largest:",
        "    no  class    px    size px  angle  mean p  max p  reason",
        "     2  scratch  81  3.0 x 1.0     90   0.990  1.000  min_area (100 px)",
    ]


def test_runs_and_bundles_come_newest_first(store: Store, night: Night) -> None:
    for number, (bundle, etag, probability) in enumerate(
        [(BUNDLE, "e1", 0.001), (OTHER, "e1", 0.5), (BUNDLE, "e2", 0.75)]
    ):
        later = Night(night.archive)
        verdict = "gated" if probability < 0.01 else "clean"
        later.scored("a.png", 1, etag=etag, gate_probability=probability, verdict=verdict)
        later.end(store, origin(number, bundle))
    history = show(store, "a.png")
    assert [one.bundle for one in history.bundles] == [BUNDLE, OTHER]
    assert [one.run_id for one in history.bundles[0].runs] == ["run-2", "run-0"]
    lines = history_text(history).splitlines()
    first, second = (number for number, line in enumerate(lines) if line.startswith("bundle"))
    assert [line.split() for line in lines[first + 2 : first + 4]] == [
        ["2026-03-04", "07:06", "UTC", "clean", "0.750", "openvino", "cpu", "f32", "run-2", "e2"],
        ["2026-03-04", "05:06", "UTC", "gated", "0.001", "openvino", "cpu", "f32", "run-0", "e1"],
    ]
    assert lines[second + 2].endswith("run-1"), "one version of the file needs no column"


def test_failures_are_shown(store: Store, night: Night) -> None:
    night.failed("a.png", transient=True, given_up=False, stage="fetch", message="no\nanswer")
    night.end(store, origin(0))
    later = Night(night.archive)
    later.failed("a.png")
    later.end(store, origin(1))
    history = show(store, "a.png")
    assert history.bundles == ()
    assert history_text(history).splitlines()[2:] == [
        "",
        "could not be scored",
        "  tried                 stage   what next    bundle        run    why",
        "  2026-03-04 06:06 UTC  decode  final        bbbbbbbbbbbb  run-1  DecodeError: empty "
        "file: 0 bytes",
        "  2026-03-04 05:06 UTC  fetch   tried again  bbbbbbbbbbbb  run-0  DecodeError: "
        r"no\nanswer",
    ]
    with pytest.raises(SettingsError, match=r"a\.png was not scored; there is nothing to draw"):
        choose_history(history, None)


def test_reviews_are_shown(store: Store, night: Night) -> None:
    night.scored("a.png")
    night.end(store)
    source = str(night.archive)
    assert "what people said" not in text_of(store, "a.png")
    judge(store, source, "a.png", BUNDLE)
    seen = {"run_lengths": "1 3 9 2", "verdict": "confirmed", "reviewer": "Béla"}
    judge(store, source, "a.png", OTHER, reviewed_at=MORNING + timedelta(hours=1), **seen)
    judge(store, source, "b.png", BUNDLE)
    assert text_of(store, "a.png").splitlines()[-4:] == [
        "what people said",
        "  reviewed              by    class    mask       true px  bundle        run",
        "  2026-03-04 06:06 UTC  Béla  scratch  confirmed        5  cccccccccccc  run-1",
        "  2026-03-04 05:06 UTC  Ann   scratch  corrected   absent  bbbbbbbbbbbb  run-1",
    ]


def test_tables_without_regions_show_classes(store: Store, night: Night) -> None:
    night.with_region("a.png", 20, 1)
    night.rows[TableName.IMAGES][0] |= {"regions": None, "rejected_regions": None}
    del night.rows[TableName.DEFECTS]
    night.end(store, thresholds=None)
    history = show(store, "a.png")
    assert history_text(history).splitlines()[4:] == [
        "bundle bbbbbbbbbbbb",
        "  scored                verdict   gate  engine            run",
        "  2026-03-04 05:06 UTC  defect   0.990  openvino cpu f32  20260304T050607-0123abcd",
        "",
        "  found by class: the version that scored it measured no regions",
        "    class     px  regions  mean p  max p",
        "    scratch  400        1   0.990  1.000",
    ]


def test_tables_of_version_0_1(tmp_path: Path) -> None:
    store = open_store(str(unpack_old_output(tmp_path)))
    with opened_database(store) as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM images").fetchall()]
    texts = [text_of(store, key) for key in keys]
    assert any("found by class" in text for text in texts)
    assert all("verdict" in text for text in texts)

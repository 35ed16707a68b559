"""The morning page in a browser: readable for all, complete, and it asks nobody for anything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.archives import rows
from support.browsing import ONE_WAY, TWO_WAYS, WAYS, Looked, Saved, look
from support.hostile_plant import HOSTILE_CAMERAS, HOSTILE_CLASSES, HOSTILE_COILS
from support.morning import MARKED, Plant, report_without_spark

from steeldefect.cli import main as steeldefect
from steeldefect.tables.schema import TableName

Seen = dict[str, Any]
REVIEWER = "Åsa <b>\u202eO'Hara & Co"

BROKEN = """<!doctype html><html><head><meta http-equiv="Content-Security-Policy"
content="default-src 'none'; style-src 'unsafe-inline'"><title></title></head><body>
<main><img src="nothing.png"><p style="color:#bbb;background:#fff;width:600px">pale</p>
<p><bdi class="name">x</bdi> after</p>
<p><bdi class="name" style="unicode-bidi:normal">\u202ename</bdi> after</p>
<script>alert(1)</script><script src="https://localhost:9/x.js"></script></main></body></html>"""


def verdicts_of(plant: Plant, to: Path) -> Saved:
    """Choose pictures of the second night: two with findings, and one that only the audit saw."""
    run = plant.runs[1]
    found = sorted(
        {one["key"] for one in plant.rows(TableName.PREDICTIONS, run) if not one["audit"]}
    )
    audited = sorted({one["key"] for one in plant.rows(TableName.PREDICTIONS, run) if one["audit"]})
    right, nothing, redraw = [one for one in found if f"coil {MARKED}/" in one][:3]
    chosen = (
        *((right, "right"), (nothing, "nothing"), (redraw, "redraw")),
        *((audited[0], "right"), (audited[1], "nothing")),
    )
    return Saved(f"nights/{run}.html", chosen, REVIEWER, str(to / "verdicts.json"))


def pages_of(folder: Path, run: str, ways: tuple[str, ...], coils: int) -> list[Looked]:
    """Return the pages to look at: one of each kind in several ways, and some coils of a night."""
    of_coils = sorted((folder / "coils" / run).glob("*.html"))[:coils]
    shown = {one.relative_to(folder).as_posix(): ONE_WAY for one in of_coils}
    shown |= {f"nights/{one.name}": ONE_WAY for one in (folder / "nights").glob("*.html")}
    shown |= dict.fromkeys(("index.html", f"nights/{run}.html", next(iter(shown))), ways)
    return [Looked(path, those) for path, those in shown.items()]


@pytest.fixture(scope="module")
def saved(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return verdicts_of(plant, tmp_path_factory.mktemp("saved"))


@pytest.fixture(scope="module")
def of_plant(plant: Plant, plant_pages: Path, saved: Saved) -> Seen:
    return look(plant_pages, pages_of(plant_pages, plant.runs[1], WAYS, 3), [saved])


@pytest.fixture(scope="module")
def of_hostile(hostile: Plant, hostile_pages: Path) -> Seen:
    return look(hostile_pages, pages_of(hostile_pages, hostile.runs[0], TWO_WAYS, 99))


@pytest.fixture(scope="module")
def single(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file with a night in it."""
    path = tmp_path_factory.mktemp("single") / "night.html"
    asked = ("--single-file", "--run", plant.runs[1])
    assert report_without_spark(plant.output, path, *asked) == 0
    return path


@pytest.fixture(scope="module")
def of_single(single: Path) -> Seen:
    return look(single.parent, [Looked(single.name, TWO_WAYS)])


@pytest.fixture(params=["of_plant", "of_hostile", "of_single"])
def every(request: pytest.FixtureRequest) -> Seen:
    seen: Seen = request.getfixturevalue(request.param)
    return seen


def ways(seen: Seen) -> Iterator[tuple[str, str, Seen]]:
    """Yield the page, the way in which it was looked at, and what was seen."""
    for path, page in seen["pages"].items():
        for way, found in page["seen"].items():
            yield path, way, found


def test_the_checks_see_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "broken.html").write_text(BROKEN, encoding="utf-8")
    seen = look(tmp_path, [Looked("broken.html", TWO_WAYS)])
    page = seen["pages"]["broken.html"]
    for way, found in page["seen"].items():
        assert found["missing"] == ["nothing.png"], way
        text = "\n".join([*found["problems"], *found["violations"]])
        rules = ("image-alt", "html-has-lang", "document-title", "color-contrast")
        assert [one for one in (*rules, "Content Security Policy") if one not in text] == []
        assert (found["overflow"] > 0) == way.endswith("narrow")
    assert page["names"]["turned"] == ["\u202ename", "name"]


def test_pages_have_no_barrier_in_light_and_dark_wide_and_narrow(every: Seen) -> None:
    wrong = {(path, way): one["violations"] for path, way, one in ways(every) if one["violations"]}
    assert wrong == {}
    assert {way for _, way, _ in ways(every)} in ({*WAYS}, {*TWO_WAYS})


def test_pages_report_no_error_and_ask_nobody(
    every: Seen, plant_pages: Path, hostile_pages: Path, single: Path
) -> None:
    roots = tuple(one.as_uri() for one in (plant_pages, hostile_pages, single))
    for path, way, found in ways(every):
        assert found["problems"] == [], (path, way)
        outside = [
            one for one in found["requests"] if not one.startswith((*roots, "data:image/jpeg"))
        ]
        assert outside == [], (path, way)
        assert found["requests"], (path, way)


def test_every_picture_is_shown_and_nothing_is_wider_than_a_phone(every: Seen) -> None:
    for path, way, found in ways(every):
        assert (found["missing"], found["overflow"]) == ([], 0), (path, way)
    assert max(page["content"]["pictures"] for page in every["pages"].values()) > 20


def test_without_javascript_the_content_is_the_same(every: Seen) -> None:
    compared = [page for page in every["pages"].values() if "unscripted" in page]
    for page in compared:
        plain, whole = page["unscripted"], page["content"]
        assert (plain["text"], plain["pictures"]) == (whole["text"], whole["pictures"])
        assert plain["buttons"] == 0
    assert max(page["content"]["buttons"] for page in compared) > 5


def test_a_printed_page_has_no_buttons(every: Seen) -> None:
    printed = [page["print"] for page in every["pages"].values() if "print" in page]
    assert printed
    for one in printed:
        assert (one["buttons"], one["beginning"]) == (0, "%PDF-")
        assert one["bytes"] > 10_000


def test_a_name_does_nothing_and_is_shown_as_it_is(
    of_hostile: Seen, of_plant: Seen, hostile: Plant
) -> None:
    dialogs = [one for _, _, found in ways(of_hostile) for one in found["dialogs"]]
    assert dialogs == []
    harmless = {tag for page in of_plant["pages"].values() for tag in page["names"]["tags"]}
    texts: set[str] = set()
    for path, page in of_hostile["pages"].items():
        names = page["names"]
        assert (names["turned"], names["handlers"]) == ([], []), path
        assert set(names["tags"]) <= harmless, path
        assert names["scripts"] == (0 if path == "index.html" else 2)
        texts |= set(names["texts"])
    images = hostile.rows(TableName.IMAGES, hostile.runs[0])
    found = {one["key"] for one in images if one["verdict"] == "defect"}
    assert len(found) == len(HOSTILE_COILS) * len(HOSTILE_CAMERAS)
    wanted = {*HOSTILE_COILS, *HOSTILE_CLASSES, *found, hostile.output}
    wanted |= set(HOSTILE_CAMERAS)
    assert wanted - texts == set()
    assert {one["source"] for one in images} <= texts
    labels = {one for page in of_hostile["pages"].values() for one in page["names"]["labels"]}
    assert found <= labels


def test_the_two_places_of_a_picture_have_one_verdict(of_plant: Seen, saved: Saved) -> None:
    (given,) = of_plant["verdicts"]
    assert (given["problems"], given["violations"], given["dialogs"]) == ([], [], [])
    shown = [tuple(one) for one in given["shown"]]
    assert set(shown) == set(saved.chosen)
    assert len(shown) > len(saved.chosen), "no picture is at two places"
    assert given["said"] == "5 verdicts"


def test_what_a_person_saves_becomes_reviews_once(
    plant: Plant,
    of_plant: Seen,
    saved: Saved,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, output = plant.runs[1], str(shutil.copytree(plant.output, tmp_path / "output"))
    (given,) = of_plant["verdicts"]
    assert given["name"] == f"verdicts-{run}.json"
    stated = json.loads(Path(saved.to).read_text(encoding="utf-8"))
    assert stated["reviewer"] == REVIEWER
    asked = ["review", "import", "--annotations", saved.to, "--output", output]
    assert steeldefect(asked) == 12  # the name turns text around
    assert "--reviewer" in capsys.readouterr().err
    assert rows(output, TableName.REVIEWS) == []
    stated["reviewer"] = "Åsa O'Hara"
    Path(saved.to).write_text(json.dumps(stated), encoding="utf-8")
    for _ in range(2):
        assert steeldefect(asked) == 0
        said = capsys.readouterr().err
        assert f"1 pictures need other outlines: {saved.chosen[2][0]};" in said
        assert reviews_of(output) == expected_reviews(plant, saved)
    reviewed = rows(output, TableName.REVIEWS)
    assert {one["reviewer"] for one in reviewed} == {"Åsa O'Hara"}
    assert {one["scored_run"] for one in reviewed} == {run}


def reviews_of(output: str) -> list[tuple[str, int, str, str]]:
    return sorted(
        (one["key"], one["class_id"], one["run_lengths"], one["verdict"])
        for one in rows(output, TableName.REVIEWS)
    )


def expected_reviews(plant: Plant, saved: Saved) -> list[tuple[str, int, str, str]]:
    """Return the reviews that the verdicts mean: one row for each class of a picture."""
    masks: dict[tuple[str, bool], dict[int, str]] = {}
    for one in plant.rows(TableName.PREDICTIONS, plant.runs[1]):
        masks.setdefault((one["key"], one["audit"]), {})[one["class_id"]] = one["run_lengths"]
    expected = []
    for key, verdict in saved.chosen:
        if verdict == "redraw":
            continue
        found, audited = masks.get((key, False), {}), masks.get((key, True), {})
        right = (found or audited) if verdict == "right" else {}
        for class_id in (1, 2):
            mask = right.get(class_id, "")
            same = mask == found.get(class_id, "")
            expected.append((key, class_id, mask, "confirmed" if same else "corrected"))
    return sorted(expected)

"""Every figure of the morning page is the one of the tables, and its SQL gives it again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.morning import MARKED, PIXEL_MM, Plant
from support.page_figures import Numbers, by_sql, on_page
from support.page_reader import Element, read_page
from support.page_recount import Row, by_recount, exported
from support.samples import HEIGHT

from steeldefect.analysis.sql import query
from steeldefect.stores import open_store

CLASSES = {1: "bright", 2: "dark"}
Tables = dict[str, list[Row]]
NIGHTS = pytest.mark.parametrize("night", [0, 1, 2])


@pytest.fixture(scope="module")
def tables(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables, as they are in CSV files."""
    return exported(plant.output, tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def pages(plant_pages: Path) -> dict[str, Element]:
    """All pages, by path."""
    return {
        one.relative_to(plant_pages).as_posix(): read_page(one.read_text(encoding="utf-8"))
        for one in plant_pages.rglob("*.html")
    }


def captions(page: Element) -> list[Element]:
    """Return the texts below the pictures, on a night's page or a coil's."""
    plates = [one for one in page.all("div") if one.attributes.get("class") in ("plates", "sheet")]
    return [one for part in plates for one in part.all("figcaption")]


def maps(page: Element) -> list[Element]:
    """Return what is said below the maps."""
    return [one for one in page.all("p", "soft") if one.text.startswith("What the camera sees")]


@NIGHTS
def test_a_night_states_what_its_sql_and_a_recount_give(
    plant: Plant, tables: Tables, pages: dict[str, Element], night: int
) -> None:
    run = plant.runs[night]
    page = pages[f"nights/{run}.html"]
    told = on_page(page)
    assert told == by_sql(page, plant.output, CLASSES)
    assert told == by_recount(tables, run, CLASSES)
    # what is left are the captions, the maps, the number of usual nights, and of quantities
    left = [one for part in (*captions(page), *maps(page)) for one in part.figures]
    others = [one for part in page.by_id("changed").all("p") for one in part.figures]
    quantities = sum(one["run_id"] == run for one in tables["drift"])
    assert others == [[], [1.0], [2.0]][night]
    assert told.count + len(left) + len(others) == len(page.figures)
    assert (quantities > 0) == (night > 0)


def test_the_nights_have_everything_that_a_page_can_show(plant: Plant, tables: Tables) -> None:
    own = {
        name: [Counter(one["run_id"] for one in rows)[run] for run in plant.runs]
        for name, rows in tables.items()
    }
    assert own["images"] == [72, 97, 72]
    assert own["quarantine"] == [0, 3, 0]
    assert own["repeats"] == [0, 1, 0]
    assert min(own["audit_defects"]) > 0
    alarms = Counter(one["run_id"] for one in tables["drift"] if one["alarm"])
    assert [*alarms] == [plant.runs[2]]
    reasons = {(one["transient"], one["given_up"]) for one in tables["quarantine"]}
    assert reasons == {(False, True), (True, True)}


@NIGHTS
def test_captions_state_places_and_sizes_of_the_tables(
    plant: Plant, tables: Tables, pages: dict[str, Element], night: int
) -> None:
    run = plant.runs[night]
    shown = [
        caption
        for path, page in pages.items()
        if run in path
        for caption in captions(page)
        if caption.all("span", "key")
    ]
    assert len(shown) > 20
    pictures = {one["key"]: one for one in tables["images"] if one["run_id"] == run}
    for caption in shown:
        key = caption.all("span", "key")[0].all("bdi", "name")[-1].text
        picture = pictures[key]
        places, *sizes = [caption.all("span", "key")[0], *caption.all("li")]
        assert places.figures == [picture["position_mm"] / 1000]
        table = "audit_defects" if picture["verdict"] == "gated" else "defects"
        regions = {
            one["number"]: one
            for one in tables[table]
            if (one["run_id"], one["key"]) == (run, key) and one["kept"]
        }
        told = {}
        for one in sizes:
            number, _, rest = one.text.partition(": ")
            told[int(number)] = (rest.partition(",")[0], one.figures)
        assert told == {
            number: (one["class_name"], [one["length_mm"], one["width_mm"]])
            for number, one in regions.items()
        }


@NIGHTS
def test_the_contact_sheet_shows_each_picture_with_a_defect_at_its_place(
    plant: Plant, tables: Tables, pages: dict[str, Element], night: int
) -> None:
    run = plant.runs[night]
    sheet = pages[f"nights/{run}.html"].all("div", "sheet")[0]
    told = {
        one.all("img")[0].attributes["alt"].removeprefix("Picture ").partition(" of coil")[0]: (
            one.all("figcaption")[0].figures
        )
        for one in sheet.all("figure")
    }
    assert told == {
        one["key"]: [one["position_mm"] / 1000]
        for one in tables["images"]
        if (one["run_id"], one["verdict"]) == (run, "defect")
    }


def test_coils_state_the_defects_of_the_tables(
    plant: Plant, tables: Tables, pages: dict[str, Element]
) -> None:
    columns = ("across_mm", "length_mm", "width_mm", "area_mm2", "area")
    seen = 0
    for path, page in pages.items():
        if not path.startswith("coils/"):
            continue
        run, coil = path.split("/")[1], page.all("h1")[0].text.removeprefix("Coil ")
        expected: Counter[tuple[Any, ...]] = Counter(
            (
                *(one["class_name"], one["key"], one["along_mm"] / 1000),
                *(one[name] for name in columns),
            )
            for one in tables["defects"]
            if (one["run_id"], one["coil"]) == (run, coil) and one["kept"]
        )
        rows = page.by_id(f"defects-{int(path.rsplit('/', 1)[1][:3])}")
        told = Counter(
            (cells[0].text, cells[-1].text, *(value for cell in cells for value in cell.figures))
            for cells in (rows.table_rows() if rows.all("table") else [])
        )
        assert told == expected, path
        seen += told.total()
        parts = [*captions(page), *maps(page)]
        assert len(page.figures) == 6 * told.total() + sum(len(one.figures) for one in parts)
    assert seen == sum(one["kept"] for one in tables["defects"] if one["run_id"] in plant.runs)


def test_maps_state_the_width_that_the_camera_sees(pages: dict[str, Element]) -> None:
    said = [one for page in pages.values() for one in maps(page)]
    widths: set[tuple[float, ...]] = {tuple(one.figures[:1]) for one in said}
    assert widths == {(HEIGHT * PIXEL_MM,)}
    assert len(said) > 20


def test_the_list_of_nights_states_the_tables(
    plant: Plant, tables: Tables, pages: dict[str, Element]
) -> None:
    page = pages["index.html"]
    told: list[Numbers] = [
        [value for cell in row for value in cell.figures]
        for row in page.by_id("nights").table_rows()
    ]
    expected = []
    for run in reversed(plant.runs):
        own = [one["verdict"] for one in tables["images"] if one["run_id"] == run]
        lost = sum(one["run_id"] == run for one in tables["quarantine"])
        expected.append([len(own), own.count("defect") / len(own), lost])
    assert told == expected
    assert len(page.figures) == 9


def test_the_trust_in_a_night_is_that_of_the_metrics(
    plant: Plant, tables: Tables, pages: dict[str, Element]
) -> None:
    run = plant.runs[1]
    text = pages[f"nights/{run}.html"].by_id("trust").text
    by_name = {
        (one["name"], one["scope"]): one for one in tables["metrics"] if one["run_id"] == run
    }
    hidden = by_name["behind_gate_pictures", "overall"]
    same = by_name["verdict_agreement", "overall"]
    assert f"looked at {hidden['support']} of them all the same" in " ".join(text.split())
    assert f"about {hidden['value']:,.0f} of the stopped pictures are defective" in text
    assert f"(95% interval {hidden['low']:,.0f} to {hidden['high']:,.0f})" in text
    assert f"on {100 * same['value']:.0f}% of {same['support']} pictures" in text


def test_every_statement_of_every_page_runs(plant: Plant, pages: dict[str, Element]) -> None:
    statements = {
        code.text
        for page in pages.values()
        for one in page.all("details")
        if one.all("summary")[0].text.startswith("SQL")
        for code in one.all("code")
    }
    assert len(statements) > 50
    store = open_store(plant.output)
    for statement in statements:
        assert query(store, statement).num_columns > 0, statement


def test_a_repeat_is_told_with_its_coil_and_its_map(
    plant: Plant, pages: dict[str, Element]
) -> None:
    page = pages[f"nights/{plant.runs[1]}.html"]
    (item,) = page.by_id("changed").all("li")
    said = f"Coil coil {MARKED}, camera c1: roll of 398 mm diameter: 11 marks"
    assert item.text.startswith(said)
    assert "11 of 12 turns have a mark" in item.text
    pictures, link = item.all("a")
    assert pictures.attributes["href"] == "#look-repeats"
    coil = pages[link.attributes["href"].removeprefix("../")]
    assert coil.all("h1")[0].text == f"Coil coil {MARKED}"
    turns = [one for one in coil.all("rect") if one.attributes.get("class") == "turn"]
    assert len(turns) >= 11

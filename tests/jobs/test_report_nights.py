"""The morning page: one night after the other, nights that failed, outputs that lack something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.archives import unpack_old_output
from support.examples import ORIGIN
from support.morning import Plant, files_of, report_without_spark, runs_of, undated
from support.page_reader import page_of, read_page, said
from support.reviewing import Night
from support.samples import (
    bright_picture,
    build_rule_bundle,
    fill_archive,
    run_program,
    save,
    score_arguments,
)
from support.short_runs import score_without_spark

from jobs.report import main
from steeldefect.api.report import report
from steeldefect.bundle.files import Bundle
from steeldefect.publish.runs import Outcome
from steeldefect.stores import open_store

Pages = dict[str, bytes]


def of_night(files: Pages, run: str) -> Pages:
    return {path: data for path, data in files.items() if run in path}


def links_of(folder: Path) -> list[str]:
    page = read_page((folder / "index.html").read_text(encoding="utf-8"))
    return [one.attributes["href"] for one in page.by_id("nights").all("a")]


# -- one night after the other --------------------------------------------------------------------


def test_a_later_night_leaves_the_pages_of_an_earlier_one_as_they_are(
    plant: Plant, tmp_path: Path
) -> None:
    first, second, _ = plant.runs
    assert report_without_spark(plant.output, tmp_path, "--run", first) == 0
    before = of_night(files_of(tmp_path), first)
    assert {path.split("/")[0] for path in before} == {"nights", "coils", "pictures"}
    assert links_of(tmp_path) == [f"nights/{first}.html"]
    assert report_without_spark(plant.output, tmp_path, "--run", second) == 0
    assert of_night(files_of(tmp_path), first) == before
    assert links_of(tmp_path) == [f"nights/{one}.html" for one in (second, first)]
    (path,) = page_of(tmp_path, second).all("p", "path")
    assert [one.attributes["href"] for one in path.all("a")] == ["../index.html", f"{first}.html"]


def test_a_night_that_is_reported_again_has_the_same_files(plant: Plant, tmp_path: Path) -> None:
    run = plant.runs[1]
    asked = (plant.output, tmp_path, "--run", run)
    assert report_without_spark(*asked) == 0
    whole = files_of(tmp_path)
    for stale in (f"pictures/{run}/0999.jpg", f"coils/{run}/099-gone.html"):
        (tmp_path / stale).write_bytes(b"of an earlier report")
    kept = tmp_path / "nights" / "notes.txt"
    kept.write_text("not of this program")
    assert report_without_spark(*asked) == 0
    assert undated(files_of(tmp_path)) == undated(whole) | {"nights/notes.txt": kept.read_bytes()}
    assert report_without_spark(*asked, "--pictures", "3") == 0
    few = sorted(path for path in files_of(tmp_path) if path.endswith(".jpg"))
    assert few == [f"pictures/{run}/{number:04d}.jpg" for number in (1, 2, 3)]


def test_all_links_of_all_pages_lead_to_a_file(plant_pages: Path) -> None:
    files, seen = files_of(plant_pages), set()
    for path, data in files.items():
        if not path.endswith(".html"):
            continue
        page = read_page(data.decode())
        anchors = {one.attributes["id"] for one in page.walk() if "id" in one.attributes}
        for one in page.walk():
            if one.tag == "use":  # inside a chart
                continue
            for address in (one.attributes.get("href"), one.attributes.get("src")):
                if address is None:
                    continue
                to, _, anchor = address.partition("#")
                if not to:
                    assert anchor in anchors, (path, address)
                    continue
                target = (plant_pages / path).parent / to
                seen.add(target.resolve().relative_to(plant_pages.resolve()).as_posix())
    assert seen == set(files)


# -- nights that went wrong -----------------------------------------------------------------------

ENDS = {
    Outcome.FAILED: "The run ended with an error, and 3 pictures of the night are not done yet",
    Outcome.INTERRUPTED: "The run was interrupted, and 3 pictures of the night are not done yet",
    Outcome.RUNNING: "The run has not ended, or its host died, and 3 pictures of the night are not",
}


@pytest.mark.parametrize("outcome", ENDS)
@pytest.mark.parametrize("scored", [0, 4])
def test_a_run_that_did_not_end_well_says_so(tmp_path: Path, outcome: Outcome, scored: int) -> None:
    store, night = open_store(str(tmp_path / "output")), Night(tmp_path / "archive")
    for number in range(scored):
        night.with_region(f"p{number}.png", 20, seed=number)
    counts = {"planned": scored + 3, "scored": scored, "defective": scored}
    error = "the disk is <full>" if outcome is Outcome.FAILED else None
    night.end(store, outcome=outcome, error=error, **counts)
    assert report_without_spark(store.uri, tmp_path / "pages") == 0
    page = page_of(tmp_path / "pages", ORIGIN.run_id)
    (verdict,) = page.all("p", "verdict")
    assert said(verdict).startswith(f"Not all of the night was scored. {ENDS[outcome]}")
    assert verdict.attributes["class"] == "verdict broken"
    assert ("the disk is <full>" in page.by_id("not-scored").text) is (outcome is Outcome.FAILED)
    index = read_page((tmp_path / "pages/index.html").read_text())
    assert ENDS[outcome] in said(index.by_id("nights"))


def test_a_run_with_too_many_failures_has_a_page(rule_bundle: Bundle, tmp_path: Path) -> None:
    archive, output = fill_archive(tmp_path / "archive", 4), str(tmp_path / "output")
    asked = score_arguments(archive, rule_bundle.folder, output)
    for number in range(4):
        (archive / f"bad{number}.png").write_bytes(b"")
    assert score_without_spark(asked) == 7
    assert report_without_spark(output, tmp_path / "pages") == 0
    (page,) = (tmp_path / "pages/nights").glob("*.html")
    text = said(read_page(page.read_text()))
    assert "Not all of the night was scored. The run ended with an error" in text
    assert "The run ended with: 4 of 8 pictures failed" in text


def test_a_night_without_anything_new_says_so(rule_bundle: Bundle, tmp_path: Path) -> None:
    archive, output = fill_archive(tmp_path / "archive", 3), str(tmp_path / "output")
    for _ in range(2):
        assert score_without_spark(score_arguments(archive, rule_bundle.folder, output)) == 0
    assert report_without_spark(output, tmp_path / "pages", "--nights", "2") == 0
    (verdict,) = page_of(tmp_path / "pages", runs_of(output)[-1]).all("p", "verdict")
    assert said(verdict) == "Nothing was found. No new pictures."
    index = read_page((tmp_path / "pages/index.html").read_text())
    told = [said(row[1]) for row in index.by_id("nights").table_rows()]
    assert told == ["No new pictures.", "2 of 3 pictures show a defect."]


# -- outputs that lack something ------------------------------------------------------------------


def test_tables_of_version_0_1_have_pages(tmp_path: Path) -> None:
    output = str(unpack_old_output(tmp_path))
    assert report_without_spark(output, tmp_path / "pages", "--nights", "9") == 0
    pages = [one for path in (tmp_path / "pages/nights").iterdir() for one in [path.read_text()]]
    assert len(pages) == 2
    for page in map(read_page, pages):
        assert "The coils of the pictures are not known" in said(page.by_id("strip"))
        assert "No drawing: " in page.text  # the archive is not there any more


def test_an_output_without_gate_and_without_coils_has_pages(tmp_path: Path) -> None:
    gateless = build_rule_bundle(tmp_path / "bundle", with_gate=False)
    archive, output = fill_archive(tmp_path / "archive", 6), str(tmp_path / "output")
    assert score_without_spark(score_arguments(archive, gateless.folder, output)) == 0
    assert report_without_spark(output, tmp_path / "pages") == 0
    (path,) = (tmp_path / "pages/nights").iterdir()
    page = read_page(path.read_text())
    assert "The gate stopped no picture" in said(page.by_id("trust"))
    assert "The coils of the pictures are not known" in said(page.by_id("strip"))
    assert not (tmp_path / "pages/coils").exists()
    assert len(page.by_id("found").all("img")) == 4


def test_a_picture_that_is_gone_or_changed_says_why(rule_bundle: Bundle, tmp_path: Path) -> None:
    archive, output = fill_archive(tmp_path / "archive", 6), str(tmp_path / "output")
    assert score_without_spark(score_arguments(archive, rule_bundle.folder, output)) == 0
    (archive / "p001.png").unlink()
    save(bright_picture(99, left=40), archive / "p002.png")
    assert report_without_spark(output, tmp_path / "pages") == 0
    (path,) = (tmp_path / "pages/nights").iterdir()
    page = read_page(path.read_text())
    figures = [one for part in page.all("div", "plates") for one in part.all("figure")]
    why = {said(one.all("p", "missing")[0]) for one in figures if one.all("p", "missing")}
    assert why == {
        f"No drawing: cannot read {archive}/p001.png: No such file or directory",
        "No drawing: the file has changed since it was scored",
    }
    for one in figures:
        assert bool(one.all("img")) != bool(one.all("p", "missing"))
        assert bool(one.all("img")) == bool(one.all("fieldset")), "no verdict on what nobody sees"
    assert len(files_of(tmp_path / "pages/pictures")) == 2


# -- Spark ----------------------------------------------------------------------------------------


@pytest.mark.spark
def test_spark_draws_the_same_and_pages_need_it_for_pictures_alone(
    plant: Plant, plant_pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "pages"
    assert main(["--output", plant.output, "--to", str(to), "--nights", "3"]) == 0
    assert undated(files_of(to)) == undated(files_of(plant_pages))
    sentence, address = capsys.readouterr().out.splitlines()[-2:]
    assert address == (to / "index.html").as_uri()
    index = read_page((to / "index.html").read_text())
    assert sentence in said(index.all("p", "verdict")[0])


def test_without_pictures_no_spark_is_needed(plant: Plant, tmp_path: Path) -> None:
    asked = ("-m", "steeldefect", "report", "--output", plant.output)
    without = run_program(
        *asked, "--to", str(tmp_path / "without"), "--pictures", "0", SPARK_HOME="/nowhere"
    )
    assert without.code == 0, without.err
    page = page_of(tmp_path / "without", plant.runs[-1])
    assert page.all("img") == []
    look = said(page.by_id("look"))
    assert "Nothing was found" not in look
    assert re.search(r"\d+ more pictures belong here \(option --pictures\)", look)


def test_without_spark_there_is_an_error_before_anything_is_written(
    plant: Plant, tmp_path: Path
) -> None:
    to = tmp_path / "pages"
    asked = ("-m", "steeldefect", "report", "--output", plant.output, "--to", str(to))
    ended = run_program(*asked, SPARK_HOME="/nowhere")
    assert ended.code == 2
    assert "SPARK_HOME=/nowhere holds no Spark" in ended.err
    assert not to.exists()


@pytest.mark.spark
def test_spark_that_fails_costs_the_pictures_and_not_the_page(
    plant: Plant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    builder = SparkSession.builder.master("local[1]")
    session = builder.config("spark.driver.maxResultSize", "1k").getOrCreate()
    try:
        made = report(plant.output, tmp_path / "pages", spark=session)
    finally:
        session.stop()
    assert (made.drawn, made.not_drawn > 10) == (0, True)
    assert "the pages have no pictures: " in caplog.text
    page = page_of(tmp_path / "pages", plant.runs[-1])
    assert page.all("img") == []
    missing = {said(one) for one in page.all("p", "missing")}
    assert len(missing) == 1
    assert missing.pop().startswith("No drawing: Spark failed: ")

"""Exports to annotation tools, and what comes back from them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from support.examples import BUNDLE, finish, image, origin, prediction, publish
from support.samples import both_picture, bright_picture, plain_picture, save

from steeldefect.analysis.sql import query
from steeldefect.cli import main
from steeldefect.errors import (
    AlreadyExistsError,
    DataError,
    SettingsError,
    StoreUnavailableError,
    TableError,
)
from steeldefect.pictures import run_lengths
from steeldefect.review.export import export
from steeldefect.review.formats import Format, write_annotations
from steeldefect.review.imports import ImportRequest, ImportResult, import_reviews
from steeldefect.review.manifest import read_manifest
from steeldefect.review.queue_reading import QueueFile
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
from training.data.dataset import read_dataset

SETTINGS = ScoreSettings(any_picture_size=True)
BRIGHT = run_lengths.encode(both_picture() == 250)
DARK = run_lengths.encode(both_picture() == 2)
RING = np.zeros((64, 128), bool)
RING[10:30, 10:40] = True
RING[15:20, 15:25] = False
HOLED = run_lengths.encode(RING)
KEYS = ["both.png", "line 1/a.png", "line 2/a.png", "plain.png", "ring.jpg"]


def etag_of(folder: Path, key: str) -> str:
    return next(found.etag for found in open_store(str(folder)).scan(key) if found.key == key)


@pytest.fixture
def archive(tmp_path: Path, store: Store) -> Path:
    """Write five pictures and their findings; two have the same file name."""
    folder = tmp_path / "archive"
    save(both_picture(), folder / "both.png")
    save(bright_picture(), folder / "line 1/a.png")
    save(bright_picture(), folder / "line 2/a.png")
    save(plain_picture(), folder / "plain.png")
    Image.fromarray(plain_picture()).save(folder / "ring.jpg")
    found = [
        ("both.png", 1, BRIGHT),
        ("both.png", 2, DARK),
        ("line 1/a.png", 1, BRIGHT),
        ("line 2/a.png", 1, BRIGHT),
        ("ring.jpg", 1, HOLED),
    ]
    place = {"source": str(folder)}
    publish(
        store,
        {
            TableName.IMAGES: [image(key, etag=etag_of(folder, key), **place) for key in KEYS],
            TableName.PREDICTIONS: [
                prediction(key, class_id=number, run_lengths=text, **place)
                for key, number, text in found
            ],
        },
    )
    Tables(store).create_all()
    finish(store, classes='{"1": "bright", "2": "dark"}')
    return folder


def queue_of(archive: Path, *keys: str) -> QueueFile:
    return QueueFile(pa.table({"source": [str(archive)] * len(keys), "key": list(keys)}), None)


def named(folder: Path) -> dict[str, str]:
    """Return the name of each picture's file in an export, by key."""
    return {one.key: one.name for one in read_manifest(folder).pictures}


@pytest.fixture
def exported(archive: Path, store: Store, tmp_path: Path) -> Callable[[Format], Path]:
    """Return a function that exports all pictures in a format."""

    def write(format: Format) -> Path:
        folder = tmp_path / f"export-{format.value}"
        export(store, SETTINGS, queue_of(archive, *KEYS), folder, format)
        return folder

    return write


def take(
    store: Store, exported: Path, annotations: Path | None = None, folder: Path | None = None
) -> ImportResult:
    request = ImportRequest(exported, annotations or exported, None, "Ada", folder)
    return import_reviews(store, SETTINGS, request)


def reviews(store: Store) -> dict[tuple[str, int], dict[str, Any]]:
    rows = Tables(store).read(TableName.REVIEWS).to_pylist()
    found = {(row["key"], row["class_id"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_an_export_holds_the_pictures_as_they_are_in_the_order_of_the_queue(
    exported: Callable[[Format], Path], archive: Path
) -> None:
    folder = exported(Format.COCO)
    manifest = read_manifest(folder)
    assert [one.key for one in manifest.pictures] == KEYS
    names = [re.sub(r"-[0-9a-f]{8}\.", ".", one.name) for one in manifest.pictures]
    assert names == ["both.png", "a.png", "a.png", "plain.png", "ring.jpg"]
    assert len({one.name for one in manifest.pictures}) == 5
    for one in manifest.pictures:
        assert (folder / "images" / one.name).read_bytes() == (archive / one.key).read_bytes()
    assert manifest.bundle == BUNDLE
    assert manifest.pictures[0].masks == {1: BRIGHT, 2: DARK}
    assert manifest.pictures[3].masks == {}


def test_a_picture_that_tools_would_turn_is_written_as_the_models_saw_it(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    colours = np.dstack([plain_picture()] * 3)
    colours[:32, :, 0] = 200
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(colours).save(folder / "a.png", exif=turned)
    row = image("a.png", etag=etag_of(folder, "a.png"), source=str(folder))
    publish(store, {TableName.IMAGES: [row]})
    finish(store, classes='{"1": "bright"}')
    export(store, SETTINGS, queue_of(folder, "a.png"), tmp_path / "export", Format.KAGGLE)
    name = named(tmp_path / "export")["a.png"]
    shown = cv2.imread(str(tmp_path / "export/images" / name), cv2.IMREAD_UNCHANGED)
    assert shown is not None
    assert shown.ndim == 2


@pytest.mark.parametrize("format", [one for one in Format if one is not Format.LABEL_STUDIO])
def test_what_comes_back_unchanged_is_confirmed(
    exported: Callable[[Format], Path], store: Store, format: Format, tmp_path: Path
) -> None:
    """YOLO fills the hole of the ring, but nobody changed it: its mask keeps the hole."""
    folder = exported(format)
    result = take(store, folder, folder=tmp_path / "data")
    assert result == ImportResult(confirmed=5, corrected=0, missing=(), new=True)
    found = reviews(store)
    assert set(found) == {(key, number) for key in KEYS for number in (1, 2)}
    assert found["ring.jpg", 1]["run_lengths"] == HOLED
    assert {row["verdict"] for row in found.values()} == {"confirmed"}
    assert {row["reviewer"] for row in found.values()} == {"Ada"}
    assert {row["format"] for row in found.values()} == {format.value}


def changed_coco(folder: Path) -> Path:
    """Take a mask away, as a person does in a tool; return the file that the tool writes."""
    content = json.loads((folder / "annotations.json").read_text())
    file_of = named(folder)
    names = {one["id"]: one["file_name"] for one in content["images"]}
    content["annotations"] = [
        one
        for one in content["annotations"]
        if (Path(names[one["image_id"]]).name, one["category_id"]) != (file_of["both.png"], 2)
    ]
    content["images"] = [
        one for one in content["images"] if Path(one["file_name"]).name != file_of["line 2/a.png"]
    ]
    ids = {one["id"] for one in content["images"]}
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in ids]
    path = folder.parent / "from the tool.json"
    path.write_text(json.dumps(content))
    return path


def test_a_correction_becomes_rows_and_a_training_folder(
    exported: Callable[[Format], Path], store: Store, tmp_path: Path, archive: Path
) -> None:
    folder = exported(Format.COCO)
    result = take(store, folder, changed_coco(folder), folder=tmp_path / "data")
    assert (result.confirmed, result.corrected, result.new) == (3, 1, True)
    assert result.missing == (named(folder)["line 2/a.png"],)
    found = reviews(store)
    assert ("line 2/a.png", 1) not in found
    assert {key: row["verdict"] for key, row in found.items() if row["verdict"] != "confirmed"} == {
        ("both.png", 2): "corrected"
    }
    row = found["both.png", 2]
    (run_id,) = set(Tables(store).read(TableName.IMAGES)["run_id"].to_pylist())
    assert (row["run_lengths"], row["scored_run"], row["bundle"]) == ("", run_id, BUNDLE)
    assert row["etag"] == etag_of(archive, "both.png")
    assert row["reviewed_at"] <= datetime.now(UTC)
    data = read_dataset(tmp_path / "data")
    found_on = {"both.png": [1], "line 1/a.png": [1], "plain.png": [], "ring.jpg": [1]}
    assert {one.name: sorted(one.runs) for one in data.pictures} == {
        named(folder)[key]: classes for key, classes in found_on.items()
    }
    assert data.class_names == {1: "bright", 2: "dark"}
    with (tmp_path / "data/reviews.csv").open(newline="") as file:
        told = {row["key"]: row for row in csv.DictReader(file)}
    assert told["both.png"]["verdict"] == "corrected"
    assert told["line 1/a.png"]["ImageId"] == named(folder)["line 1/a.png"]
    assert told["line 1/a.png"]["bundle"] == BUNDLE


def test_importing_again_changes_nothing_and_a_later_import_adds(
    exported: Callable[[Format], Path], store: Store
) -> None:
    """Not even if other reviews came between: what a person said later stays the newest."""
    folder = exported(Format.COCO)
    take(store, folder)
    first = Tables(store).read(TableName.REVIEWS)
    assert not take(store, folder).new
    assert Tables(store).read(TableName.REVIEWS).equals(first)
    assert take(store, folder, changed_coco(folder)).new
    assert Tables(store).read(TableName.REVIEWS).num_rows == first.num_rows + 8
    assert not take(store, folder).new
    newest = query(store, "select key, class_id from newest_reviews where verdict = 'corrected'")
    assert newest.to_pylist() == [{"key": "both.png", "class_id": 2}]
    runs = Tables(store).read(TableName.RUNS, ["outcome"], {"job": "review"})
    assert runs["outcome"].to_pylist() == ["success", "success"]


@pytest.mark.parametrize("exported_as", [Format.COCO, Format.YOLO])
def test_a_hole_that_polygons_cannot_hold_stays(
    exported: Callable[[Format], Path], store: Store, exported_as: Format, tmp_path: Path
) -> None:
    """Also if another class of the picture was corrected, or the export had another format."""
    folder = exported(exported_as)
    polygons = tmp_path / "polygons"
    write_annotations(
        Format.YOLO,
        _made(polygons),
        [one.annotated() for one in read_manifest(folder).pictures],
        {1: "bright", 2: "dark"},
    )
    stem = Path(named(folder)["ring.jpg"]).stem
    with (polygons / "labels" / f"{stem}.txt").open("a") as file:
        file.write("1 0.8 0.8 0.9 0.8 0.9 0.9 0.8 0.9\n")
    result = import_reviews(store, SETTINGS, ImportRequest(folder, polygons, Format.YOLO, "Ada"))
    assert (result.confirmed, result.corrected) == (4, 1)
    found = reviews(store)
    assert (found["ring.jpg", 1]["run_lengths"], found["ring.jpg", 1]["verdict"]) == (
        HOLED,
        "confirmed",
    )
    assert found["ring.jpg", 2]["verdict"] == "corrected"


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_hole_that_a_person_fills_is_filled(
    exported: Callable[[Format], Path], store: Store
) -> None:
    folder = exported(Format.KAGGLE)
    filled = RING.copy()
    filled[15:20, 15:25] = True
    path = folder / "train.csv"
    path.write_text(path.read_text().replace(HOLED, run_lengths.encode(filled)))
    assert take(store, folder).corrected == 1
    assert reviews(store)["ring.jpg", 1]["run_lengths"] == run_lengths.encode(filled)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda one: one.update(name="../../secret.txt"), "name: String should match pattern"),
        (lambda one: one.update(name=".."), "name: not the name of a file"),
        (lambda one: one["masks"].update({"1": "x y"}), "not a whole number"),
        (lambda one: one["masks"].update({"1": "8190 4"}), "out of bounds"),
        (lambda one: one["masks"].update({"9": "1 1"}), "a class that is not in classes"),
        (lambda one: one["masks"].update({"99999999999": "1 1"}), "less than 2147483648"),
        (lambda one: one.update(width=0), "width: Input should be greater"),
        (lambda one: one.update(run_id="another run"), "1 of 5 pictures of this export are not in"),
    ],
)
def test_an_altered_manifest_is_refused(
    exported: Callable[[Format], Path],
    store: Store,
    spoil: Callable[[dict[str, Any]], None],
    problem: str,
) -> None:
    folder = exported(Format.COCO)
    content = json.loads((folder / "export.json").read_text())
    spoil(content["pictures"][0])
    (folder / "export.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=problem):
        take(store, folder)
    assert reviews(store) == {}


def test_an_altered_picture_is_not_taken_for_training(
    exported: Callable[[Format], Path], store: Store, tmp_path: Path
) -> None:
    folder = exported(Format.COCO)
    path = folder / "images" / named(folder)["plain.png"]
    secret = tmp_path / "secret"
    secret.write_text("not a picture")
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(DataError, match="is not the file that was exported"):
        take(store, folder, folder=tmp_path / "data")
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        take(store, folder, folder=tmp_path / "data")
    assert not (tmp_path / "data").exists()
    assert reviews(store) == {}


def test_an_export_of_other_tables_is_refused(
    exported: Callable[[Format], Path], tmp_path: Path
) -> None:
    folder = exported(Format.COCO)
    with pytest.raises(TableError, match="no tables at"):
        take(open_store(str(tmp_path / "typo")), folder)
    assert not (tmp_path / "typo").exists()


def test_a_run_whose_rows_could_not_be_written_has_failed(
    exported: Callable[[Format], Path], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exported(Format.COCO)
    append = Tables.append

    def refuse(self: Tables, table: TableName, rows: pa.Table) -> None:
        raise StoreUnavailableError("no answer")

    monkeypatch.setattr(Tables, "append", refuse)
    with pytest.raises(StoreUnavailableError):
        take(store, folder)
    monkeypatch.setattr(Tables, "append", append)
    rows = Tables(store).read(TableName.RUNS, ["outcome", "error"], {"job": "review"})
    assert rows.to_pylist() == [{"outcome": "failed", "error": "no answer"}]
    assert take(store, folder).new


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-14:00", "2999-01-01T00:00:00Z", "1969-01-01"]
)
def test_a_moment_that_cannot_be_is_refused(
    exported: Callable[[Format], Path], store: Store, tmp_path: Path, moment: str
) -> None:
    folder = exported(Format.LABEL_STUDIO)
    path = annotated(folder, tmp_path, moment)
    with pytest.raises(DataError, match=r"which cannot be|project-1"):
        import_reviews(store, SETTINGS, ImportRequest(folder, path))
    assert reviews(store) == {}


@pytest.mark.parametrize("name", ["  ", "a\x07b", "x" * 201, "a\udc80"])
def test_a_reviewer_has_a_name(exported: Callable[[Format], Path], store: Store, name: str) -> None:
    folder = exported(Format.COCO)
    with pytest.raises(DataError, match="the reviewer's name is empty, has control characters"):
        import_reviews(store, SETTINGS, ImportRequest(folder, folder, None, name))


def annotated(folder: Path, tmp_path: Path, moment: str) -> Path:
    """Write what Label Studio exports when two of its tasks were reviewed."""
    tasks = json.loads((folder / "tasks.json").read_text())
    for task in tasks[:2]:
        results = task.pop("predictions")[0]["result"]
        task["annotations"] = [
            {
                "id": 12,
                "result": results[:1],
                "completed_by": {"id": 7, "email": "ada@example.com"},
                "updated_at": moment,
                "was_cancelled": False,
            }
        ]
    path = tmp_path / "project-1.json"
    path.write_text(json.dumps(tasks))
    return path


def test_label_studio_says_who_reviewed_and_when(
    exported: Callable[[Format], Path], store: Store, tmp_path: Path
) -> None:
    """Only tasks with an annotation were reviewed; here, one of them lost its second mask."""
    folder = exported(Format.LABEL_STUDIO)
    path = annotated(folder, tmp_path, "2026-11-20T08:30:00.000000Z")
    result = import_reviews(store, SETTINGS, ImportRequest(folder, path))
    assert (result.confirmed, result.corrected, len(result.missing)) == (1, 1, 3)
    found = reviews(store)
    assert {row["reviewer"] for row in found.values()} == {"ada@example.com"}
    when = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert {row["reviewed_at"] for row in found.values()} == {when}
    assert [key for key in found if found[key]["verdict"] == "corrected"] == [("both.png", 2)]


def test_nothing_is_written_if_the_data_folder_cannot_be(
    exported: Callable[[Format], Path], store: Store, tmp_path: Path
) -> None:
    folder = exported(Format.KAGGLE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mine.txt").touch()
    with pytest.raises(AlreadyExistsError, match="not an empty folder"):
        take(store, folder, folder=tmp_path / "data")
    assert reviews(store) == {}
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mine.txt"]


def test_pictures_that_are_gone_or_changed_are_left_out_and_named(
    archive: Path, store: Store, tmp_path: Path
) -> None:
    (archive / "both.png").unlink()
    save(plain_picture(3), archive / "line 1/a.png")
    result = export(store, SETTINGS, queue_of(archive, *KEYS), tmp_path / "e", Format.MASKS)
    assert result.pictures == 3
    assert [line.partition(": ")[0].rpartition("archive/")[2] for line in result.left_out] == [
        "both.png",
        "line 1/a.png",
    ]
    assert "it has changed since it was scored" in result.left_out[1]
    shutil.rmtree(archive)
    with pytest.raises(DataError, match="no picture is left to export"):
        export(store, SETTINGS, queue_of(archive, *KEYS), tmp_path / "f", Format.MASKS)
    assert not (tmp_path / "f").exists()


def test_a_queue_of_other_pictures_is_refused(archive: Path, store: Store, tmp_path: Path) -> None:
    publish(store, {TableName.IMAGES: [image("other.png")]}, origin(1, "c" * 64))
    finish(store, origin(1, "c" * 64), classes='{"1": "bright"}')
    with pytest.raises(DataError, match=r"5 pictures of the queue were not scored by bundle ccc"):
        export(store, SETTINGS, queue_of(archive, *KEYS), tmp_path / "e", Format.COCO)
    queue = queue_of(archive, *KEYS)
    assert export(store, SETTINGS, queue, tmp_path / "e", Format.COCO, BUNDLE[:8]).pictures == 5
    spoken = QueueFile(queue.pictures, BUNDLE)
    assert export(store, SETTINGS, spoken, tmp_path / "f", Format.COCO).pictures == 5


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda folder: (folder / "export.json").unlink(), r"export\.json is missing"),
        (lambda folder: (folder / "export.json").write_text("{}"), "is no manifest of an export"),
        (
            lambda folder: (folder / "export.json").write_text(
                (folder / "export.json").read_text().replace('"version": 1', '"version": 2')
            ),
            "has version 2",
        ),
    ],
)
def test_a_folder_that_is_no_export_is_refused(
    exported: Callable[[Format], Path],
    store: Store,
    spoil: Callable[[Path], object],
    problem: str,
) -> None:
    folder = exported(Format.KAGGLE)
    spoil(folder)
    with pytest.raises(DataError, match=problem):
        take(store, folder)


def test_somebody_must_have_reviewed(exported: Callable[[Format], Path], store: Store) -> None:
    folder = exported(Format.COCO)
    with pytest.raises(SettingsError, match="add --reviewer NAME"):
        import_reviews(store, SETTINGS, ImportRequest(folder, folder))


def test_the_commands(
    archive: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = tmp_path / "queue.csv"
    output = ["--output", store.uri]
    assert main(["review", "pick", *output, "--count", "3", "--to", str(queue)]) == 0
    folder, data = tmp_path / "yolo", tmp_path / "data"
    ring_file = tmp_path / "ring.csv"
    ring_file.write_text(f"source,key\n{archive},ring.jpg\n{archive},plain.png\n")
    asked = [*output, "--queue", str(ring_file), "--to", "yolo", "--folder", str(folder)]
    assert main(["review", "export", *asked]) == 0
    told = capsys.readouterr()
    assert f"2 pictures in {folder}" in told.out
    assert "yolo cannot hold 1 holes of regions: 50 pixels differ" in told.err
    given = ["--export", str(folder), "--annotations", str(folder), "--reviewer", "Ada"]
    assert main(["review", "import", *output, *given, "--to", str(data)]) == 0
    assert "2 pictures confirmed, 0 corrected" in capsys.readouterr().out
    assert (data / "train.csv").exists()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("queue.txt", "x", "a queue is a file that ends with"),
        ("queue.csv", "a,b\n1,2\n", "is no queue"),
        ("queue.csv", "source,key\n", "names no picture"),
        ("missing.csv", None, "is no queue"),
    ],
)
def test_a_file_that_is_no_queue_is_refused(
    store: Store,
    archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str | None,
    problem: str,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    asked = ["--output", store.uri, "--queue", str(path), "--to", "coco"]
    assert main(["review", "export", *asked, "--folder", str(tmp_path / "e")]) == 12
    assert problem in capsys.readouterr().err

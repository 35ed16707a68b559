"""Reading the truth, and matching its names with the scored pictures."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from support.examples import BUNDLE, failure, finish, image, origin, prediction, publish

from steeldefect.analysis.sql import open_database
from steeldefect.errors import DataError, StoreUnavailableError
from steeldefect.evaluation.pairing import DrawnPairs
from steeldefect.evaluation.true_masks import store_masks
from steeldefect.evaluation.truth import (
    Predictions,
    ScoredPictures,
    Truth,
    match,
    read_predictions,
)
from steeldefect.evaluation.truth_files import read_truth
from steeldefect.stores import S3Settings, Store, open_store
from steeldefect.tables.schema import TableName

HEADER = "ImageId,ClassId,EncodedPixels\n"
NO_S3 = S3Settings()
NFC, NFD = (unicodedata.normalize(form, "Prüfling.jpg") for form in ("NFC", "NFD"))

Masks = list[tuple[str, int, str]]


def truth(masks: Masks, labels: dict[str, bool] | None = None) -> Truth:
    columns = ["ImageId", "ClassId", "EncodedPixels"]
    table = pd.DataFrame(masks, columns=columns).assign(line=range(2, len(masks) + 2))
    lines = {name: number for number, name in enumerate(labels or (), 2)}
    masks = store_masks([table], "train.csv")
    return Truth(masks, labels, "train.csv", lines, "labels.csv")


def predictions(*keys: str) -> Predictions:
    """Return pictures of one run of a bundle with two classes."""
    images = pd.DataFrame(
        {
            "source": "/archive",
            "key": keys,
            "image_id": [key.rsplit("/", 1)[-1] for key in keys],
            "run_id": "run",
            "width": 128,
            "height": 64,
            "gate_probability": 0.5,
            "verdict": "defect",
            "pixel_mm_x": None,
            "pixel_mm_y": None,
        }
    )
    return Predictions(images, {1: "bright", 2: "dark"})


def tables(
    scored: ScoredPictures, known: Truth, found: Masks | None = None, run_id: str = "run"
) -> list[pa.Table]:
    """Return the tables of pairs; `found` are key, class and run lengths."""
    findings = pd.DataFrame(found or [], columns=["key", "class_id", "run_lengths"])
    findings = findings.assign(class_name="c")
    findings = findings.astype({"class_id": "int32"}).assign(source="/archive", run_id=run_id)
    with duckdb.connect(":memory:") as connection:
        connection.register("predictions", findings)
        drawn = DrawnPairs(connection, scored, known)
        made = list(drawn.tables())
    assert sum(table.num_rows for table in made) == drawn.count
    return made


def pairs(
    scored: ScoredPictures,
    known: Truth,
    found: Masks | None = None,
    run_id: str = "run",
) -> list[list[object]]:
    """Return key, class, true and found run lengths; `found` are key, class and run lengths."""
    rows = [row for table in tables(scored, known, found, run_id) for row in table.to_pylist()]
    assert {(row["height"], row["width"]) for row in rows} <= {(64, 128)}
    rows.sort(key=lambda row: (row["picture"], row["class_id"]))
    keys = scored.images["key"]
    return [
        [keys[row["picture"]], *(row[name] for name in ("class_id", "truth", "found"))]
        for row in rows
    ]


def column(scored: ScoredPictures, name: str) -> dict[str, Any]:
    return dict(zip(scored.images["key"], scored.images[name], strict=True))


@pytest.mark.parametrize("name", ["labels.csv", "defect_and_no_defect.csv"])
def test_labels_are_looked_for_beside_the_masks(
    any_store: Store, s3: S3Settings, name: str
) -> None:
    any_store.write("train.csv", (HEADER + "a.jpg,1,1 3\nb.jpg,2,\n").encode())
    without = read_truth(f"{any_store.uri}/train.csv", None, s3)
    assert without.labels is None
    rows = without.masks.rows
    assert rows.to_numpy().tolist() == [["a.jpg", 1, 2, True], ["b.jpg", 2, 3, False]]
    assert pd.read_parquet(without.masks.file).to_numpy().tolist() == [[0, "1 3"]]
    assert without.source == f"{any_store.uri}/train.csv"
    any_store.write(name, b"ImageID,label\na.jpg,1\nb.jpg,0\n")
    assert read_truth(f"{any_store.uri}/train.csv", None, s3).labels == {
        "a.jpg": True,
        "b.jpg": False,
    }


def test_labels_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "masks.csv").write_text(HEADER)
    (tmp_path / "labels.csv").write_text("ImageId,label\na.jpg,1\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "pictures.csv").write_text("ImageId,label\nb.jpg,0\n")
    read = read_truth(str(tmp_path / "masks.csv"), str(other / "pictures.csv"), NO_S3)
    assert read.labels == {"b.jpg": False}


def test_a_bare_file_name_lies_in_the_present_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "masks.csv").write_text(HEADER + "a.jpg,1,1 3\n")
    monkeypatch.chdir(tmp_path)
    assert len(read_truth("masks.csv", None, NO_S3).masks.rows) == 1


@pytest.mark.parametrize(
    ("masks", "labels", "problem"),
    [
        (None, None, r"labels: cannot read .*/masks\.csv: No such file"),
        ("", None, r"masks\.csv is empty"),
        ("ImageId,ClassId\n", None, "no column encodedpixels"),
        (HEADER + "a.jpg,x,1 3\n", None, "class ids are whole numbers"),
        (HEADER + "a.jpg,1,1 3\na.jpg,1,9 1\n", None, r"a.jpg class 1 \(lines 2 and 3\)"),
        (HEADER + "a.jpg,1,5.0 3.0\n", None, r"masks\.csv: line 2: a\.jpg class 1: .*'5\.0'"),
        (HEADER + "a.jpg,1,1 3\0\0\n", None, r"masks\.csv: line 2 holds 2 NUL bytes"),
        (
            HEADER + "a.jpg,1,1 3\n",
            "ImageId,label\na.jpg,0\n",
            r"a.jpg \(line 2, labelled in line 2",
        ),
        (HEADER, "ImageId,label\na.jpg,2\n", "a label is 1"),
        (HEADER, "", r"labels\.csv is empty"),
    ],
)
def test_a_truth_that_cannot_be_read_is_refused(
    tmp_path: Path, masks: str | None, labels: str | None, problem: str
) -> None:
    for name, content in (("masks.csv", masks), ("labels.csv", labels)):
        if content is not None:
            (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=problem):
        read_truth(str(tmp_path / "masks.csv"), None, NO_S3)


def test_named_labels_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "masks.csv").write_text(HEADER)
    with pytest.raises(DataError, match=r"none\.csv: No such file"):
        read_truth(str(tmp_path / "masks.csv"), str(tmp_path / "none.csv"), NO_S3)


def test_predictions_are_the_newest_of_one_bundle(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image("a")], TableName.PREDICTIONS: [prediction("a")]})
    publish(store, {TableName.IMAGES: [image("a", verdict="gated", etag="e2")]}, origin(1))
    publish(store, {TableName.IMAGES: [image("b")]}, origin(2, "c" * 64))
    finish(store, classes='{"1": "old name"}')
    finish(store, origin(1), classes='{"1": "bright", "10": "dark"}')
    read = read_predictions(open_database(store), BUNDLE)
    assert read.images[["key", "verdict", "run_id"]].to_numpy().tolist() == [
        ["a", "gated", "run-1"]
    ]
    assert read.classes == {1: "bright", 10: "dark"}


def test_without_labels_every_scored_picture_is_covered() -> None:
    scored = match(predictions("a.jpg", "b.jpg"), truth([("a.jpg", 1, "1 3")]))
    assert column(scored, "defective") == {"a.jpg": True, "b.jpg": False}
    assert column(scored, "outlined") == {"a.jpg": True, "b.jpg": True}
    assert (scored.uncovered, scored.unscored) == (0, [])


def test_labels_say_which_pictures_are_covered() -> None:
    labels = {"a.jpg": True, "b.jpg": False, "c.jpg": True, "gone.jpg": False}
    scored = match(
        predictions("a.jpg", "b.jpg", "c.jpg", "d.jpg"), truth([("a.jpg", 1, "1 3")], labels)
    )
    assert column(scored, "defective") == {"a.jpg": True, "b.jpg": False, "c.jpg": True}
    # c is defective, but nobody drew its masks
    assert column(scored, "outlined") == {"a.jpg": True, "b.jpg": True, "c.jpg": False}
    assert (scored.uncovered, scored.unscored) == (1, ["gone.jpg"])


def test_pictures_are_found_by_key_or_else_by_file_name() -> None:
    masks = [("day1/a.jpg", 1, "1 3"), ("b.jpg", 2, "1 3")]
    scored = match(predictions("day1/a.jpg", "day2/a.jpg", "day2/b.jpg"), truth(masks))
    assert column(scored, "name") == {
        "day1/a.jpg": "day1/a.jpg",
        "day2/a.jpg": "a.jpg",
        "day2/b.jpg": "b.jpg",
    }
    assert column(scored, "defective") == {
        "day1/a.jpg": True,
        "day2/a.jpg": False,
        "day2/b.jpg": True,
    }


def test_a_name_that_fits_several_pictures_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"a\.jpg \(line 2: fits 'day1/a\.jpg' or 'day2/a\.jpg'\); use the pictures"
    ):
        match(predictions("day1/a.jpg", "day2/a.jpg"), truth([("a.jpg", 1, "1 3")]))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("A.JPG", "a.jpg"),
        (NFC, NFD),
        ("images/a.jpg", "a.jpg"),
        ("images\\a.jpg", "a.jpg"),
        ("a", "a.jpg"),
        ("/archive/a.jpg", "a.jpg"),
        ('"a.jpg"', "a.jpg"),
    ],
)
def test_a_picture_whose_name_is_written_otherwise_is_not_clean(name: str, key: str) -> None:
    known = truth([(name, 1, "1 3")])
    scored = match(predictions(key, "b.jpg"), known)
    assert column(scored, "defective") == {key: True, "b.jpg": False}
    assert pairs(scored, known) == [[key, 1, "1 3", ""]]
    assert (scored.unscored, scored.notes) == ([], ())


@pytest.mark.parametrize("text", ["1 3", ""])
@pytest.mark.parametrize(
    ("names", "keys", "problem"),
    [
        (["a.png"], ["a.jpg"], r"a\.png \(line 2: is 'a\.jpg' meant\?\)"),
        (["s-1.jpg"], ["s_001.jpg"], r"s-1\.jpg \(line 2: is 's_001\.jpg' meant\?\)"),
        (["a.jpg", "A.jpg"], ["a.jpg"], r"A\.jpg \(line 3: means the same picture as 'a\.jpg'"),
        (["A.JPG"], ["a.jpg", "A.jpg"], r"A\.JPG \(line 2: fits 'a\.jpg' or 'A\.jpg'"),
        (["x/a.jpg", "y/b.jpg"], ["a.jpg", "b.jpg"], r"x/a\.jpg \(line 2: is 'a\.jpg' meant"),
    ],
)
def test_a_name_that_may_mean_a_scored_picture_is_refused(
    names: list[str], keys: list[str], problem: str, text: str
) -> None:
    known = truth([(name, 1, text) for name in names])
    with pytest.raises(DataError, match=r"train\.csv: it is not clear .*" + problem):
        match(predictions(*keys, "other.jpg"), known)


def test_a_name_that_may_mean_a_scored_picture_is_refused_in_labels_too() -> None:
    known = truth([("b.jpg", 1, "1 3")], {"a.png": True, "b.jpg": True})
    with pytest.raises(DataError, match=r"labels\.csv: .*a\.png \(line 2: is 'a\.jpg' meant"):
        match(predictions("a.jpg", "b.jpg"), known)


def test_two_names_that_the_truth_tells_apart_are_two_pictures() -> None:
    scored = match(predictions("a.jpg"), truth([("a.jpg", 1, "1 3"), ("a.png", 1, "1 3")]))
    assert scored.unscored == ["a.png"]
    known = truth([("a.png", 1, "1 3")], {"a.jpg": False, "a.png": True})
    assert column(match(predictions("a.jpg"), known), "defective") == {"a.jpg": False}


def test_labels_and_masks_may_write_a_name_in_two_ways() -> None:
    known = truth([("A.JPG", 1, "1 3")], {"images/a.jpg": True, "images/b.jpg": False})
    scored = match(predictions("a.jpg", "b.jpg"), known)
    assert column(scored, "defective") == {"a.jpg": True, "b.jpg": False}
    assert pairs(scored, known) == [["a.jpg", 1, "1 3", ""]]
    with pytest.raises(DataError, match=r"labelled 0 .clean. in labels\.csv, .*A\.JPG \(line 2\)"):
        match(predictions("a.jpg"), truth([("A.JPG", 1, "1 3")], {"a.jpg": False}))


def test_masks_of_pictures_that_were_not_scored_are_named() -> None:
    masks = [("a.jpg", 1, "1 3"), ("gone.jpg", 1, "1 3"), ("bad.jpg", 9, "1 3"), ("no.jpg", 1, "")]
    predicted = replace(
        predictions("a.jpg"),
        failed=pd.DataFrame([("/archive", "bad.jpg")], columns=["source", "key"]),
    )
    scored = match(predicted, truth(masks))
    assert scored.unscored == ["bad.jpg", "gone.jpg", "no.jpg"]
    assert scored.notes == (
        "1 names with masks match no picture that this bundle has processed: gone.jpg (line 3)",
        "1 pictures of train.csv could not be scored: bad.jpg",
        "the bundle has no class 9: all true masks of it count as missed",
    )


def test_a_picture_that_failed_may_be_the_one_that_is_meant() -> None:
    failed = pd.DataFrame([("/archive", "day2/a.jpg")], columns=["source", "key"])
    predicted = replace(predictions("day1/a.jpg"), failed=failed)
    with pytest.raises(DataError, match=r"fits 'day1/a\.jpg' or 'day2/a\.jpg'"):
        match(predicted, truth([("a.jpg", 1, "1 3")]))


def test_failed_pictures_are_read_from_the_tables(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image("a")], TableName.QUARANTINE: [failure("bad.png")]})
    finish(store)
    read = read_predictions(open_database(store), BUNDLE)
    assert read.failed.to_numpy().tolist() == [["/archive", "bad.png"]]


def test_two_labels_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "masks.csv").write_text(HEADER)
    for name in ("labels.csv", "defect_and_no_defect.csv"):
        (tmp_path / name).write_text("ImageId,label\na.jpg,1\n")
    with pytest.raises(DataError, match=r"has both labels\.csv and defect_and_no_defect\.csv"):
        read_truth(str(tmp_path / "masks.csv"), None, NO_S3)
    read_truth(str(tmp_path / "masks.csv"), str(tmp_path / "labels.csv"), NO_S3)


@pytest.mark.parametrize("labels", [None, {"x.jpg": True}])
def test_a_truth_of_other_pictures_is_refused(labels: dict[str, bool] | None) -> None:
    with pytest.raises(DataError, match=r"no picture of train\.csv was scored by this bundle"):
        match(predictions("a.jpg"), truth([("x.jpg", 1, "1 3")], labels))


def test_classes_of_bundle_and_truth_are_joined() -> None:
    scored = match(predictions("a.jpg"), truth([("a.jpg", 4, "1 3")]))
    assert scored.classes == {1: "bright", 2: "dark", 4: "class_4"}


def test_a_class_that_only_empty_rows_name_is_no_class() -> None:
    scored = match(predictions("a.jpg"), truth([("a.jpg", 1, "1 3"), ("a.jpg", 9, "")]))
    assert (list(scored.classes), scored.notes) == ([1, 2], ())


def test_masks_lie_side_by_side() -> None:
    known = truth([("a.jpg", 1, "1 3"), ("b.jpg", 2, "5 1"), ("unscored.jpg", 1, "1 1")])
    found: Masks = [("a.jpg", 1, "2 3"), ("a.jpg", 2, "9 1")]
    assert pairs(match(predictions("a.jpg", "b.jpg", "c.jpg"), known), known, found) == [
        ["a.jpg", 1, "1 3", "2 3"],
        ["a.jpg", 2, "", "9 1"],
        ["b.jpg", 2, "5 1", ""],
    ]


def test_defective_pictures_whose_masks_nobody_drew_are_left_out_and_named() -> None:
    known = truth([("a.jpg", 1, "1 3")], {"a.jpg": True, "b.jpg": True, "c.jpg": False})
    scored = match(predictions("a.jpg", "b.jpg", "c.jpg"), known)
    found: Masks = [("b.jpg", 1, "1 1"), ("c.jpg", 1, "1 1")]
    assert [row[0] for row in pairs(scored, known, found)] == ["a.jpg", "c.jpg"]
    assert scored.notes == (
        "1 pictures are labelled defective, but nobody outlined their defects: they count for "
        "gate and verdict, not for masks: b.jpg",
    )


def test_masks_of_an_older_version_of_a_picture_do_not_count() -> None:
    known = truth([("a.jpg", 1, "1 3")])
    scored = match(predictions("a.jpg"), known)
    found: Masks = [("a.jpg", 1, "2 3")]
    assert pairs(scored, known, found, "an older run") == [["a.jpg", 1, "1 3", ""]]


def test_a_mask_belongs_to_the_picture_that_is_named_alone() -> None:
    """Another picture of that file name has no mask: it is another key."""
    known = truth([("a.jpg", 1, "1 3"), ("sub/b.jpg", 1, "5 1")])
    scored = match(predictions("a.jpg", "day1/a.jpg", "sub/b.jpg"), known)
    assert column(scored, "defective") == {"a.jpg": True, "day1/a.jpg": False, "sub/b.jpg": True}
    assert pairs(scored, known) == [["a.jpg", 1, "1 3", ""], ["sub/b.jpg", 1, "5 1", ""]]


def test_a_picture_whose_next_version_failed_is_one_picture(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image("a.jpg")]})
    publish(store, {TableName.QUARANTINE: [failure("a.jpg", etag="e2")]}, origin(1))
    finish(store, origin(1), classes='{"1": "bright"}')
    read = read_predictions(open_database(store), BUNDLE)
    assert read.failed.empty
    assert len(match(read, truth([("a.jpg", 1, "1 3")])).images) == 1


def test_many_masks_are_joined_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are small, and every pair is in one of them."""
    monkeypatch.setattr("steeldefect.evaluation.pairing._TABLE_BYTES", 50)
    monkeypatch.setattr("steeldefect.evaluation.mask_shelves._SHELVES", 7)
    monkeypatch.setattr("steeldefect.evaluation.pairing._BATCH", 3)
    keys = [f"{number:03d}.jpg" for number in range(40)]
    masks: Masks = [(key, 1 + number % 2, f"{number + 1} 2") for number, key in enumerate(keys)]
    known = truth(masks[::2])
    found = masks[::3]
    joined = pairs(match(predictions(*keys), known), known, found)
    assert joined == [
        [key, class_id, text * (number % 2 == 0), text * (number % 3 == 0)]
        for number, (key, class_id, text) in enumerate(masks)
        if number % 2 == 0 or number % 3 == 0
    ]


def test_pairs_of_many_pictures_are_one_table_up_to_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each table is a job of Spark, which takes longer than to compare the pairs of a picture."""
    keys = [f"{number:03d}.jpg" for number in range(300)]
    known = truth([(key, 1, "10 20") for key in keys])
    scored = match(predictions(*keys), known)
    assert [table.num_rows for table in tables(scored, known)] == [300]
    monkeypatch.setattr("steeldefect.evaluation.pairing._TABLE_BYTES", 100)
    rows = [table.num_rows for table in tables(scored, known)]
    assert sum(rows) == 300
    assert max(rows) * len("10 20") <= 100


def test_a_store_that_does_not_answer_is_no_fault_of_the_labels(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreUnavailableError("no answer")

    monkeypatch.setattr(type(store), "pieces", refuse)
    with pytest.raises(StoreUnavailableError):
        read_truth(str(tmp_path / "masks.csv"), None, NO_S3)


def test_rows_of_two_pieces_are_compared() -> None:
    columns = ["ImageId", "ClassId", "EncodedPixels", "line"]
    one, same, other = (
        pd.DataFrame([["a.jpg", 1, text, line]], columns=columns)
        for text, line in (("1 3", 2), ("1 3", 3), ("1 4", 4))
    )
    assert store_masks([one, same], "train.csv").rows["line"].tolist() == [2]
    with pytest.raises(DataError, match=r"train\.csv has more than one row for a\.jpg class 1"):
        store_masks([one, same, other], "train.csv")


def test_groups_are_read_beside_the_masks_or_from_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "masks.csv").write_text(HEADER + "a.jpg,1,1 3\n")
    assert read_truth(str(tmp_path / "masks.csv"), None, NO_S3).groups == {}
    (tmp_path / "groups.csv").write_text("ImageId,group\na.jpg,coil 1\nb.jpg,\nc.jpg,coil 1\n")
    known = read_truth(str(tmp_path / "masks.csv"), None, NO_S3)
    scored = match(predictions("a.jpg", "b.jpg", "c.jpg"), known)
    assert scored.images["group"].tolist() == ["coil 1", "", "coil 1"]
    (tmp_path / "other.csv").write_text("ImageId,group\na.png,x\n")
    known = read_truth(str(tmp_path / "masks.csv"), None, NO_S3, str(tmp_path / "other.csv"))
    with pytest.raises(DataError, match=r"other\.csv: it is not clear .* a\.png \(is 'a\.jpg' mea"):
        match(predictions("a.jpg"), known)
    (tmp_path / "other.csv").write_text("ImageId,group\na.png,x\na.jpg,y\n")
    known = read_truth(str(tmp_path / "masks.csv"), None, NO_S3, str(tmp_path / "other.csv"))
    assert match(predictions("a.jpg"), known).images["group"].tolist() == ["y"]
    (tmp_path / "other.csv").write_text("ImageId,group\nother.jpg,x\n")
    known = read_truth(str(tmp_path / "masks.csv"), None, NO_S3, str(tmp_path / "other.csv"))
    with pytest.raises(DataError, match=r"other\.csv names no picture"):
        match(predictions("a.jpg"), known)


def test_a_truth_from_s3(s3: S3Settings, s3_address: str) -> None:
    open_store(s3_address, s3).write("labels/train.csv", (HEADER + "a.jpg,1,1 3\n").encode())
    read = read_truth(f"{s3_address}/labels/train.csv", None, s3)
    assert read.masks.rows["ImageId"].tolist() == ["a.jpg"]
    with pytest.raises(DataError, match=r"labels: s3://.*/none.csv: there is no such object"):
        read_truth(f"{s3_address}/labels/none.csv", None, s3)


@pytest.mark.parametrize(
    ("classes", "judges", "compared", "left_out"),
    [
        ({1: "bright", 9: "unknown"}, True, {1: "bright"}, "unknown"),
        ({1: "bright", 9: "unknown"}, False, {1: "bright", 9: "unknown"}, None),
        ({1: "unknown"}, True, {1: "unknown"}, None),
        ({1: "bright"}, True, {1: "bright"}, None),
    ],
)
def test_what_no_truth_can_name_is_not_compared(
    classes: dict[int, str],
    judges: bool,
    compared: dict[int, str],
    left_out: str | None,
) -> None:
    found = replace(predictions("a.jpg"), classes=classes, judges_novelty=judges)
    scored = match(found, truth([("a.jpg", 1, "1 3")]))
    assert (scored.classes, scored.left_out) == (compared, left_out)
    assert any("unknown are not compared" in note for note in scored.notes) == bool(left_out)

"""The truth from reviews: the newest one, of this version of the picture, matched by class name."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from support.examples import BUNDLE, finish, image, origin, picture, publish

from steeldefect.analysis.sql import open_database
from steeldefect.errors import DataError
from steeldefect.evaluation.truth import Truth
from steeldefect.evaluation.truth_reviews import read_reviews
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import whole_rows
from steeldefect.tables.schema import TableName

CLASSES = {1: "bright", 2: "dark"}


def say(store: Store, key: str, masks: dict[int, str], number: int = 1, **more: Any) -> None:
    """Write a review of all classes of a picture; `more` may hold classes and columns."""
    made = origin(number, "c" * 64)
    classes: dict[int, str] = more.pop("classes", CLASSES)
    row = picture(key) | {"etag": "e1", "width": 128, "height": 64, "verdict": "corrected"}
    row |= {"reviewer": "Ada", "reviewed_at": made.scored_at, "format": "coco"}
    row |= {"scored_run": "run", "review": f"review {number}"} | more
    rows = [
        row | {"class_id": one, "class_name": name, "run_lengths": masks.get(one, "")}
        for one, name in classes.items()
    ]
    Tables(store).append(TableName.REVIEWS, whole_rows(TableName.REVIEWS, rows, made))


@pytest.fixture
def scored(store: Store) -> Store:
    """Two pictures that a bundle with two classes has scored."""
    publish(store, {TableName.IMAGES: [image("a.png"), image("b.png")]})
    finish(store, classes='{"1": "bright", "2": "dark"}')
    return store


def masks_of(store: Store) -> tuple[Truth, dict[tuple[str, int], str]]:
    """Return the truth, and the run lengths that are drawn, by key and class."""
    with open_database(store) as connection:
        truth = read_reviews(connection, store, BUNDLE)
    texts = pd.read_parquet(truth.masks.file).set_index("row")["text"]
    rows = truth.masks.rows.loc[texts.index]
    pairs = zip(rows["ImageId"], rows["ClassId"], texts, strict=True)
    return truth, {(str(name).rpartition("/")[2], int(one)): text for name, one, text in pairs}


def test_the_newest_review_counts(scored: Store) -> None:
    say(scored, "a.png", {1: "1 3", 2: "9 1"}, 1)
    say(scored, "a.png", {1: "1 4"}, 2)
    truth, found = masks_of(scored)
    assert found == {("a.png", 1): "1 4"}
    assert truth.labels == {"/archive/a.png": True}


def test_a_picture_on_which_nothing_is_left_is_clean(scored: Store) -> None:
    say(scored, "b.png", {})
    truth, found = masks_of(scored)
    assert (truth.labels, found) == ({"/archive/b.png": False}, {})


def test_classes_are_matched_by_name(scored: Store) -> None:
    """Another bundle numbered them the other way round, and knew one more."""
    other = {1: "dark", 2: "bright", 3: "rust"}
    say(scored, "a.png", {1: "1 3", 3: "7 1"}, classes=other)
    say(scored, "b.png", {2: "5 5"}, classes=other)
    say(scored, "b.png", {1: "6 6"}, 2)
    _, found = masks_of(scored)
    assert found == {("a.png", 2): "1 3", ("a.png", 3): "7 1", ("b.png", 1): "6 6"}


def test_a_picture_counts_if_people_were_asked_about_all_classes(scored: Store) -> None:
    say(scored, "a.png", {1: "1 3"}, classes={1: "bright"})
    with pytest.raises(DataError, match="was reviewed for all its classes; take reviews in"):
        masks_of(scored)
    say(scored, "b.png", {1: "1 3"})
    assert set(masks_of(scored)[1]) == {("b.png", 1)}


def test_reviews_of_another_version_or_of_other_pictures_do_not_count(scored: Store) -> None:
    say(scored, "a.png", {1: "1 3"}, etag="an older one")
    say(scored, "c.png", {1: "1 3"})
    with pytest.raises(DataError, match="was reviewed for all its classes"):
        masks_of(scored)

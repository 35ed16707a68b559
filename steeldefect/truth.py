"""Reads the truth, and finds for each scored picture what is known of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import duckdb
import pandas as pd

from steeldefect import labels
from steeldefect.errors import DataError, StoreError
from steeldefect.stores import S3Settings, Store, open_store


@dataclass(frozen=True)
class Truth:
    """What is known of the pictures.

    Attributes:
        masks: columns ImageId, ClassId, EncodedPixels; without run lengths, a class is absent.
        labels: defective or not, of all pictures that the truth covers; None if nothing says
            which: then it covers all, and pictures without a mask are clean.
        source: address of the masks' file.
    """

    masks: pd.DataFrame
    labels: dict[str, bool] | None
    source: str


@dataclass(frozen=True)
class Answers:
    """What one bundle answered, newest version of each picture.

    Attributes:
        images: columns source, key, image_id, run_id, width, height, gate_probability, verdict.
        predictions: columns source, key, run_id, class_id, run_lengths.
        classes: name by id.
    """

    images: pd.DataFrame
    predictions: pd.DataFrame
    classes: dict[int, str]


@dataclass(frozen=True)
class Scored:
    """Answers for the pictures that the truth covers.

    Attributes:
        images: as in `Answers`, with the columns name (as the truth has it), defective (the
            truth) and outlined (whether the true masks are known).
        predictions: as in `Answers`.
        classes: name by id, of bundle and truth together.
        uncovered: number of scored pictures that the truth does not cover.
        unscored: pictures that the truth covers and that were not scored.
    """

    images: pd.DataFrame
    predictions: pd.DataFrame
    classes: dict[int, str]
    uncovered: int
    unscored: list[str]


def read_truth(masks_uri: str, labels_uri: str | None, s3: S3Settings) -> Truth:
    """Read the label files from a folder or from S3.

    Args:
        masks_uri: CSV with the true run lengths.
        labels_uri: CSV `ImageId,label` of the pictures that the truth covers; None to look for
            `labels.csv` or `defect_and_no_defect.csv` beside the masks' file.
        s3: how S3 is reached.

    Raises:
        DataError: missing or malformed.
    """
    folder, name = _open_beside(masks_uri, s3)
    try:
        masks = labels.read_masks(folder.read(name), masks_uri)
        stated = _read_labels(folder, labels_uri, s3)
    except StoreError as error:
        raise DataError(f"labels: {error}") from None
    twice = masks[masks.duplicated(["ImageId", "ClassId"])]
    if len(twice):
        pairs = [f"{row.ImageId} class {row.ClassId}" for row in twice.itertuples()]
        raise DataError(f"{masks_uri} has more than one row for {labels.listed(pairs)}")
    drawn = set(masks["ImageId"][masks["EncodedPixels"] != ""])
    contradicted = sorted(name for name in drawn if stated and stated.get(name) is False)
    if contradicted:
        raise DataError(
            f"labelled 0 (clean), but with masks in {masks_uri}: {labels.listed(contradicted)}"
        )
    return Truth(masks, stated, f"{folder.uri}/{name}")


def read_answers(connection: duckdb.DuckDBPyConnection, bundle: str) -> Answers:
    """Read what a bundle answered from the tables; see `steeldefect.query.open_database`."""
    images = connection.execute(
        "SELECT source, key, image_id, run_id, width, height, gate_probability, verdict "
        "FROM newest_images WHERE bundle = ? ORDER BY source, key",  # sums depend on the order
        [bundle],
    ).df()
    predictions = connection.execute(
        "SELECT source, key, run_id, class_id, run_lengths FROM predictions WHERE bundle = ?",
        [bundle],
    ).df()
    newest: tuple[str] | None = connection.execute(
        "SELECT classes FROM runs WHERE bundle = ? AND job = 'score' ORDER BY scored_at DESC",
        [bundle],
    ).fetchone()
    names = json.loads(newest[0]) if newest else {}
    classes = {int(number): str(name) for number, name in names.items()}
    return Answers(images, predictions, classes)


def match(answers: Answers, truth: Truth) -> Scored:
    """Find each scored picture in the truth, by its key or else by its file name.

    Raises:
        DataError: none is found, or one name of the truth fits several scored pictures.
    """
    with_masks = set(truth.masks["ImageId"][truth.masks["EncodedPixels"] != ""])
    covered = set(truth.masks["ImageId"]) | set(truth.labels or ())
    images = answers.images
    by_key = images["key"].isin(covered)
    images = images.assign(name=images["key"].where(by_key, images["image_id"]))
    if truth.labels is not None:
        images = images[images["name"].isin(covered)]
    if not images["name"].isin(covered).any():
        raise DataError(
            f"no picture of {truth.source} was scored by this bundle; the labels' ImageId must be "
            "the pictures' file names, or their keys below --input"
        )
    twice = images["name"][images["name"].duplicated() & images["name"].isin(covered)]
    if len(twice):
        raise DataError(
            f"{truth.source}: several scored pictures are named {labels.listed(list(twice))}; "
            "write their keys below --input as ImageId"
        )
    stated = truth.labels or {}
    defective = [stated.get(name, name in with_masks) for name in images["name"]]
    images = images.assign(defective=defective)
    images["outlined"] = images["name"].isin(with_masks) | ~images["defective"]
    extra = {int(number): f"class_{number}" for number in truth.masks["ClassId"].unique()}
    return Scored(
        images=images.reset_index(drop=True),
        predictions=answers.predictions,
        classes=dict(sorted((extra | answers.classes).items())),
        uncovered=len(answers.images) - len(images),
        unscored=sorted(covered - set(images["name"])),
    )


def pair_masks(scored: Scored, truth: Truth) -> pd.DataFrame:
    """Lay true and predicted run lengths side by side.

    Pictures that are known to be defective, but whose masks nobody drew, are left out.

    Returns:
        One row for each picture and class; columns row (its number), source, key, image_id,
        width, height, class_id, class_name, truth, found (run lengths, empty for none).
    """
    images = scored.images[scored.images["outlined"]]
    classes = pd.DataFrame(scored.classes.items(), columns=["class_id", "class_name"])
    pairs = images.merge(classes, how="cross")
    pairs = pairs.merge(scored.predictions, how="left", on=["source", "key", "run_id", "class_id"])
    true_masks = truth.masks.rename(
        columns={"ImageId": "name", "ClassId": "class_id", "EncodedPixels": "truth"}
    )
    pairs = pairs.merge(true_masks, how="left", on=["name", "class_id"])
    pairs = pairs.rename(columns={"run_lengths": "found"})
    pairs = pairs.fillna({"truth": "", "found": ""})
    return pairs.assign(row=range(len(pairs)))


def _read_labels(folder: Store, labels_uri: str | None, s3: S3Settings) -> dict[str, bool] | None:
    if labels_uri is not None:
        place, name = _open_beside(labels_uri, s3)
        return labels.read_labels(place.read(name), labels_uri)
    for name in labels.LABELS_FILES:
        if any(found.key == name for found in folder.scan(name)):
            return labels.read_labels(folder.read(name), name)
    return None


def _open_beside(uri: str, s3: S3Settings) -> tuple[Store, str]:
    """Open the folder of a file, and name the file in it."""
    folder, slash, name = uri.rpartition("/")
    return open_store(folder if folder else slash or ".", s3), name

"""Read the truth, and match its names with the scored pictures.

`labels.picture_names` has the rules for names. A name that may mean a scored picture, but not
certainly, is an error: otherwise that picture could count as clean although it has true masks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import duckdb
import pandas as pd

from steeldefect.addresses import split_file
from steeldefect.analysis.truth_checks import (
    LabelNames,
    refuse_contradictions,
    refuse_outside,
    refuse_unclear,
)
from steeldefect.errors import DataError, StoreError
from steeldefect.labels import label_files
from steeldefect.labels.picture_names import match_names
from steeldefect.stores import S3Settings, Store, open_store


@dataclass(frozen=True)
class Truth:
    """The truth: true masks and picture labels.

    Attributes:
        masks: columns ImageId, ClassId, EncodedPixels, line; empty EncodedPixels mean that the
            picture does not have the class.
        labels: whether a picture is defective, by its name, for all pictures with known truth;
            None if there is no labels file: then all pictures have known truth, and those without
            a mask are clean.
        source: address of the masks file.
        label_lines: line in the labels file, by name.
        labels_source: address of the labels file.
    """

    masks: pd.DataFrame
    labels: dict[str, bool] | None
    source: str
    label_lines: dict[str, int] = field(default_factory=dict)
    labels_source: str = "the labels file"


@dataclass(frozen=True)
class Predictions:
    """The predictions of one bundle.

    Attributes:
        images: newest row of each scored picture; columns source, key, image_id, run_id, width,
            height, gate_probability, verdict.
        findings: findings of all runs; columns source, key, run_id, class_id, run_lengths.
        classes: class names, by id.
        failed: pictures that could not be scored; columns source, key.
    """

    images: pd.DataFrame
    findings: pd.DataFrame
    classes: dict[int, str]
    failed: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["source", "key"]))


@dataclass(frozen=True)
class ScoredPictures:
    """The scored pictures with known truth.

    Attributes:
        images: as in `Predictions`, with three more columns: name (as the truth writes it),
            defective (the truth) and outlined (whether the true masks are known).
        findings: as in `Predictions`.
        classes: class names of bundle and truth together, by id.
        uncovered: number of scored pictures without known truth.
        unscored: names in the truth whose pictures were not scored.
        notes: remarks on the truth for readers of the metrics, one line each.
    """

    images: pd.DataFrame
    findings: pd.DataFrame
    classes: dict[int, str]
    uncovered: int
    unscored: list[str]
    notes: tuple[str, ...] = ()


def read_truth(masks_uri: str, labels_uri: str | None, s3: S3Settings) -> Truth:
    """Read the label files from a folder or from S3.

    Args:
        masks_uri: address of the CSV with the true run lengths.
        labels_uri: address of the CSV `ImageId,label` of the pictures with known truth; None to
            look for `labels.csv` or `defect_and_no_defect.csv` beside the masks file.
        s3: how S3 is reached.

    Raises:
        DataError: a file is missing or malformed, or the two files contradict each other.
    """
    folder, name = _open_beside(masks_uri, s3)
    try:
        masks = label_files.read_masks(folder.read(name), masks_uri)
        labels = _read_labels(folder, labels_uri, s3)
    except StoreError as error:
        raise DataError(f"labels: {error}") from None
    source = f"{folder.uri}/{name}"
    if labels is None:
        return Truth(masks, None, source)
    where, rows = labels
    drawn = masks[masks["EncodedPixels"] != ""].merge(rows[~rows["label"]], on="ImageId")
    if len(drawn):
        named = [
            f"{row.ImageId} (line {row.line_x}, labelled in line {row.line_y})"
            for row in drawn.itertuples()
        ]
        raise DataError(
            f"labelled 0 (clean) in {where}, but with masks in {masks_uri}: "
            f"{label_files.listed(named)}"
        )
    return Truth(
        masks,
        dict(zip(rows["ImageId"], rows["label"].tolist(), strict=True)),
        source,
        dict(zip(rows["ImageId"], rows["line"].tolist(), strict=True)),
        where,
    )


def read_predictions(connection: duckdb.DuckDBPyConnection, bundle: str) -> Predictions:
    """Read the predictions of a bundle from the tables.

    Args:
        connection: database of `steeldefect.analysis.sql.open_database`.
        bundle: digest of the bundle.
    """
    images = connection.execute(
        "SELECT source, key, image_id, run_id, width, height, gate_probability, verdict "
        "FROM newest_images WHERE bundle = ? ORDER BY source, key",  # float sums depend on it
        [bundle],
    ).df()
    findings = connection.execute(
        "SELECT source, key, run_id, class_id, run_lengths FROM predictions WHERE bundle = ?",
        [bundle],
    ).df()
    newest: tuple[str] | None = connection.execute(
        "SELECT classes FROM runs WHERE bundle = ? AND job = 'score' "
        "ORDER BY run_number DESC NULLS LAST, scored_at DESC",
        [bundle],
    ).fetchone()
    names = json.loads(newest[0]) if newest else {}
    classes = {int(number): str(name) for number, name in names.items()}
    failed = connection.execute(
        "SELECT source, key FROM not_scored WHERE bundle = ? ORDER BY source, key", [bundle]
    ).df()
    return Predictions(images, findings, classes, failed)


def match(predictions: Predictions, truth: Truth) -> ScoredPictures:
    """Find the scored picture for each name in the truth.

    Raises:
        DataError: no picture is found, a name may mean a scored picture but not certainly, or
            labels and masks contradict each other; the message names the lines.
    """
    images = predictions.images.reset_index(drop=True)
    pictures = pd.concat([images[["source", "key"]], predictions.failed[["source", "key"]]])
    keys = pictures["key"].tolist()
    addresses = [
        f"{source.rstrip('/')}/{key}" for source, key in zip(pictures["source"], keys, strict=True)
    ]
    rows = truth.masks.drop_duplicates("ImageId")
    mask_lines = dict(zip(rows["ImageId"], rows["line"].tolist(), strict=True))
    masks = LabelNames(truth.source, mask_lines, match_names(mask_lines, keys, addresses))
    labels = LabelNames(
        truth.labels_source, truth.label_lines, match_names(truth.labels or (), keys, addresses)
    )
    refuse_unclear(masks, labels, keys, len(images))
    name_of = labels.names(len(images)) | masks.names(len(images))
    if not name_of:
        raise DataError(
            f"no picture of {truth.source} was scored by this bundle; the labels' ImageId must be "
            "the pictures' file names, or their keys below --input"
        )
    drawn = set(truth.masks["ImageId"][truth.masks["EncodedPixels"] != ""])
    with_masks = {number for name, number in masks.pictures.items() if name in drawn}
    label_of = {number: (truth.labels or {})[name] for name, number in labels.pictures.items()}
    refuse_contradictions(masks, labels, with_masks, label_of)
    images["name"] = [name_of.get(*pair) for pair in enumerate(images["image_id"])]
    images["defective"] = [label_of.get(number, number in with_masks) for number in images.index]
    images["outlined"] = images.index.isin(list(with_masks)) | ~images["defective"]
    if truth.labels is not None:
        images = images.loc[sorted(name_of)]
    covered = set(truth.masks["ImageId"]) | set(truth.labels or ())
    found = set(masks.names(len(predictions.images)).values())
    found |= set(labels.names(len(predictions.images)).values())
    extra = {int(number): f"class_{number}" for number in truth.masks["ClassId"].unique()}
    return ScoredPictures(
        images=images.reset_index(drop=True),
        findings=predictions.findings,
        classes=dict(sorted((extra | predictions.classes).items())),
        uncovered=len(predictions.images) - len(images),
        unscored=sorted(covered - found),
        notes=_notes(masks, len(predictions.images), drawn, set(extra) - set(predictions.classes)),
    )


def pair_masks(scored: ScoredPictures, truth: Truth) -> pd.DataFrame:
    """Join true and predicted run lengths.

    Pictures that are labelled defective and have no true masks are left out.

    Returns:
        One row for each picture and class; columns row (number of the row), source, key, image_id,
        width, height, class_id, class_name, truth, found (run lengths; empty if there is no mask).
    """
    images = scored.images[scored.images["outlined"]]
    classes = pd.DataFrame(scored.classes.items(), columns=["class_id", "class_name"])
    pairs = images.merge(classes, how="cross")
    pairs = pairs.merge(scored.findings, how="left", on=["source", "key", "run_id", "class_id"])
    true_masks = truth.masks.rename(
        columns={"ImageId": "name", "ClassId": "class_id", "EncodedPixels": "truth"}
    )
    pairs = pairs.merge(true_masks, how="left", on=["name", "class_id"])
    pairs = pairs.rename(columns={"run_lengths": "found"})
    pairs = pairs.fillna({"truth": "", "found": ""})
    refuse_outside(pairs[pairs["truth"] != ""], truth.source)
    return pairs.assign(row=range(len(pairs)))


def _notes(masks: LabelNames, scored: int, drawn: set[str], unknown: set[int]) -> tuple[str, ...]:
    """Return remarks on the masks file for readers of the metrics."""
    notes = []
    unseen = [name for name in masks.lines if name in drawn and name not in masks.pictures]
    if unseen:
        notes.append(
            f"{len(unseen)} names with masks match no picture that this bundle has processed: "
            f"{label_files.listed(masks.with_lines(unseen))}"
        )
    failed = [name for name, number in masks.pictures.items() if number >= scored]
    if failed:
        notes.append(
            f"{len(failed)} pictures of {masks.file} could not be scored: "
            f"{label_files.listed(failed)}"
        )
    if unknown:
        numbers = label_files.listed([str(number) for number in sorted(unknown)])
        notes.append(f"the bundle has no class {numbers}: all true masks of it count as missed")
    return tuple(notes)


def _read_labels(
    folder: Store, labels_uri: str | None, s3: S3Settings
) -> tuple[str, pd.DataFrame] | None:
    """Return the labels file's address and rows; None if none was named and none is there."""
    if labels_uri is not None:
        place, name = _open_beside(labels_uri, s3)
        return labels_uri, label_files.read_label_rows(place.read(name), labels_uri)
    present = [
        name
        for name in label_files.LABELS_FILES
        if any(found.key == name for found in folder.scan(name))
    ]
    if len(present) > 1:
        raise DataError(
            f"{folder.uri} has both {' and '.join(present)}; keep one, or name one by --pictures"
        )
    if not present:
        return None
    address = f"{folder.uri}/{present[0]}"
    return address, label_files.read_label_rows(folder.read(present[0]), address)


def _open_beside(uri: str, s3: S3Settings) -> tuple[Store, str]:
    """Open the folder of a file, and return the folder's store and the file's name."""
    folder, name = split_file(uri)
    return open_store(folder, s3), name

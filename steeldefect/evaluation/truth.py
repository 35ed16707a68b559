"""Match the names of the truth with the scored pictures.

`labels.picture_names` has the rules for names. A name that may mean a scored picture, but not
certainly, is an error: otherwise that picture could count as clean although it has true masks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from steeldefect.bundle.manifest import UNKNOWN
from steeldefect.errors import DataError
from steeldefect.evaluation.true_masks import TrueMasks
from steeldefect.evaluation.truth_checks import (
    LabelNames,
    refuse_contradictions,
    refuse_unclear,
)
from steeldefect.labels import label_files
from steeldefect.labels.label_rows import TEXT
from steeldefect.labels.picture_names import match_names

_LEFT_OUT = f"masks of the class {UNKNOWN} are not compared: no truth names it; verdicts count it"


@dataclass(frozen=True)
class Truth:
    """The truth: true masks and picture labels.

    Attributes:
        masks: the true masks; a row without run lengths means that the picture does not have the
            class.
        labels: whether a picture is defective, by its name, for all pictures with known truth;
            None if there is no labels file: then all pictures have known truth, and those without
            a mask are clean.
        source: address of the masks file.
        label_lines: line in the labels file, by name.
        labels_source: address of the labels file.
        groups: group of a picture, by its name; pictures without one are missing.
        groups_source: address of the groups file.
    """

    masks: TrueMasks
    labels: dict[str, bool] | None
    source: str
    label_lines: dict[str, int] = field(default_factory=dict)
    labels_source: str = "the labels file"
    groups: dict[str, str] = field(default_factory=dict)
    groups_source: str = "the groups file"

    def without_names(self) -> Truth:
        """Return the truth without labels and groups: once they are matched, they only take memory.

        The true masks stay.
        """
        return replace(self, labels=None, label_lines={}, groups={})


@dataclass(frozen=True)
class Predictions:
    """The pictures that one bundle has processed.

    Attributes:
        images: newest row of each scored picture; columns source, key, image_id, run_id, width,
            height, gate_probability, verdict, pixel_mm_x, pixel_mm_y.
        classes: class names, by id.
        failed: pictures that could not be scored; columns source, key.
        judges_novelty: whether the bundle says how unlike clean pictures a picture is.
    """

    images: pd.DataFrame
    classes: dict[int, str]
    failed: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["source", "key"]))
    judges_novelty: bool = False


@dataclass(frozen=True)
class ScoredPictures:
    """The scored pictures with known truth.

    Attributes:
        images: as in `Predictions`, with five more columns: name (as the truth writes it),
            mask_name (as the masks file writes it; empty if it does not name the picture),
            defective (the truth), outlined (whether the true masks are known) and group (empty if
            there is none).
        classes: class names of bundle and truth together, by id.
        uncovered: number of scored pictures without known truth.
        unscored: names in the truth whose pictures were not scored.
        notes: remarks on the truth for readers of the metrics, one line each.
        left_out: name of the class whose masks are not compared: the unknown, beside classes with
            names. No truth names it. Its findings count for the verdict.
    """

    images: pd.DataFrame
    classes: dict[int, str]
    uncovered: int
    unscored: list[str]
    notes: tuple[str, ...] = ()
    left_out: str | None = None


def read_predictions(connection: duckdb.DuckDBPyConnection, bundle: str) -> Predictions:
    """Read the predictions of a bundle from the tables.

    Args:
        connection: database of `steeldefect.analysis.sql.open_database`.
        bundle: digest of the bundle.
    """
    images: pa.Table = connection.sql(
        "SELECT source, key, image_id, run_id, width, height, gate_probability, verdict, "
        "pixel_mm_x, pixel_mm_y, novelty "
        "FROM newest_images WHERE bundle = ? ORDER BY source, key",  # float sums depend on it
        params=[bundle],
    ).to_arrow_table()
    newest: tuple[str] | None = connection.execute(
        "SELECT classes FROM runs WHERE bundle = ? AND job IN ('score', 'rethreshold') "
        "ORDER BY run_number DESC NULLS LAST, scored_at DESC",
        [bundle],
    ).fetchone()
    names = json.loads(newest[0]) if newest else {}
    classes = {int(number): str(name) for number, name in names.items()}
    failed = connection.execute(
        "SELECT source, key FROM not_scored ANTI JOIN newest_images USING (source, key, bundle) "
        "WHERE bundle = ? ORDER BY source, key",  # an earlier version may have been scored
        [bundle],
    ).df()
    judges_novelty = images["novelty"].null_count < images.num_rows
    return Predictions(_compact(images.drop_columns("novelty")), classes, failed, judges_novelty)


def _compact(images: pa.Table) -> pd.DataFrame:
    """Return a frame whose texts take little memory: there may be a million rows."""
    for name in ("source", "run_id", "verdict"):
        place = images.column_names.index(name)
        images = images.set_column(place, name, images[name].dictionary_encode())
    frame: pd.DataFrame = images.to_pandas(types_mapper={pa.string(): TEXT}.get)
    return frame


def match(predictions: Predictions, truth: Truth) -> ScoredPictures:
    """Find the scored picture for each name in the truth.

    Raises:
        DataError: no picture is found, a name may mean a scored picture but not certainly, or
            labels and masks contradict each other; the message names the lines.
    """
    images = predictions.images.reset_index(drop=True)
    keys, sources = ([*images[name], *predictions.failed[name]] for name in ("key", "source"))
    addresses = _Addresses(pd.Series(sources, dtype="category"), keys)
    del sources
    rows = truth.masks.rows.drop_duplicates("ImageId")
    mask_lines = dict(zip(rows["ImageId"], rows["line"].tolist(), strict=True))
    masks = LabelNames(truth.source, mask_lines, match_names(mask_lines, keys, addresses))
    labels = LabelNames(
        truth.labels_source, truth.label_lines, match_names(truth.labels or (), keys, addresses)
    )
    count = len(images)
    refuse_unclear(masks, labels, keys, count)
    drawn = truth.masks.names_with_masks
    stated = _stated(masks, labels, drawn, truth.labels or {}, len(keys))
    refuse_contradictions(masks, labels, stated.with_masks & stated.labelled & ~stated.label)
    named = np.flatnonzero(stated.names[:count] != "")
    if len(named) == 0:
        raise DataError(
            f"no picture of {truth.source} was scored by this bundle; the labels' ImageId must be "
            "the pictures' file names, or their keys below --input"
        )
    names = np.where(stated.names[:count] != "", stated.names[:count], images["image_id"])
    defective = np.where(stated.labelled, stated.label, stated.with_masks)[:count]
    images = images.assign(
        name=pd.Series(names).astype(TEXT),
        mask_name=pd.Series(stated.mask_names[:count]).astype(TEXT),
        defective=defective,
        outlined=stated.with_masks[:count] | ~defective,
        group=_groups(truth, keys, addresses)[:count],
    )
    if truth.labels is not None:
        images = images.iloc[named]
    files = (masks, labels)
    unscored = {
        name
        for one in files
        for name in one.lines
        if all(other.pictures.get(name, count) >= count for other in files)
    }
    drawn_classes = truth.masks.rows["ClassId"][truth.masks.rows["drawn"]].unique()
    extra = {int(number): f"class_{number}" for number in drawn_classes}
    compared, left_out = _compared_classes(predictions)
    return ScoredPictures(
        images=images.reset_index(drop=True),
        classes=dict(sorted((extra | compared).items())),
        uncovered=len(predictions.images) - len(images),
        unscored=sorted(unscored),
        notes=(
            *_notes(masks, len(predictions.images), drawn, set(extra) - set(predictions.classes)),
            *_not_outlined(images),
            *([] if left_out is None else [_LEFT_OUT]),
        ),
        left_out=left_out,
    )


def _compared_classes(predictions: Predictions) -> tuple[dict[int, str], str | None]:
    """Return the classes whose masks are compared, and the name of the one that is left out."""
    named = {number: name for number, name in predictions.classes.items() if name != UNKNOWN}
    if predictions.judges_novelty and 0 < len(named) < len(predictions.classes):
        return named, UNKNOWN
    return predictions.classes, None


@dataclass(frozen=True)
class _Stated:
    """What the truth states of each picture, scored pictures first.

    Attributes:
        names: name of the picture in the truth, object (pictures,); empty if it has none.
        mask_names: its name in the masks file, likewise.
        with_masks: whether it has true masks; this and the next two: bool (pictures,).
        labelled: whether it has a label.
        label: the label, True = defective.
    """

    names: npt.NDArray[np.object_]
    mask_names: npt.NDArray[np.object_]
    with_masks: npt.NDArray[np.bool_]
    labelled: npt.NDArray[np.bool_]
    label: npt.NDArray[np.bool_]


def _stated(
    masks: LabelNames, labels: LabelNames, drawn: set[str], label_of: dict[str, bool], count: int
) -> _Stated:
    names, mask_names = (np.full(count, "", dtype=object) for _ in range(2))
    with_masks, labelled, label = (np.zeros(count, dtype=bool) for _ in range(3))
    names[list(labels.pictures.values())] = list(labels.pictures)
    numbers = list(masks.pictures.values())
    names[numbers] = mask_names[numbers] = list(masks.pictures)  # the masks file's spelling wins
    with_masks[[number for name, number in masks.pictures.items() if name in drawn]] = True
    labelled[list(labels.pictures.values())] = True
    label[list(labels.pictures.values())] = [label_of[name] for name in labels.pictures]
    return _Stated(names, mask_names, with_masks, labelled, label)


def without_truth(predictions: Predictions) -> ScoredPictures:
    """Return all pictures of a bundle, as if each were known to be clean."""
    images = predictions.images.assign(
        name=predictions.images["image_id"],
        mask_name="",
        defective=False,
        outlined=True,
        group="",
    )
    return ScoredPictures(images, predictions.classes, uncovered=0, unscored=[])


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


def _groups(truth: Truth, keys: Sequence[str], addresses: Sequence[str]) -> pd.Series:
    """Return the group of each picture; empty if it has none."""
    found = match_names(truth.groups, keys, addresses)
    taken = set(found.pictures.values())
    near = [name for name, numbers in found.near.items() if not taken.issuperset(numbers)]
    unclear = [*found.ambiguous, *found.clashing, *near]
    if truth.groups and not found.pictures and not unclear:
        raise DataError(
            f"{truth.groups_source} names no picture that this bundle has processed; use the "
            "pictures' file names, or their keys below --input, as ImageId"
        )
    if unclear:
        named = [f"{name} ({found.explain(name, keys)})" for name in unclear]
        raise DataError(
            f"{truth.groups_source}: it is not clear which pictures these names mean: "
            f"{label_files.listed(named)}; use the pictures' keys below --input as ImageId"
        )
    groups = np.full(len(keys), "", dtype=object)
    groups[list(found.pictures.values())] = [truth.groups[name] for name in found.pictures]
    return pd.Series(groups).astype("category")


def _not_outlined(images: pd.DataFrame) -> tuple[str, ...]:
    names = images["image_id"][~images["outlined"].astype(bool)].tolist()
    if not names:
        return ()
    return (
        f"{len(names)} pictures are labelled defective, but nobody outlined their defects: they "
        f"count for gate and verdict, not for masks: {label_files.listed(names)}",
    )


class _Addresses(Sequence[str]):
    """Addresses of pictures, made when they are asked for: a million of them take memory."""

    def __init__(self, sources: pd.Series, keys: Sequence[str]) -> None:
        self._sources = [str(one).rstrip("/") for one in sources.cat.categories]
        self._source_of: npt.NDArray[np.integer] = sources.cat.codes.to_numpy()
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, number: int) -> str:  # type: ignore[override]
        return f"{self._sources[self._source_of[number]]}/{self._keys[number]}"

    def __iter__(self) -> Iterator[str]:
        pairs = zip(self._source_of.tolist(), self._keys, strict=True)
        return (f"{self._sources[source]}/{key}" for source, key in pairs)

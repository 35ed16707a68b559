"""Read a folder of labelled pictures, and check all of it before training begins.

    images/         the pictures; their file names are the ImageIds
    train.csv       run lengths (see `steeldefect.labels.label_files` for its two forms)
    labels.csv      optional: ImageId,label with 1 = defective; or defect_and_no_defect.csv
    classes.json    optional: class names by id
    groups.csv      optional: ImageId,group; pictures of one group stay in one part of a split
    weights.csv     optional: ImageId,weight; only used if the pictures are extra ones of a fit

Without a labels file, pictures with a mask are defective and all others are clean.
`docs/labels.md` describes each file, and how the names in it are matched to pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steeldefect.errors import DataError, DecodeError, RunLengthError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.progress import warn
from training.data import labels
from training.data.labels import listed
from training.data.picture_files import SUFFIXES, find_pictures
from training.data.picture_names import Naming

LIMITS = DecodeLimits(max_pixels=200_000_000)
"""Limits of training pictures. Somebody chose these pictures, so only memory needs protection."""

_DECODERS = 4


@dataclass(frozen=True)
class LabelledPicture:
    """One picture with its labels.

    Attributes:
        name: file name.
        path: path of the file.
        shape: (height, width) in pixels.
        defective: the picture's label.
        runs: run lengths by id of the classes present; empty for clean pictures, and for
            defective pictures whose masks nobody drew.
        group: name of the picture's group; pictures of one group stay in one part of a split.
            The picture's own name if no group is stated.
    """

    name: str
    path: Path
    shape: tuple[int, int]
    defective: bool
    runs: dict[int, run_lengths.Runs]
    group: str

    @property
    def outlined(self) -> bool:
        """Whether the true masks are known: somebody drew them, or the picture is clean."""
        return bool(self.runs) or not self.defective

    def read(self) -> Gray:
        """Decode the picture: uint8 (height, width).

        Raises:
            DataError: the picture cannot be read; the message names the file.
        """
        return read_picture(self.path)


@dataclass(frozen=True)
class DataSet:
    """All pictures of a data folder, sorted by name.

    Attributes:
        folder: the data folder.
        pictures: all pictures.
        class_names: names of the classes by id.
        fingerprint: sha256 over the label files and the pictures' names and sizes in bytes.
    """

    folder: Path
    pictures: tuple[LabelledPicture, ...]
    class_names: dict[int, str]
    fingerprint: str


def read_dataset(folder: Path) -> DataSet:
    """Read a data folder, decode every picture once, and check that files and pictures agree.

    Raises:
        DataError: something is missing, unreadable or contradictory; the message lists the
            problems, each with the first few names.
    """
    paths = _find_pictures(folder)
    masks = labels.read_masks(folder / labels.MASKS_FILE)
    stated = labels.read_labels(folder)
    groups = labels.read_groups(folder)
    names = labels.read_class_names(folder)
    class_names = names or {number: f"class_{number}" for number in sorted(set(masks["ClassId"]))}
    naming = Naming(paths)
    unnamed = _check_classes(masks, set(class_names))
    masks = naming.rename(masks, labels.MASKS_FILE)
    labelled = naming.rename(stated[1], stated[0]) if stated else None
    defective = None if labelled is None else dict(zip(*_columns(labelled, "label"), strict=True))
    group_of = naming.pairs(groups, labels.GROUPS_FILE, "group")
    _refuse(unnamed + naming.problems)
    shapes = _read_shapes(paths)
    runs = _parse_masks(masks, shapes)
    if stated is not None and labelled is not None:
        _refuse(_check_labels(set(paths), stated[0], labelled, masks, runs))
    pictures = tuple(
        LabelledPicture(
            name=name,
            path=paths[name],
            shape=shapes[name],
            defective=name in runs if defective is None else defective.get(name, name in runs),
            runs=runs.get(name, {}),
            group=group_of.get(name) or name,
        )
        for name in sorted(paths)
    )
    return DataSet(folder, pictures, class_names, fingerprint_of(folder, paths.values()))


def _find_pictures(folder: Path) -> dict[str, Path]:
    images = folder / "images"
    if not images.is_dir():
        raise DataError(f"no such folder: {images}; a data folder holds images/ and train.csv")
    found = find_pictures(images)
    if found.unnameable:
        raise DataError(
            f"{images} holds pictures whose names are not UTF-8: {listed(found.unnameable)}; "
            "rename them"
        )
    others = [f"{name} ({reason})" for name, reason in found.passed_over.items()]
    if not found.paths:
        beside = f"; it holds {listed(others)}" if others else ""
        raise DataError(f"{images} holds no picture ({', '.join(sorted(SUFFIXES))}){beside}")
    if others:
        warn(f"{images}: {len(others)} entries are passed over: {listed(others)}")
    return found.paths


def _check_classes(masks: pd.DataFrame, class_ids: set[int]) -> list[str]:
    unknown = masks[~masks["ClassId"].isin(class_ids)].drop_duplicates("ClassId")
    if unknown.empty:
        return []
    named = [f"{row.ClassId} (line {row.line})" for row in unknown.itertuples()]
    return [
        f"{labels.MASKS_FILE} has class ids that {labels.CLASSES_FILE} does not name: "
        + listed(named)
    ]


def _columns(rows: pd.DataFrame, value: str) -> tuple[list[str], list[Any]]:
    return rows["ImageId"].tolist(), rows[value].tolist()


def _check_labels(
    pictures: set[str],
    file: str,
    labelled: pd.DataFrame,
    masks: pd.DataFrame,
    runs: dict[str, dict[int, run_lengths.Runs]],
) -> list[str]:
    """Return where labels and masks contradict each other, with files and lines."""
    problems = []
    clean = labelled[~labelled["label"].astype(bool) & labelled["ImageId"].isin(list(runs))]
    if len(clean):
        first = masks.drop_duplicates("ImageId").set_index("ImageId")["line"].to_dict()
        named = [
            f"{row.ImageId} (line {first[str(row.ImageId)]}, labelled in line {row.line})"
            for row in clean.sort_values("ImageId").itertuples()
        ]
        problems.append(
            f"labelled 0 (clean) in {file}, but with masks in {labels.MASKS_FILE}: {listed(named)}"
        )
    unlabelled = sorted(pictures - set(labelled["ImageId"]) - set(runs))
    if unlabelled:
        problems.append(
            f"neither in {file} nor with a mask in {labels.MASKS_FILE}: {listed(unlabelled)}"
        )
    return problems


def _read_shapes(paths: dict[str, Path]) -> dict[str, tuple[int, int]]:
    """Decode every picture once, so that a broken picture fails now, not an hour into the fit."""
    with ThreadPoolExecutor(_DECODERS) as pool:
        found = dict(zip(paths, pool.map(_shape_or_problem, paths.values()), strict=True))
    broken = sorted(one for one in found.values() if isinstance(one, str))
    if broken:
        raise DataError(f"{len(broken)} pictures cannot be read: {listed(broken)}")
    return {name: one for name, one in found.items() if not isinstance(one, str)}


def _shape_or_problem(path: Path) -> tuple[int, int] | str:
    try:
        height, width = read_picture(path).shape
    except DataError as error:
        return str(error)
    return height, width


def with_one_class(dataset: DataSet, name: str) -> DataSet:
    """Return a data set in which all classes are one, with id 1: a defect of any kind."""

    def merged(picture: LabelledPicture) -> LabelledPicture:
        masks = [run_lengths.to_mask(runs, picture.shape) for runs in picture.runs.values()]
        if not masks:
            return picture
        runs = run_lengths.from_mask(np.logical_or.reduce(masks))
        return replace(picture, runs={1: runs})

    pictures = tuple(map(merged, dataset.pictures))
    return replace(dataset, pictures=pictures, class_names={1: name})


def read_picture(path: Path) -> Gray:
    """Decode a picture file: uint8 (height, width).

    Raises:
        DataError: the picture cannot be read; the message names the file.
    """
    try:
        return decode_gray(path.read_bytes(), LIMITS)
    except DecodeError as error:
        raise DataError(f"{path}: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None


def _parse_masks(
    masks: pd.DataFrame, shapes: dict[str, tuple[int, int]]
) -> dict[str, dict[int, run_lengths.Runs]]:
    """Return all run lengths that are not empty, by picture and class."""
    parsed: dict[str, dict[int, run_lengths.Runs]] = {}
    problems = []
    rows = zip(*(masks[column] for column in masks.columns), strict=True)
    for name, class_id, text, line in rows:
        try:
            runs = run_lengths.parse(text, shapes[name])
        except RunLengthError as error:
            problems.append(f"line {line}: {name} class {class_id}: {error}")
            continue
        if len(runs):
            parsed.setdefault(name, {})[int(class_id)] = runs
    if problems:
        raise DataError(f"{labels.MASKS_FILE}: {listed(problems)}")
    return parsed


def _refuse(problems: list[str]) -> None:
    if problems:
        raise DataError("; ".join(problems))


def fingerprint_of(folder: Path, pictures: Iterable[Path]) -> str:
    """Return sha256 over the label files of a folder, and the names and sizes of pictures."""
    digest = hashlib.sha256()
    files = (labels.MASKS_FILE, *labels.LABELS_FILES, labels.GROUPS_FILE, labels.CLASSES_FILE)
    for name in (*files, labels.WEIGHTS_FILE):
        path = folder / name
        if path.exists():
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    for path in sorted(pictures):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()

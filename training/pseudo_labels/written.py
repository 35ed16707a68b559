"""Write the folder: pictures as they are in the archive, labels, weights, and a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from steeldefect.errors import StoreError
from steeldefect.pictures import run_lengths
from training.data.labels import GROUPS_FILE, WEIGHTS_FILE
from training.data.picture_files import SUFFIXES
from training.pseudo_labels.candidates import Candidate
from training.pseudo_labels.choose import Label
from training.synthetic.folder import Truth, write_csv, write_labels

SOFT_FILE = "soft.csv"
"""Name of the file with the probability of each label."""
SOURCES_FILE = "sources.csv"
"""Name of the file that says where each picture is in the archive."""


@dataclass(frozen=True)
class Taken:
    """One picture of the folder: its name there, where it is from, and its labels."""

    name: str
    candidate: Candidate
    label: Label


def name_of(number: int, candidate: Candidate) -> str:
    """Return the name of a picture in the folder: `pseudo_000012.jpg`.

    Pictures of several folders of an archive may have one file name, so names are numbers. The
    suffix is that in the archive, if a data folder knows it.
    """
    suffix = PurePosixPath(candidate.key).suffix.lower()
    return f"pseudo_{number:06d}{suffix if suffix in SUFFIXES else '.png'}"


def write_picture(folder: Path, name: str, data: bytes) -> None:
    """Write the bytes of a picture file into `images/`.

    Raises:
        StoreError: the file cannot be written.
    """
    try:
        (folder / "images").mkdir(exist_ok=True)
        (folder / "images" / name).write_bytes(data)
    except OSError as error:
        raise StoreError(f"cannot write {name}: {error.strerror}") from None


def write_tables(folder: Path, taken: Sequence[Taken], class_names: Mapping[int, str]) -> None:
    """Write all tables of the folder; rows are in the order of the pictures.

    - `train.csv`, `labels.csv`, `classes.json`: hard labels, as in any data folder.
    - `weights.csv` (`ImageId,weight`): mean confidence of each picture.
    - `groups.csv` (`ImageId,group`): the coil that each shows; empty if it is unknown.
    - `soft.csv` (`ImageId,ClassId,probability`): mean probability of each mask; ClassId is empty
      for a clean picture, and the probability that it is clean.
    - `sources.csv` (`ImageId,source,key,etag,run_id`): where each is in the archive and the tables.

    Args:
        folder: data folder.
        taken: its pictures.
        class_names: names of the classes by id.
    """
    truths = [
        Truth(one.name, {number: run_lengths.to_text(runs) for number, runs in _sorted(one)})
        for one in taken
    ]
    write_labels(folder, truths, class_names)
    weights = [(one.name, f"{one.label.confidence:.6f}") for one in taken]
    write_csv(folder / WEIGHTS_FILE, ("ImageId", "weight"), weights)
    groups = [(one.name, one.candidate.coil or "") for one in taken]
    write_csv(folder / GROUPS_FILE, ("ImageId", "group"), groups)
    soft = [row for one in taken for row in _soft_rows(one)]
    write_csv(folder / SOFT_FILE, ("ImageId", "ClassId", "probability"), soft)
    sources = [_source_row(one) for one in taken]
    write_csv(folder / SOURCES_FILE, ("ImageId", "source", "key", "etag", "run_id"), sources)


def _sorted(one: Taken) -> list[tuple[int, run_lengths.Runs]]:
    return sorted(one.label.masks.items(), key=lambda item: item[0])


def _soft_rows(one: Taken) -> list[tuple[str, ...]]:
    if not one.label.masks:
        return [(one.name, "", f"{one.label.confidence:.6f}")]
    probabilities = sorted(one.label.probabilities.items())
    return [(one.name, str(number), f"{value:.6f}") for number, value in probabilities]


def _source_row(one: Taken) -> tuple[str, ...]:
    candidate = one.candidate
    return one.name, candidate.source, candidate.key, candidate.etag, candidate.run_id

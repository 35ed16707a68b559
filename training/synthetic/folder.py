"""Write the label files of a data folder of made pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steeldefect.errors import SettingsError


@dataclass(frozen=True)
class Truth:
    """The labels of one picture: its name, and the run lengths of each class that it shows."""

    name: str
    runs: Mapping[int, str]


def refuse_other_pictures(images: Path, names: set[str]) -> None:
    """Check that a folder holds no pictures that the new label files would not contain.

    Raises:
        SettingsError: it does.
    """
    others = sorted(path.name for path in images.iterdir() if path.name not in names)
    if others:
        raise SettingsError(
            f"{images} already holds {len(others)} pictures of another set ({others[0]} first); "
            "choose an empty folder"
        )


def write_labels(folder: Path, truths: Sequence[Truth], class_names: Mapping[int, str]) -> None:
    """Write `train.csv`, `labels.csv` and `classes.json`.

    Args:
        folder: data folder.
        truths: labels of all pictures, in the order of the rows.
        class_names: names of the classes by id.
    """
    rows = [
        (truth.name, str(number), runs) for truth in truths for number, runs in truth.runs.items()
    ]
    write_csv(folder / "train.csv", ("ImageId", "ClassId", "EncodedPixels"), rows)
    labels = [(truth.name, str(int(bool(truth.runs)))) for truth in truths]
    write_csv(folder / "labels.csv", ("ImageId", "label"), labels)
    names = {str(number): name for number, name in class_names.items()}
    (folder / "classes.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


def write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Write a table of texts, with lines that end with LF."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

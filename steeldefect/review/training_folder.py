"""Write reviewed pictures as a data folder that `python -m training` reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from steeldefect.labels.label_files import LABELS_FILES, MASKS_FILE
from steeldefect.review.manifest import IMAGES, ExportedPicture, read_picture

REVIEWS_FILE = "reviews.csv"
CONFIRMED, CORRECTED = "confirmed", "corrected"


@dataclass(frozen=True)
class Reviewed:
    """One picture that a person reviewed.

    Attributes:
        shown: the picture as it was exported.
        masks: run lengths that are right, by class id; a class that is absent is missing.
        reviewer: who reviewed it.
        reviewed_at: when (UTC).
    """

    shown: ExportedPicture
    masks: Mapping[int, str]
    reviewer: str
    reviewed_at: datetime

    def verdict(self, class_id: int) -> str:
        """Return whether the bundle's mask of a class was confirmed or corrected."""
        same = self.shown.masks.get(class_id, "") == self.masks.get(class_id, "")
        return CONFIRMED if same else CORRECTED

    @property
    def corrected(self) -> bool:
        """Whether any mask was corrected."""
        return dict(self.shown.masks) != dict(self.masks)


def write_training_folder(
    folder: Path,
    export: Path,
    reviewed: Sequence[Reviewed],
    classes: Mapping[int, str],
    provenance: Mapping[str, str],
) -> None:
    """Write `images/`, `train.csv`, `labels.csv`, `classes.json`, and `reviews.csv`.

    `reviews.csv` states where each picture and its masks come from; training ignores it.

    Args:
        folder: an empty folder.
        export: folder of the export.
        reviewed: the pictures.
        classes: class names, by id.
        provenance: more columns of `reviews.csv`, with the value that all its rows have.

    Raises:
        DataError: the file of a picture is missing, or is not the one that was exported.
    """
    (folder / IMAGES).mkdir()
    for one in reviewed:
        (folder / IMAGES / one.shown.name).write_bytes(read_picture(export, one.shown))
    masks = [
        (one.shown.name, class_id, text)
        for one in reviewed
        for class_id, text in sorted(one.masks.items())
    ]
    _write(folder / MASKS_FILE, ("ImageId", "ClassId", "EncodedPixels"), masks)
    labels = [(one.shown.name, int(bool(one.masks))) for one in reviewed]
    _write(folder / LABELS_FILES[0], ("ImageId", "label"), labels)
    names = {str(number): name for number, name in classes.items()}
    text = json.dumps(names, indent=1, ensure_ascii=False)
    (folder / "classes.json").write_text(text + "\n", encoding="utf-8")
    _write(
        folder / REVIEWS_FILE,
        (*_PROVENANCE, *provenance),
        ((*_provenance(one), *provenance.values()) for one in reviewed),
    )


_PROVENANCE = (
    *("ImageId", "verdict", "reviewer", "reviewed_at"),
    *("source", "key", "etag", "scored_run"),
)


def _provenance(one: Reviewed) -> tuple[str, ...]:
    shown = one.shown
    verdict = CORRECTED if one.corrected else CONFIRMED
    told = (shown.name, verdict, one.reviewer, one.reviewed_at.isoformat())
    return (*told, shown.source, shown.key, shown.etag, shown.run_id)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

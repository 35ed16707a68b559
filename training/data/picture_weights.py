"""Read `weights.csv` of a data folder: how often a fit draws each of its pictures as extra ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from steeldefect.errors import DataError
from steeldefect.labels import label_files
from training.data.dataset import LabelledPicture
from training.data.labels import WEIGHTS_FILE, listed, read_file
from training.data.picture_names import Naming

_HIGHEST = 1.0


def read_weights(folder: Path, pictures: Sequence[LabelledPicture]) -> dict[str, float]:
    """Return the weight of every picture of a folder, by name; 1 for a picture without a row.

    Args:
        folder: data folder; `weights.csv` (`ImageId,weight`) in it is optional.
        pictures: all pictures of the folder.

    Raises:
        DataError: the file is malformed, names a picture that is not there, or has a weight that
            is not a number above 0 and at most 1.
    """
    weights = {picture.name: 1.0 for picture in pictures}
    path = folder / WEIGHTS_FILE
    if not path.exists():
        return weights
    rows = label_files.read_pairs(read_file(path), str(path), "weight")
    wrong = [
        f"{row.ImageId}: {row.weight!r} (line {row.line})"
        for row in rows.itertuples()
        if not _is_weight(str(row.weight))
    ]
    if wrong:
        raise DataError(
            f"{path}: a weight is a number above 0 and at most 1; received {listed(wrong)}"
        )
    naming = Naming({picture.name: picture.path for picture in pictures})
    stated = naming.pairs(rows, WEIGHTS_FILE, "weight")
    if naming.problems:
        raise DataError(f"{folder}: {'; '.join(naming.problems)}")
    return weights | {name: float(weight) for name, weight in stated.items()}


def _is_weight(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return math.isfinite(number) and 0 < number <= _HIGHEST

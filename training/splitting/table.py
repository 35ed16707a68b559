"""Format a split as a small table: the number of pictures of each class in each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from training.data.dataset import LabelledPicture
from training.splitting.parts import Folds, Parts

_COLUMNS = ("pictures", "share", "groups", "clean", "not outlined")


def table_of(division: Parts | Folds, class_names: Mapping[int, str]) -> str:
    """Return a table of picture counts per part or fold, and per class.

    A picture counts for every class that it shows.
    """
    named = division.named()
    everything = [picture for pictures in named.values() for picture in pictures]
    rows = {**named, "all": tuple(everything)}
    table = pd.DataFrame(
        [_row(pictures, len(everything), class_names) for pictures in rows.values()],
        index=list(rows),
        columns=[*_COLUMNS, *class_names.values()],
    )
    return table.to_string()


def _row(
    pictures: Sequence[LabelledPicture], everything: int, class_names: Mapping[int, str]
) -> list[int | str]:
    return [
        len(pictures),
        f"{len(pictures) / everything:.1%}",
        len({picture.group for picture in pictures}),
        sum(not picture.defective for picture in pictures),
        sum(not picture.outlined for picture in pictures),
        *(sum(number in picture.runs for picture in pictures) for number in class_names),
    ]

"""Choose a part of a data folder, as if nobody had labelled the rest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from steeldefect.pictures import run_lengths
from training.data.dataset import DataSet, LabelledPicture
from training.data.labels import GROUPS_FILE
from training.splitting.division import stratum_of
from training.synthetic.folder import Truth, write_csv, write_labels


def in_even_order(dataset: DataSet, seed: int) -> list[LabelledPicture]:
    """Return all pictures in a random order of which any part has the classes of the whole.

    In each class, the random order fixes which picture comes first; the classes come by turns.
    So the first 10 pictures are also the first of the first 20.
    """
    counts = Counter(number for one in dataset.pictures for number in one.runs)
    strata: dict[str, list[LabelledPicture]] = {}
    for one in dataset.pictures:
        strata.setdefault(stratum_of(one, counts), []).append(one)
    rng = np.random.default_rng(seed)
    placed: list[tuple[float, str, LabelledPicture]] = []
    for _, pictures in sorted(strata.items()):
        order = rng.permutation(len(pictures))
        start = rng.random()
        placed += [
            ((rank + start) / len(pictures), pictures[place].name, pictures[place])
            for rank, place in enumerate(order.tolist())
        ]
    return [one for _, _, one in sorted(placed, key=lambda each: each[:2])]


def write_subset(dataset: DataSet, chosen: list[LabelledPicture], folder: Path) -> None:
    """Write a data folder with some pictures of another one; their files are linked.

    Args:
        dataset: the whole data set; every defective picture has masks.
        chosen: some of its pictures.
        folder: folder to write; must not exist.
    """
    images = folder / "images"
    images.mkdir(parents=True)
    ordered = sorted(chosen, key=lambda one: one.name)
    for one in ordered:
        (images / one.name).symlink_to(one.path.resolve())
    truths = [
        Truth(one.name, {number: run_lengths.to_text(runs) for number, runs in one.runs.items()})
        for one in ordered
    ]
    write_labels(folder, truths, dataset.class_names)
    write_csv(
        folder / GROUPS_FILE, ("ImageId", "group"), [(one.name, one.group) for one in ordered]
    )

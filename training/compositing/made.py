"""Write a data folder of made pictures: pictures, labels, groups, and a record of the sources."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from steeldefect.pictures import run_lengths
from steeldefect.pictures.fingerprints import digest_of
from steeldefect.program.progress import followed
from training.compositing.composer import Composer
from training.compositing.order import Order
from training.compositing.sources import Sources, gather
from training.data.dataset import LabelledPicture
from training.data.generated import write_record
from training.data.labels import GROUPS_FILE
from training.synthetic.folder import Truth, refuse_other_pictures, write_csv, write_labels

SOURCES_FILE = "sources.csv"
"""Name of the file that lists the sources of each picture."""


@dataclass(frozen=True)
class Made:
    """One picture of the folder.

    Attributes:
        truth: its name and labels.
        group: group of the picture of its steel; empty if the steel was drawn.
        ground: name of the picture of its steel; empty if the steel was drawn.
        donors: names of the pictures of its defects.
        others: names of the pictures of its clean pieces.
        without_place: number of defects that were left out.
    """

    truth: Truth
    group: str
    ground: str
    donors: tuple[str, ...]
    others: tuple[str, ...]
    without_place: int

    @property
    def sources(self) -> set[str]:
        """Names of all pictures of which a piece is in it."""
        return {name for name in (self.ground, *self.donors, *self.others) if name}


def make_pictures(folder: Path, order: Order) -> list[Made]:
    """Write a data folder of pictures made from others.

    Writes `images/made_000000.png` and so on, `train.csv`, `labels.csv` and `classes.json` as
    `training.synthetic.generate` does, and:

    - `groups.csv` (`ImageId,group`): pictures on the steel of one picture are in its group.
    - `sources.csv` (`ImageId,steel,defects,clean_pieces`): of which pictures each was made.
    - `generated.json`: seed, fingerprints, counts, and the digest of every source picture.

    Picture i depends on the order's sources, its seed and i alone: the same call writes the same
    bytes, and a call with another `first` continues the set. PNG is lossless: outside the margins
    of the masks, the steel is that of its source, but for one change of brightness.

    Args:
        folder: folder to write; it is created if it is missing.
        order: what to make.

    Returns:
        What was made, in the order of the numbers.

    Raises:
        DataError: the sources cannot be used; see `training.compositing.sources.gather`.
        SettingsError: `folder` holds pictures of another set.
        OSError: the folder cannot be written.
    """
    sources = gather(order)
    numbers = range(order.first, order.first + order.pictures)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    refuse_other_pictures(images, {_name(number) for number in numbers})
    composer = Composer(sources.deck, sources.textures, sources.looks, order.seed)

    def make(number: int) -> Made:
        return _make(composer, images, number)

    # Threads suffice: numpy, scipy and OpenCV release the GIL while they compute.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        made = list(followed(pool.map(make, numbers), len(numbers), "making", "pictures"))
    _write_tables(folder, made, sources.class_names)
    used = sorted({name for one in made for name in one.sources})
    digests = _digests([sources.pictures[name] for name in used])
    write_record(folder, _facts(order, sources, made), digests)
    return made


def _name(number: int) -> str:
    return f"made_{number:06d}.png"


def _make(composer: Composer, images: Path, number: int) -> Made:
    composite = composer.make(number)
    _, encoded = cv2.imencode(".png", composite.picture)
    (images / _name(number)).write_bytes(encoded.tobytes())
    runs = {
        class_id: run_lengths.encode(mask) for class_id, mask in sorted(composite.masks.items())
    }
    return Made(
        truth=Truth(_name(number), runs),
        group=composite.group,
        ground=composite.ground,
        donors=composite.donors,
        others=composite.others,
        without_place=composite.without_place,
    )


def _write_tables(folder: Path, made: Sequence[Made], class_names: Mapping[int, str]) -> None:
    write_labels(folder, [one.truth for one in made], class_names)
    groups = [(one.truth.name, one.group) for one in made if one.group]
    if groups:
        write_csv(folder / GROUPS_FILE, ("ImageId", "group"), groups)
    rows = [
        (one.truth.name, one.ground, ";".join(one.donors), ";".join(one.others)) for one in made
    ]
    header = ("ImageId", "steel", "defects", "clean_pieces")
    write_csv(folder / SOURCES_FILE, header, rows)


def _facts(order: Order, sources: Sources, made: Sequence[Made]) -> dict[str, Any]:
    shown = Counter(class_id for one in made for class_id in one.truth.runs)
    return {
        "seed": order.seed,
        "first": order.first,
        "pictures": len(made),
        "clean": sum(not one.truth.runs for one in made),
        "classes": {str(class_id): shown[class_id] for class_id in sources.class_names},
        "without_place": sum(one.without_place for one in made),
        **sources.facts,
    }


def _digests(pictures: Sequence[LabelledPicture]) -> dict[str, str]:
    return {digest_of(picture.read()): picture.name for picture in pictures}

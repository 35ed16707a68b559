"""An output that a bundle has scored, of pictures whose doubts a test chooses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steeldefect.pictures import run_lengths
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import TableName
from support.examples import (
    MORNING,
    ORIGIN,
    Row,
    Rows,
    defect,
    failure,
    finish,
    image,
    origin,
    picture,
    prediction,
    publish,
)
from support.samples import HEIGHT, WIDTH, save
from support.steel import Gray, steel

SCRATCH, DENT = 1, 2
NAMES = {SCRATCH: "scratch", DENT: "dent"}
GATE = 0.01
"""Threshold of the gate."""
LEAST = {SCRATCH: 100, DENT: 0}
"""Minimum areas; the pixel threshold of both classes is 0.5."""

SURE = 0.99
"""A gate's probability, and a region's, about which there is no doubt."""


def thresholds(**gate: Any) -> str:
    """Return the thresholds as the table `runs` keeps them; `gate` changes those of the gate."""
    return json.dumps(
        {
            "classes": {
                str(one): {"pixel_threshold": 0.5, "min_area": least}
                for one, least in LEAST.items()
            },
            "gate": {"mode": "hard", "threshold": GATE, "soft_area": 0} | gate,
        }
    )


def square(size: int, top: int = 4, left: int = 4) -> run_lengths.Runs:
    """Return the runs of a square in a picture of 128 x 64 pixels."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top : top + size, left : left + size] = True
    return run_lengths.from_mask(mask)


def region(key: str, number: int, runs: run_lengths.Runs, **changes: Any) -> Row:
    """Return a row of `defects` with the area and the box of a mask; by default of `SCRATCH`."""
    box = run_lengths.bounding_box(runs, HEIGHT)
    assert box is not None
    measured = {
        "number": number,
        "class_id": SCRATCH,
        "class_name": NAMES[changes.get("class_id", SCRATCH)],
        "reason": None if changes.get("kept", True) else "min_area",
        "run_lengths": run_lengths.to_text(runs),
        "area": run_lengths.area(runs),
        "mean_probability": SURE,
    }
    boxes = {f"box_{name}": value for name, value in box._asdict().items()}
    return defect(key, **measured | boxes | changes)


def found(key: str, runs: run_lengths.Runs, **changes: Any) -> Row:
    """Return a row of `predictions` with the area and the box of a mask; by default `SCRATCH`."""
    row = region(key, 1, runs, **changes)
    names = {"class_id", "class_name", "run_lengths", "area", "mean_probability", "source"}
    names |= {name for name in row if name.startswith("box_")}
    return prediction(key, **{name: row[name] for name in names})


@dataclass
class Night:
    """Pictures that one run scores; pictures with a seed also lie in the archive.

    Attributes:
        archive: folder of the pictures.
        rows: rows of the run.
    """

    archive: Path
    rows: Rows = field(default_factory=dict)

    def scored(self, key: str, seed: int | None = None, **changes: Any) -> None:
        """Add a picture that is certain and clean, but for `changes` of its row of `images`."""
        if seed is not None:
            self.keep(key, steel(seed, (HEIGHT, WIDTH)))
        clean = {"verdict": "clean", "defects": 0, "regions": 0, "gate_probability": SURE}
        self.add(TableName.IMAGES, image(key, **clean | changes))

    def with_region(self, key: str, size: int, seed: int | None = None, **changes: Any) -> None:
        """Add a picture with one defect, a square; `changes` are of its row of `defects`."""
        self.scored(key, seed, verdict="defect", defects=1, regions=1)
        self.add(TableName.DEFECTS, region(key, 1, square(size), **changes))
        self.add(TableName.PREDICTIONS, found(key, square(size), **changes))

    def with_rejected(self, key: str, *sizes: int, seed: int | None = None, more: int = 0) -> None:
        """Add a picture whose regions a minimum area removed; `more` of them have no row."""
        self.scored(key, seed, rejected_regions=len(sizes) + more)
        for number, size in enumerate(sizes, 1):
            runs = square(size, left=4 + 20 * number)
            self.add(TableName.DEFECTS, region(key, number, runs, kept=False))

    def failed(self, key: str, **changes: Any) -> None:
        self.add(TableName.QUARANTINE, failure(key, **changes))

    def keep(self, key: str, pixels: Gray) -> None:
        """Write a picture into the archive."""
        save(pixels, self.archive / "new.png").rename(self._path(key))

    def add(self, table: TableName, row: Row) -> None:
        self.rows.setdefault(table, []).append(row | {"source": str(self.archive)})

    def end(self, store: Store, made: Origin = ORIGIN, **run: Any) -> None:
        """Publish the pictures as one run of the bundle."""
        publish(store, self.rows, made)
        classes = json.dumps({str(one): name for one, name in NAMES.items()})
        finish(store, made, **{"thresholds": thresholds(), "classes": classes} | run)

    def _path(self, key: str) -> Path:
        path = self.archive / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def judge(store: Store, source: str, key: str, bundle: str, **changes: Any) -> None:
    """Write that a person has judged one class on a picture that a bundle had scored."""
    row = picture(key, source) | {
        "etag": "e1",
        "width": WIDTH,
        "height": HEIGHT,
        "class_id": SCRATCH,
        "class_name": NAMES[SCRATCH],
        "run_lengths": "",
        "verdict": "corrected",
        "reviewer": "Ann",
        "reviewed_at": MORNING,
        "format": "coco",
        "scored_run": "run-1",
        "review": "review-1",
    }
    rows = whole_rows(TableName.REVIEWS, [row | changes], origin(9, bundle))
    Tables(store).append(TableName.REVIEWS, rows)

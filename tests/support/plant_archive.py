"""A plant in miniature: labelled pictures, an archive, and what the rule bundle says of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steeldefect.bundle.files import Bundle, open_bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.novelty import GateAnswer
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.outline import Outline, OutlineRules
from steeldefect.pictures import run_lengths
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.publish.thresholds import Thresholds
from steeldefect.stores import FetchLimits, open_store
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import TableName
from support.examples import Row, Rows, defect, finish, image, origin, prediction, publish
from support.samples import HEIGHT, WIDTH
from training.pseudo_labels.mirrors import OPTIONS

BRIGHT, DARK = 1, 2
SURE, UNSURE = 250, 208  # gray levels of class 1 of which the rule bundle is sure, or nearly not
SURE_DARK = 2
CELLS = (4, 8)

Mark = tuple[int, int, int, int]
"""Class, gray level, and top and left of a square of 12 x 12 pixels."""


def ground(seed: int) -> np.ndarray:
    """Return steel without a defect that looks like no other: uint8 (64, 128)."""
    rng = np.random.default_rng([seed, 77])
    cells = rng.integers(80, 180, CELLS, dtype=np.uint8)
    return cv2.resize(cells, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)


def marked(seed: int, marks: Iterable[Mark]) -> np.ndarray:
    """Return steel with squares."""
    picture = ground(seed)
    for _, gray, top, left in marks:
        picture[top : top + 12, left : left + 12] = gray
    return picture


def save_picture(path: Path, seed: int, marks: Iterable[Mark] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), marked(seed, marks))


@dataclass
class Labelled:
    """A data folder with a split file; `add` adds a picture to a part."""

    folder: Path
    rows: list[tuple[str, int, str]] = field(default_factory=list)
    parts: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def split_file(self) -> Path:
        return self.folder / "split.csv"

    def add(self, part: str, marks: Iterable[Mark] = (), labels: Iterable[Mark] = ()) -> None:
        """Add a picture that shows `marks`, of which `labels` are labelled."""
        seed = len(self.parts)
        name = f"l{seed:03d}.png"
        save_picture(self.folder / "images" / name, seed, marks)
        for class_id, _, top, left in labels:
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[top : top + 12, left : left + 12] = True
            self.rows.append((name, class_id, run_lengths.encode(mask)))
        self.parts.append((name, part, name))

    def write(self) -> None:
        header = ("ImageId", "ClassId", "EncodedPixels")
        write_table(self.folder / "train.csv", header, self.rows)
        write_table(self.split_file, ("ImageId", "split", "group"), self.parts)
        names = {"1": "bright", "2": "dark"}
        (self.folder / "classes.json").write_text(json.dumps(names), encoding="utf-8")


def write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def opened(folder: Path) -> Detector:
    """Open a bundle once for all tests."""
    return open_detector(open_bundle(folder), OPTIONS)


@dataclass
class Plant:
    """An archive and its tables; seeds of its pictures begin at 1000."""

    folder: Path
    bundle: Bundle

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def tables(self) -> str:
        return str(self.folder / "tables")

    def add(self, name: str, marks: Iterable[Mark] = (), seed: int | None = None) -> None:
        """Add a picture to the archive; its seed is the number in its name, if none is given."""
        number = 1000 + int("".join(filter(str.isdigit, name))) if seed is None else seed
        save_picture(self.archive / name, number, marks)

    def score(
        self,
        made: Origin | None = None,
        more: Rows | None = None,
        **changes: dict[str, Any],
    ) -> None:
        """Score the archive as a run does.

        Args:
            made: the run; None for the first one of the bundle.
            more: further rows, such as those of `quarantine`.
            changes: changes of the rows of `images`, by the name of the picture without suffix.
        """
        store = open_store(self.tables)
        made = made or origin(1, self.bundle.digest)
        rows = self._rows(changes)
        for table, found in (more or {}).items():
            rows[table] = [*rows.get(table, []), *found]
        publish(store, rows, made)
        finish(
            store,
            made,
            thresholds=Thresholds.of(self.bundle.manifest).model_dump_json(),
        )

    def _rows(self, changes: dict[str, dict[str, Any]]) -> Rows:
        detector = opened(self.bundle.folder)
        archive = open_store(str(self.archive))
        rows: Rows = {TableName.IMAGES: [], TableName.PREDICTIONS: [], TableName.DEFECTS: []}
        for info in archive.scan():
            data = archive.fetch(info.key, FetchLimits(10**6, 10)).data
            pixels = decode_gray(data, DecodeLimits(10**6))
            prepared = [detector.prepare(pixels)]
            judged = detector.judge(prepared)
            passed = bool(detector.passes(*judged)[0])
            outline: Any = Outline()
            if passed:
                answer = GateAnswer(float(judged.probability[0]))
                maps = detector.maps(prepared)[0]
                outline = detector.outline(maps, pixels.shape, answer, OutlineRules(measured=True))
            self._add(rows, info.key, info.etag, outline)
            rows[TableName.IMAGES][-1] |= {
                "verdict": "gated" if not passed else "defect" if outline.findings else "clean",
                "gate_probability": float(judged.probability[0]),
                **changes.get(Path(info.key).stem, {}),
            }
        return rows

    def _add(self, rows: Rows, key: str, etag: str, outline: Outline) -> None:
        source = {"source": str(self.archive)}
        regions = 0
        for finding in outline.findings:
            named = {"class_id": finding.defect_class.id, "class_name": finding.defect_class.name}
            mask: Row = {
                "run_lengths": run_lengths.to_text(finding.runs),
                "area": finding.area,
                "mean_probability": finding.mean_probability,
            }
            rows[TableName.PREDICTIONS].append(prediction(key, **named, **mask) | source)
            for region in finding.regions:
                regions += 1
                one: Row = {
                    "number": regions,
                    "run_lengths": run_lengths.to_text(region.runs),
                    "area": region.area,
                    "mean_probability": region.mean_probability,
                }
                rows[TableName.DEFECTS].append(defect(key, **named, **one) | source)
        counts = {"defects": len(outline.findings), "regions": regions}
        rejected = {"rejected_regions": outline.rejected_count}
        rows[TableName.IMAGES].append(image(key, etag=etag, **counts, **rejected) | source)

    def fill(self) -> None:
        """Add two bright pictures, a dark one, a doubtful one, and three clean ones."""
        self.add("bright1.png", [(BRIGHT, SURE, 8, 40)])
        self.add("bright2.png", [(BRIGHT, 245, 40, 10)])
        self.add("dark3.png", [(DARK, SURE_DARK, 30, 100)])
        self.add("doubt4.png", [(BRIGHT, SURE, 8, 40), (BRIGHT, UNSURE, 40, 80)])
        for number in (5, 6, 7):
            self.add(f"clean{number}.png")

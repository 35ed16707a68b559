"""A data folder in miniature, and recipes that fit it in seconds."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from steeldefect.bundle.manifest import (
    DefectClass,
    Gate,
    Manifest,
    PictureSizes,
    Segmenter,
    TrainingRecord,
)
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import InputSpec, Scaling
from training.export.draft_manifest import draft_manifest

HEIGHT, WIDTH = 32, 64


def square(top: int, left: int, size: int = 12) -> str:
    """Return the run lengths of a square."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top : top + size, left : left + size] = True
    return run_lengths.encode(mask)


@dataclass
class Folder:
    """A data folder for tests; a method that is called again replaces what it wrote."""

    path: Path
    masks: list[tuple[str, int, str]] = field(default_factory=list)
    shape = (HEIGHT, WIDTH)
    square = staticmethod(square)

    def picture(self, name: str, runs: dict[int, str] | None = None) -> None:
        """Write a picture of noise in which the pixels of `runs` are bright."""
        rng = np.random.default_rng(list(name.encode()))
        gray = rng.integers(60, 100, (HEIGHT, WIDTH), dtype=np.uint8)
        for class_id, text in (runs or {}).items():
            gray[run_lengths.decode(text, (HEIGHT, WIDTH))] = 160 + 40 * class_id
            self.masks.append((name, class_id, text))
        (self.path / "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(self.path / "images" / name), gray)

    def table(self, name: str, header: str, rows: list[tuple[object, ...]]) -> None:
        """Write a CSV file."""
        with (self.path / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header.split(","))
            writer.writerows(rows)

    def masks_table(self) -> None:
        """Write `train.csv` from the pictures."""
        self.table("train.csv", "ImageId,ClassId,EncodedPixels", list(self.masks))

    def classes(self, names: dict[int, str]) -> None:
        """Write `classes.json`."""
        content = {str(number): name for number, name in names.items()}
        (self.path / "classes.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return an empty data folder."""
    return Folder(tmp_path / "data")


@pytest.fixture(scope="session")
def draft() -> Callable[..., Manifest]:
    """Return a function that creates manifests for tiny models with inputs of 32x64 pixels."""

    def make(gate: bool = True, classes: int = 2) -> Manifest:
        spec = InputSpec(height=HEIGHT, width=WIDTH, channels=1, scaling=Scaling.STANDARD)
        return draft_manifest(
            [DefectClass(id=number, name=f"c{number}") for number in range(1, classes + 1)],
            Gate(input=spec, threshold=0.1) if gate else None,
            Segmenter(input=spec),
            PictureSizes(height=(HEIGHT, HEIGHT), width=(WIDTH, WIDTH)),
            TrainingRecord(
                recipe_name="none", recipe={}, seed=0, data_fingerprint="", pictures={}, minutes=0
            ),
        )

    return make


@pytest.fixture
def small_folder(folder: Folder) -> Folder:
    """Return a folder of three pictures: with two classes, with one class, and clean."""
    folder.picture("a.png", {1: square(2, 3), 2: square(18, 40)})
    folder.picture("b.png", {2: square(5, 20)})
    folder.picture("c.png")
    folder.masks_table()
    return folder


@pytest.fixture(scope="session")
def learnable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 40 pictures with two classes; three eighths of them are clean."""
    folder = Folder(tmp_path_factory.mktemp("learnable"))
    rng = np.random.default_rng(5)
    for number in range(40):
        place = square(int(rng.integers(0, 20)), int(rng.integers(0, 50)))
        runs = {} if number % 8 < 3 else {1 + number % 2: place}
        folder.picture(f"p{number:02d}.png", runs)
    folder.masks_table()
    folder.classes({1: "light", 2: "bright"})
    return folder.path


@pytest.fixture(scope="session")
def extra_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of four pictures: two of class 1, one of class 2, one clean."""
    folder = Folder(tmp_path_factory.mktemp("extra"))
    shown: dict[str, dict[int, str]] = {
        "w.png": {1: square(1, 2)},
        "x.png": {1: square(9, 40)},
        "y.png": {2: square(15, 20)},
        "z.png": {},
    }
    for name, runs in shown.items():
        folder.picture(name, runs)
    folder.masks_table()
    folder.classes({1: "light", 2: "bright"})
    return folder.path


_INPUT = {"height": 32, "width": 64, "channels": 1, "scaling": "standard"}
_OPTIMIZER = {"kind": "adam", "learning_rate": 0.01}


@pytest.fixture
def settings() -> dict[str, Any]:
    """Return the settings of a recipe with the smallest models, as read from YAML."""
    fitted = {"kind": "small", "input": _INPUT, "epochs": 2, "batch_size": 8}
    return {
        "name": "tiny",
        "split": {"validation": 0.25, "test": 0.25},
        "gate": {**fitted, "optimizer": _OPTIMIZER, "threshold": 0.2},
        "segmenter": {
            **fitted,
            "optimizer": _OPTIMIZER,
            "loss": "bce_dice",
            "augment": {"flip_horizontal": True},
            "min_area": 4,
        },
    }


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Return a function that writes settings to a recipe file."""

    def write(content: dict[str, Any]) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write

"""Write a folder of drawn strips, in the layout that training and evaluation read."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from steeldefect.errors import SettingsError
from steeldefect.pictures import run_lengths
from training.synthetic.coils import CoilSettings
from training.synthetic.defects import CLASS_NAMES
from training.synthetic.rolls import draw_roll, stamps_of
from training.synthetic.strip import Strip, StripSettings, draw_strip

_DEFAULT_SETTINGS = StripSettings()
_NO_COILS = CoilSettings()


@dataclass(frozen=True)
class _Truth:
    """The labels of one picture: its name, and the run lengths of each class that it shows."""

    name: str
    runs: dict[int, str]


def generate(
    folder: Path,
    pictures: int,
    seed: int,
    settings: StripSettings = _DEFAULT_SETTINGS,
    first: int = 0,
    coils: CoilSettings = _NO_COILS,
) -> None:
    """Write a labelled data set of drawn strips.

    Writes `images/strip_000000.jpg` and so on, `train.csv` (`ImageId,ClassId,EncodedPixels`: run
    lengths column-major and 1-based, one row for each picture and class present), `labels.csv`
    (`ImageId,label`, 1 = defective) and `classes.json`. Picture i depends on `seed`, `settings`,
    `coils` and i alone: the same call writes the same bytes, and a call with another `first`
    continues the set. Names of coils and cameras alone do not change a picture.

    Args:
        folder: folder to write; it is created if it is missing.
        pictures: number of pictures, at least 1.
        seed: random seed of the whole set, at least 0.
        settings: settings of the pictures.
        first: number of the first picture, at least 0.
        coils: coils and cameras; with frames, the pictures are named `coil_001-frame_0000.jpg` and
            so on, or `coil_001-camera_1-frame_0000.jpg` if cameras have names.

    Raises:
        SettingsError: a number is out of range, a coil is not among the pictures, or `folder` holds
            pictures of another set.
        OSError: the folder cannot be written.
    """
    _check(pictures, seed, first, coils)
    camera = _Cameras(seed, settings, coils)
    numbers = range(first, first + pictures)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    _refuse_other_pictures(images, {coils.name_of(number) for number in numbers})
    # Threads suffice: numpy and OpenCV release the GIL while they compute. Unlike processes,
    # threads work under every caller.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        draw = partial(camera.write_picture, images)
        truths = list(pool.map(draw, numbers))
    _write_labels(folder, truths)


def _check(pictures: int, seed: int, first: int, coils: CoilSettings) -> None:
    problems = [
        f"{name} is at least {least}; received {value!r}"
        for name, value, least in (
            ("pictures", pictures, 1),
            ("seed", seed, 0),
            ("first", first, 0),
        )
        if value < least
    ]
    problems = problems or coils.unseen(first, pictures)
    if problems:
        raise SettingsError("synthetic strips: " + "; ".join(problems))


def _refuse_other_pictures(images: Path, names: set[str]) -> None:
    """Raise if the folder holds pictures that the new label files would not contain."""
    others = sorted(path.name for path in images.iterdir() if path.name not in names)
    if others:
        raise SettingsError(
            f"{images} already holds {len(others)} pictures of another set ({others[0]} first); "
            "choose an empty folder"
        )


class _Cameras:
    """Takes the pictures of a set."""

    def __init__(self, seed: int, settings: StripSettings, coils: CoilSettings) -> None:
        """Draw the rolls of the set."""
        self._seed, self._settings, self._coils = seed, settings, coils
        self._rolls = tuple(
            draw_roll(seed, mark, coils, settings.height, settings.width)
            for mark in coils.roll_marks
        )

    def write_picture(self, images: Path, number: int) -> _Truth:
        """Draw one picture, write it to the folder, and return its labels."""
        settings, name = self._settings, self._coils.name_of(number)
        strip = draw_strip(
            np.random.default_rng([self._seed, number]),
            settings,
            stamps_of(self._rolls, self._coils, number, settings.width),
            self._coils.light_of(number),
        )
        quality = [cv2.IMWRITE_JPEG_QUALITY, settings.jpeg_quality]
        _, encoded = cv2.imencode(".jpg", strip.picture, quality)
        (images / name).write_bytes(encoded.tobytes())
        return _Truth(name, _runs(strip))


def _runs(strip: Strip) -> dict[int, str]:
    """Encode the masks of the classes that the picture shows."""
    return {
        number: run_lengths.encode(strip.masks[:, :, number - 1])
        for number in CLASS_NAMES
        if strip.masks[:, :, number - 1].any()
    }


def _write_labels(folder: Path, truths: list[_Truth]) -> None:
    rows = [
        (truth.name, str(number), runs) for truth in truths for number, runs in truth.runs.items()
    ]
    _write_csv(folder / "train.csv", ("ImageId", "ClassId", "EncodedPixels"), rows)
    labels = [(truth.name, str(int(bool(truth.runs)))) for truth in truths]
    _write_csv(folder / "labels.csv", ("ImageId", "label"), labels)
    names = {str(number): name for number, name in CLASS_NAMES.items()}
    (folder / "classes.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

"""Write a folder of drawn strips, in the layout that training and evaluation read."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from steeldefect.errors import SettingsError
from steeldefect.pictures import run_lengths
from training.synthetic.coils import CoilSettings
from training.synthetic.defects import CLASS_NAMES
from training.synthetic.folder import Truth, refuse_other_pictures, write_labels
from training.synthetic.rolls import draw_roll, stamps_of
from training.synthetic.strip import Strip, StripSettings, draw_strip

_DEFAULT_SETTINGS = StripSettings()
_NO_COILS = CoilSettings()


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
    refuse_other_pictures(images, {coils.name_of(number) for number in numbers})
    # Threads suffice: numpy and OpenCV release the GIL while they compute. Unlike processes,
    # threads work under every caller.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        draw = partial(camera.write_picture, images)
        truths = list(pool.map(draw, numbers))
    write_labels(folder, truths, CLASS_NAMES)


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


class _Cameras:
    """Takes the pictures of a set."""

    def __init__(self, seed: int, settings: StripSettings, coils: CoilSettings) -> None:
        """Draw the rolls of the set."""
        self._seed, self._settings, self._coils = seed, settings, coils
        self._rolls = tuple(
            draw_roll(seed, mark, coils, settings.height, settings.width)
            for mark in coils.roll_marks
        )

    def write_picture(self, images: Path, number: int) -> Truth:
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
        return Truth(name, _runs(strip))


def _runs(strip: Strip) -> dict[int, str]:
    """Encode the masks of the classes that the picture shows."""
    return {
        number: run_lengths.encode(strip.masks[:, :, number - 1])
        for number in CLASS_NAMES
        if strip.masks[:, :, number - 1].any()
    }

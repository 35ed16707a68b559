"""An archive of drawn pictures, their statistics, and answers of a model that errs now and then.

Coils differ: each has its own light (a gain with a deviation of 3%), its own share of clean
pictures, and its own mixture of defect classes. Four cameras with slightly different gains take
the pictures of each coil in turn. Each picture is drawn once, and measured as it is and with each
fault, always after it was encoded as JPEG and decoded again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.pictures.statistics import picture_statistics
from steeldefect.watch.quantities import PICTURE_QUANTITIES
from training.synthetic import CLASS_NAMES, StripSettings, draw_strip
from training.synthetic.surface import expose

Picture = npt.NDArray[np.uint8]

CAMERAS = ("1", "2", "3", "4")
FAULTS = ("as_it_is", "darker", "blurred", "blurred_before_grain", "black")
_CAMERA_GAINS = (1.0, 0.96, 1.04, 1.02)
_COIL_GAIN = 0.03
_CLEAN = (5.0, 4.0)  # parameters of the beta distribution of a coil's share of clean pictures
_MIXTURE = 6.0  # Dirichlet parameter of a coil's classes; smaller: more of one class
_QUALITY = 92


@dataclass(frozen=True)
class Archive:
    """What was measured once.

    Attributes:
        pictures: one row a picture: `coil`, `camera`, `gate_probability`, `defective`.
        statistics: for each of `FAULTS`, float32 (pictures, 6), in the order of
            `PICTURE_QUANTITIES`.
        regions: one row a defect that the model found: `picture`, `class_id`, `area`, `length`.
    """

    pictures: pd.DataFrame
    statistics: dict[str, npt.NDArray[np.float32]]
    regions: pd.DataFrame


def load_archive(folder: Path, coils: int, frames: int, seed: int) -> Archive:
    """Draw an archive, or read it if it was drawn before.

    Args:
        folder: folder that keeps what was measured.
        coils: number of coils.
        frames: pictures of each coil.
        seed: seed of everything drawn.
    """
    path = folder / f"archive-{coils}-{frames}-{seed}"
    if not (path / "statistics.npz").exists():
        _draw(path, coils, frames, seed)
    with np.load(path / "statistics.npz") as stored:
        statistics = {fault: stored[fault] for fault in FAULTS}
    pictures, regions = (
        pd.read_parquet(path / f"{name}.parquet") for name in ("pictures", "regions")
    )
    return Archive(pictures, statistics, regions)


def _draw(path: Path, coils: int, frames: int, seed: int) -> None:
    measured: dict[str, list[list[float]]] = {fault: [] for fault in FAULTS}
    pictures: list[tuple[str, str, float, bool]] = []
    regions: list[tuple[int, int, int, float]] = []
    for coil in range(coils):
        rng = np.random.default_rng([seed, coil])
        settings, gain = _coil_settings(rng), float(rng.lognormal(0.0, _COIL_GAIN))
        for frame in range(frames):
            camera = frame % len(CAMERAS)
            strip = draw_strip(np.random.default_rng([seed, coil, frame]), settings)
            scene = strip.picture * np.float32(gain * _CAMERA_GAINS[camera])
            for fault, picture in _with_faults(rng, scene).items():
                measured[fault].append(_statistics(picture))
            found = _found(rng, strip.masks)
            regions += [(len(pictures), *one) for one in found]
            defective = bool(strip.masks.any())
            chance = rng.beta(6.0, 1.0) if defective else rng.beta(1.0, 8.0)
            pictures.append((f"coil {coil}", CAMERAS[camera], chance, bool(found)))
    path.mkdir(parents=True, exist_ok=True)
    columns = ["coil", "camera", "gate_probability", "defective"]
    pd.DataFrame(pictures, columns=columns).to_parquet(path / "pictures.parquet")
    columns = ["picture", "class_id", "area", "length"]
    pd.DataFrame(regions, columns=columns).to_parquet(path / "regions.parquet")
    arrays = {fault: np.array(rows, np.float32) for fault, rows in measured.items()}
    np.savez(path / "statistics.npz", **arrays)


def _coil_settings(rng: np.random.Generator) -> StripSettings:
    shares = rng.dirichlet([_MIXTURE] * len(CLASS_NAMES)) + 1e-3
    first, second, third, fourth = (float(one) for one in shares)
    return StripSettings(
        clean_share=float(rng.beta(*_CLEAN)), class_shares=(first, second, third, fourth)
    )


def _with_faults(
    rng: np.random.Generator, scene: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the picture as it is and with each fault, float32 gray levels."""
    blurred = cv2.GaussianBlur(scene, (0, 0), 1.0)
    dark = np.abs(rng.normal(0.0, 1.5, scene.shape)).astype(np.float32)
    return {
        "as_it_is": scene,
        "darker": scene * np.float32(0.9),
        "blurred": blurred,
        # the sensor's grain comes after the lens: it stays sharp
        "blurred_before_grain": np.asarray(expose(rng, blurred), np.float32),
        "black": dark,
    }


def _statistics(picture: npt.NDArray[np.float32]) -> list[float]:
    """Measure a picture as production does: from its file."""
    gray = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    found = picture_statistics(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE))
    return [float(getattr(found, name)) for name in PICTURE_QUANTITIES]


def _found(rng: np.random.Generator, masks: npt.NDArray[np.bool_]) -> list[tuple[int, int, float]]:
    """Return class, area and length of what a model finds: it misses 5%, and invents 1%."""
    made = []
    for number in CLASS_NAMES:
        mask = masks[:, :, number - 1].astype(np.uint8)
        if mask.any() and rng.random() < 0.95:
            _, _, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
            made += [(number, int(box[4]), float(max(box[2], box[3]))) for box in boxes[1:]]
        elif rng.random() < 0.01:
            made.append((number, int(rng.integers(100, 2000)), float(rng.uniform(20, 80))))
    return made

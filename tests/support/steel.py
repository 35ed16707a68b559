"""Pictures that look like steel, and copies of them that a camera or a program may make."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]


def steel(seed: int, shape: tuple[int, int] = (128, 400)) -> Gray:
    """Draw steel, uint8 `shape`: streaks and blotches of several sizes, some grain."""
    rng = np.random.default_rng(seed)
    gray = np.full(shape, 100.0)
    for cells, depth in ((4, 30), (12, 20), (40, 10)):
        coarse = rng.normal(0, depth, (cells, cells)).astype(np.float32)
        gray += cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(gray + rng.normal(0, 4, shape), 0, 255).astype(np.uint8)


def recoded(gray: Gray, quality: int = 60) -> Gray:
    """Return a picture as it is after it was saved as JPEG."""
    encoded = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def brightened(gray: Gray) -> Gray:
    """Return a picture with more light and contrast."""
    return np.clip(gray * 1.08 + 8, 0, 255).astype(np.uint8)


def smaller(gray: Gray) -> Gray:
    """Return a picture at 0.7 of its size."""
    return np.asarray(cv2.resize(gray, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA))

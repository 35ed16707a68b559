"""Train on your own data: the files that it needs, a fit of a few seconds, a first result.

    python examples/train_on_your_own_data.py [FOLDER]

This script draws its pictures: gray noise, and a bright block as a defect. Use your own pictures
instead, remove the arguments that shorten the fit, and use the recipe `strong`.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

import steeldefect
from steeldefect.pictures import run_lengths
from training.__main__ import main as training

HEIGHT, WIDTH = 64, 128
RECIPE = Path(__file__).parents[1] / "conf" / "recipes" / "demo.yaml"


def draw_data(folder: Path, pictures: int = 60) -> None:
    """Write images/ and train.csv; every second picture has a defect."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    lines = []
    for number in range(pictures):
        picture = random.integers(90, 130, (HEIGHT, WIDTH), dtype=np.uint8)
        name = f"strip_{number:03d}.png"
        if number % 2:
            mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
            top, left = random.integers(4, 32), random.integers(4, 80)
            mask[top : top + 24, left : left + 40] = True
            picture[mask] += 100
            lines.append((name, 1, run_lengths.encode(mask)))
        cv2.imwrite(str(folder / "images" / name), picture)
    with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("ImageId", "ClassId", "EncodedPixels"), *lines])


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the data, fit, and find the defects of one picture with the new bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo/own"), help="new")
    folder = parser.parse_args(arguments).folder

    draw_data(folder / "data")
    short_fit = ["--epochs", "8"]
    for model in ("gate", "segmenter"):
        short_fit += ["--set", f"{model}.input.height={HEIGHT}"]
        short_fit += ["--set", f"{model}.input.width={WIDTH}"]
    words = ["--data", str(folder / "data"), "--recipe", str(RECIPE)]
    code = training(["fit", *words, "--bundle", str(folder / "bundle"), *short_fit])
    if code:
        sys.exit(code)

    detector = steeldefect.open_detector(folder / "bundle")
    result = detector.find(folder / "data" / "images" / "strip_001.png")
    print(f"{result.name}: {result.verdict}")


if __name__ == "__main__":
    main()

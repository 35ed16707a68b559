"""The tables of a small plant in which every common question has an answer.

Coils with a damaged roll, missing and broken pictures; a night with another bundle, its shadow and
an audit; a night that failed; a night with darker, replaced pictures and its watch; an evaluation
and reviews.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

from jobs import evaluate as evaluate_job
from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import DefectClass
from steeldefect.cli import main
from steeldefect.errors import StoreError
from steeldefect.publish.commit import WaveLog
from steeldefect.stores import open_store
from steeldefect.tables.schema import TableName
from support.archives import rows
from support.reviewing import judge
from support.samples import (
    WIDTH,
    Gray,
    both_picture,
    bright_picture,
    build_rule_bundle,
    plain_picture,
    save,
    score_arguments,
)
from support.short_runs import score_without_spark

FRAME_MM, PERIOD_MM = 512.0, 1_250.0
_PIXEL_MM = FRAME_MM / WIDTH
_FRAMES = 40
_ON_STRIP = (
    *("--set", r"strip.key_pattern=(?P<coil>coil \d)/(?P<camera>c\d)-(?P<frame>\d+)\.png"),
    *("--set", f"strip.frame_mm={FRAME_MM}", "--set", f"strip.pixel_mm={_PIXEL_MM}"),
    *("--set", "strip.along=x", "--set", "max_failure_share=0.5"),
)


@dataclass(frozen=True)
class Plant:
    """A folder with `archive`, its labels, and the tables in `output`."""

    folder: Path
    rule: Bundle

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def night(self, bundle: Bundle, *more: str) -> int:
        """Score what is new, and return the exit code."""
        asked = score_arguments(self.archive, bundle.folder, self.output)
        return score_without_spark([*asked, *_ON_STRIP, *more])

    def runs(self) -> list[str]:
        """Return the ids of the scoring runs that led, oldest first."""
        found = rows(self.output, TableName.RUNS, "run_number", "run_id", "job", "shadow_of")
        led = [row for row in found if row["job"] == "score" and row["shadow_of"] is None]
        return [row["run_id"] for row in sorted(led, key=lambda row: row["run_number"])]


def build_plant(folder: Path, rule: Bundle) -> Plant:
    """Fill the folder; the rule bundle leads the first and the last night.

    The jobs stop the Spark session of this process.
    """
    plant = Plant(folder, rule)
    classes = (DefectClass(id=1, name="bright"), DefectClass(id=2, name="dark", min_area=400))
    other = build_rule_bundle(folder / "other", gate_threshold=0.99999, classes=classes)
    _write_rolled_coil(plant.archive / "coil 7")
    assert plant.night(rule) == 0
    _write_coil(plant.archive / "coil 8")
    assert plant.night(other, "--shadow", str(rule.folder), "--set", "audit_share=1") == 0
    _write_dark_coils(plant)
    with patch.object(WaveLog, "publish", _lose_the_store):
        assert plant.night(rule) != 0
    assert plant.night(rule) == 0
    first, *_, last = plant.runs()
    watched = ["watch", "--output", str(plant.output), "--run", last, "--reference", first]
    few_coils = ["--set", "watch.alpha=0.1"]  # at 0.01, so few coils cannot raise an alarm
    assert main([*watched, *few_coils]) == 0
    _write_labels(plant)
    labels = ["--labels", str(plant.archive / "train.csv"), "--bundle", rule.digest]
    assert evaluate_job.main(["--output", str(plant.output), *labels]) == 0
    store = open_store(str(plant.output))
    for key, verdict in (("coil 8/c2-101.png", "confirmed"), ("coil 8/c2-102.png", "corrected")):
        judge(store, str(plant.archive), key, rule.digest, verdict=verdict, review=key)
    return plant


def _write_rolled_coil(folder: Path) -> None:
    """Write a coil on which a roll leaves marks, and files that cannot be scored."""
    pictures = [plain_picture(number) for number in range(_FRAMES)]
    for place in np.arange(300.0, _FRAMES * FRAME_MM, PERIOD_MM):
        frame, left = int(place // FRAME_MM), int(place % FRAME_MM / _PIXEL_MM)
        if left <= WIDTH - 16:  # otherwise it would lie on two pictures
            pictures[frame][20:36, left : left + 16] = 250
    for number, picture in enumerate(pictures):
        save(picture, folder / f"c1-{number:03d}.png")
    (folder / "c1-098.png").write_text("these are words\n", encoding="utf-8")
    (folder / "c1-099.png").write_bytes(b"")


def _write_coil(folder: Path) -> None:
    """Write a coil with pictures of all kinds, seen by another camera, with a gap."""
    kinds = (plain_picture, bright_picture, both_picture)
    for number in (*range(100, 110), *range(114, 124)):
        save(kinds[number % 3](number), folder / f"c2-{number:03d}.png")


def _write_dark_coils(plant: Plant) -> None:
    """Write darker coils of the first camera, and replace pictures of an earlier coil."""
    for coil in range(1, 7):
        for number in range(100 + 20 * coil, 120 + 20 * coil):
            kind = bright_picture if number % 2 else plain_picture
            save(_darker(kind(number)), plant.archive / f"coil {coil}" / f"c1-{number:03d}.png")
    for number in (105, 108):  # they had, and have, no defect: so the labels stay right
        save(plain_picture(1_000 + number), plant.archive / "coil 8" / f"c2-{number:03d}.png")


def _darker(picture: Gray) -> Gray:
    """Return the picture with less light on the steel; marks stay."""
    return np.where(picture < 200, picture - 40, picture).astype(np.uint8)


def _lose_the_store(*_: object) -> None:
    raise StoreError("the store went away; try again")


def _write_labels(plant: Plant) -> None:
    """Write the findings of the rule bundle as the truth, but for every fifth."""
    names = ("bundle", "image_id", "class_id", "run_lengths")
    found = rows(plant.output, TableName.PREDICTIONS, *names)
    found = [row for row in found if row["bundle"] == plant.rule.digest]
    lines = [
        f"{row['image_id']},{row['class_id']},{row['run_lengths']}"
        for number, row in enumerate(found)
        if number % 5
    ]
    text = "\n".join(["ImageId,ClassId,EncodedPixels", *lines, ""])
    (plant.archive / "train.csv").write_text(text, encoding="utf-8")

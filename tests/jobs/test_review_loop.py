"""The whole loop: score, pick, export, correct, import, fit, score again, evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from support.archives import rows
from support.samples import HEIGHT, WIDTH, save, score_arguments

from jobs import evaluate as evaluate_job
from jobs import score as score_job
from steeldefect.bundle.files import Bundle
from steeldefect.cli import main as steeldefect
from steeldefect.pictures import run_lengths
from steeldefect.review.manifest import read_manifest
from steeldefect.tables.schema import TableName
from training.__main__ import main as training

pytestmark = pytest.mark.spark

_INPUT = {"height": 32, "width": 64, "channels": 1, "scaling": "standard"}
_MODEL = {
    "kind": "small",
    "input": _INPUT,
    "epochs": 1,
    "batch_size": 8,
    "optimizer": {"kind": "adam", "learning_rate": 0.01},
}
RECIPE = {
    "name": "loop",
    "split": {"validation": 0.25, "test": 0.25},
    "gate": {**_MODEL, "threshold": 0.01},
    "segmenter": {**_MODEL, "loss": "bce_dice", "min_area": 4},
}


def write_archive(folder: Path) -> Path:
    """Write 24 pictures of different surfaces: a third clean, a third with each class."""
    rng = np.random.default_rng(3)
    for number in range(24):
        coarse = rng.integers(90, 170, (4, 8)).astype(np.float32)
        surface = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        picture = np.clip(surface + rng.normal(0, 4, surface.shape), 60, 195).astype(np.uint8)
        top, left = int(rng.integers(0, HEIGHT - 16)), int(rng.integers(0, WIDTH - 16))
        if number % 3:
            picture[top : top + 16, left : left + 16] = 250 if number % 3 == 1 else 2
        save(picture, folder / f"p{number:02d}.png")
    return folder


def delete_one_mask(export: Path) -> tuple[Path, str, int]:
    """Do what a person does who deletes a mask; return the file, the picture and the class."""
    content = json.loads((export / "annotations.json").read_text())
    gone = content["annotations"].pop(0)
    path = export.parent / "corrected.json"
    path.write_text(json.dumps(content))
    file = next(one["file_name"] for one in content["images"] if one["id"] == gone["image_id"])
    shown = {one.name: one.image_id for one in read_manifest(export).pictures}
    category = next(one for one in content["categories"] if one["id"] == gone["category_id"])
    return path, shown[Path(file).name], int(category["id"])


@pytest.mark.slow
def test_corrections_come_back_in_training_and_evaluation(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_archive(tmp_path / "images"), str(tmp_path / "output")
    assert score_job.main(score_arguments(source, rule_bundle.folder, output)) == 0

    queue, export, data = tmp_path / "queue.csv", tmp_path / "export", tmp_path / "data"
    tables = ["--output", output]
    # every picture: all 24 are drawn at random
    asked = ["--count", "24", "--random-share", "1", "--to", str(queue)]
    assert steeldefect(["review", "pick", *tables, *asked]) == 0
    asked = ["--queue", str(queue), "--to", "coco", "--folder", str(export)]
    assert steeldefect(["review", "export", *tables, *asked]) == 0
    corrected, name, class_id = delete_one_mask(export)
    asked = ["--export", str(export), "--annotations", str(corrected), "--reviewer", "Ada"]
    assert steeldefect(["review", "import", *tables, *asked, "--to", str(data)]) == 0
    assert "corrected" in capsys.readouterr().out
    changed = [row for row in rows(output, TableName.REVIEWS) if row["verdict"] == "corrected"]
    assert [(row["image_id"], row["class_id"]) for row in changed] == [(name, class_id)]

    # the bundle is now wrong on one pair, where the person has deleted a mask
    assert evaluate_job.main([*tables, "--labels", "reviews"]) == 0
    wrong = [row for row in rows(output, TableName.CONFUSIONS) if row["fp"] + row["fn"]]
    assert [(row["image_id"], row["class_id"]) for row in wrong] == [(name, class_id)]
    found = next(
        row
        for row in rows(output, TableName.PREDICTIONS)
        if (row["image_id"], row["class_id"]) == (name, class_id)
    )
    kept = run_lengths.area(run_lengths.parse(changed[0]["run_lengths"]))
    assert wrong[0]["fp"] + wrong[0]["tp"] == found["area"]
    assert wrong[0]["tp"] + wrong[0]["fn"] == kept
    assert wrong[0]["fp"] > 0

    recipe, fitted = tmp_path / "recipe.yaml", tmp_path / "fitted"
    recipe.write_text(yaml.safe_dump(RECIPE))
    asked = ["--data", str(data), "--recipe", str(recipe), "--bundle", str(fitted)]
    assert training(["fit", *asked]) == 0
    assert score_job.main(score_arguments(source, fitted, output)) == 0
    assert evaluate_job.main([*tables, "--labels", "reviews"]) == 0
    metrics = rows(output, TableName.METRICS)
    bundles = {row["bundle"] for row in metrics}
    assert len(bundles) == 2
    behind_gate = {"audit", "gate_probability"}
    assert {row["labels"] for row in metrics} - behind_gate == {f"{output}/reviews"}
    recall = {row["bundle"]: row["value"] for row in metrics if row["name"] == "gate_recall"}
    assert recall[rule_bundle.digest] == 1.0

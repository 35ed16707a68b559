"""The evaluation job: counts and metrics for known masks."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.archives import rows
from support.samples import (
    HEIGHT,
    WIDTH,
    both_picture,
    bright_picture,
    fill_archive,
    score_arguments,
)

from jobs import evaluate as evaluate_job
from jobs import score as score_job
from steeldefect.bundle.files import Bundle
from steeldefect.cli import main as steeldefect
from steeldefect.pictures import run_lengths
from steeldefect.tables.schema import TableName

pytestmark = pytest.mark.spark


def write_csv(path: Path, header: str, lines: list[tuple[object, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(lines)
    return path


@pytest.fixture(scope="module")
def output(rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Score nine pictures: three plain, three with class 1, three with both classes."""
    folder = tmp_path_factory.mktemp("evaluated")
    source = fill_archive(folder / "images", 9)
    arguments = score_arguments(source, rule_bundle.folder, folder / "output")
    assert score_job.main(arguments) == 0
    return folder / "output"


def metrics(output: Path) -> dict[tuple[str, int | None], float]:
    """Return the values of the newest evaluation."""
    found = rows(output, TableName.METRICS, "scored_at", "name", "class_id", "value")
    newest = max(row["scored_at"] for row in found)
    return {
        (row["name"], row["class_id"]): row["value"] for row in found if row["scored_at"] == newest
    }


def test_counts_and_metrics_are_those_of_the_masks(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    square = run_lengths.encode(bright_picture() == 250)
    dark = run_lengths.encode(both_picture() == 2)
    half = run_lengths.from_mask(bright_picture() == 250)[:8]  # 8 of the square's 16 columns
    lines: list[tuple[object, ...]] = [
        ("p001.png", 1, square),
        ("p004.png", 1, run_lengths.to_text(half)),
    ]
    lines += [(f"p00{number}.png", 1, square) for number in (2, 5, 8)]
    lines += [(f"p00{number}.png", 2, dark) for number in (2, 5)]
    lines += [("p003.png", 2, dark)]  # the gate stopped this one
    labels = write_csv(tmp_path / "train.csv", "ImageId,ClassId,EncodedPixels", lines)
    arguments = ["--output", str(output), "--labels", str(labels)]
    assert evaluate_job.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "9 pictures compared" in shown
    assert "truly defective" in shown

    counts = {
        (row["image_id"], row["class_id"]): (row["tp"], row["fp"], row["fn"], row["tn"])
        for row in rows(output, TableName.CONFUSIONS)
    }
    pixels = HEIGHT * WIDTH
    assert len(counts) == 18
    assert counts["p001.png", 1] == (256, 0, 0, pixels - 256)
    assert counts["p004.png", 1] == (128, 128, 0, pixels - 256)
    assert counts["p007.png", 1] == (0, 256, 0, pixels - 256)
    assert counts["p003.png", 2] == (0, 0, 256, pixels - 256)
    assert counts["p000.png", 1] == (0, 0, 0, pixels)

    values = metrics(output)
    each = [1, 2 * 128 / (2 * 128 + 128), 1, 1, 1, 1, 1, 0]  # Dice of the pairs with truth
    assert values["positives_dice", None] == pytest.approx(sum(each) / len(each))
    empty_truth_but_found = 2  # p007 class 1 and p008 class 2
    assert values["mean_dice", None] == pytest.approx((sum(each) + 10 - empty_truth_but_found) / 18)
    assert values["all_empty_dice", None] == pytest.approx(10 / 18)
    tp, fp, fn = 256 * 6 + 128, 128 + 256 * 2, 256
    assert values["pooled_dice", None] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert values["iou", None] == pytest.approx(tp / (tp + fp + fn))
    assert values["gate_recall", None] == pytest.approx(5 / 6)
    assert values["gate_clean_recall", None] == pytest.approx(2 / 3)  # p007 passes
    assert 0.5 < values["gate_auc", None] < 1

    assert evaluate_job.main(arguments) == 0
    assert len(rows(output, TableName.CONFUSIONS)) == 18
    assert metrics(output) == values


def test_labels_file_says_which_pictures_the_truth_covers(output: Path, tmp_path: Path) -> None:
    square = run_lengths.encode(bright_picture() == 250)
    masks = write_csv(
        tmp_path / "masks.csv",
        "ImageId_ClassId,EncodedPixels",
        [("p001.png_1", square), ("p001.png_2", ""), ("p000.png_1", "")],
    )
    write_csv(tmp_path / "labels.csv", "ImageID,label", [("p001.png", 1), ("p000.png", 0)])
    assert evaluate_job.main(["--output", str(output), "--labels", str(masks)]) == 0
    values = metrics(output)
    assert values["mean_dice", None] == 1
    assert values["gate_recall", None] == 1
    assert values["gate_auc", None] == 1


@pytest.mark.parametrize(
    ("header", "line", "words"),
    [
        ("ImageId,ClassId,EncodedPixels", ("p001.png", 1, "9999999 3"), "out of bounds"),
        ("ImageId,ClassId,EncodedPixels", ("other.png", 1, "1 3"), "no picture of"),
        ("Image,Class,Pixels", ("p001.png", 1, "1 3"), "no column imageid"),
    ],
)
def test_wrong_labels_are_one_line(
    header: str,
    line: tuple[object, ...],
    words: str,
    output: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    labels = write_csv(tmp_path / "train.csv", header, [line])
    before = rows(output, TableName.METRICS)
    assert evaluate_job.main(["--output", str(output), "--labels", str(labels)]) == 12
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("error: ")
    assert words in message
    assert rows(output, TableName.METRICS) == before


def test_sql_and_export_and_overlays(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = "select verdict, count(*) as n from images group by verdict order by verdict"
    for form, expected in (
        ("csv", "verdict,n\ndefect,6\ngated,3\n"),
        ("json", '{"verdict":"defect","n":6}\n{"verdict":"gated","n":3}\n'),
    ):
        assert steeldefect(["sql", "--output", str(output), "--format", form, question]) == 0
        assert capsys.readouterr().out == expected

    assert steeldefect(["export-kaggle", "--output", str(output), str(tmp_path / "k.csv")]) == 0
    lines = (tmp_path / "k.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "ImageId,ClassId,EncodedPixels"
    assert lines[1] == f"p001.png,1,{run_lengths.encode(bright_picture() == 250)}"
    assert len(lines) == 1 + 9

    drawn = str(tmp_path / "drawn")
    assert steeldefect(["overlays", "--output", str(output), drawn, "--count", "2"]) == 0
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 2

"""Training and evaluation read each form of a label file alike, and refuse the same damage."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from steeldefect.errors import DataError
from steeldefect.evaluation.confusions import PairCounter
from steeldefect.evaluation.pairing import DrawnPairs
from steeldefect.evaluation.truth import Predictions, match
from steeldefect.evaluation.truth_checks import refuse_problems
from steeldefect.evaluation.truth_files import read_truth
from steeldefect.exit_codes import ExitCode
from steeldefect.pictures import run_lengths
from steeldefect.stores import S3Settings
from training.data.dataset import read_dataset

HEADER = "ImageId,ClassId,EncodedPixels\n"
A1, A2, B2 = "a.png,1,5 9 40 3\n", "a.png,2,100 7\n", "b.png,2,2000 40\n"
SOUND = HEADER + A1 + A2 + B2
MASKS = [("a.png", 1, "5 9 40 3"), ("a.png", 2, "100 7"), ("b.png", 2, "2000 40")]

Masks = list[tuple[str, int, str]]


def in_training(folder: Any) -> Masks:
    return [
        (picture.name, number, run_lengths.to_text(runs))
        for picture in read_dataset(folder.path).pictures
        for number, runs in picture.runs.items()
    ]


def in_evaluation(folder: Any) -> Masks:
    height, width = folder.shape
    keys = ["a.png", "b.png", "c.png"]
    images = pd.DataFrame({"source": "/archive", "key": keys, "image_id": keys, "run_id": "run"})
    images = images.assign(height=height, width=width, gate_probability=0.5, verdict="defect")
    predicted = Predictions(images, {1: "bright", 2: "dark"})
    truth = read_truth(str(folder.path / "train.csv"), None, S3Settings())
    scored = match(predicted, truth)
    with duckdb.connect(":memory:") as connection:
        connection.execute(
            "CREATE TABLE predictions (source VARCHAR, key VARCHAR, run_id VARCHAR, "
            "class_id INTEGER, class_name VARCHAR, run_lengths VARCHAR)"
        )
        drawn = DrawnPairs(connection, scored, truth)
        pairs = pa.concat_tables(drawn.tables())
    counted = pa.Table.from_batches(PairCounter(0.5, ()).count(pairs.to_batches())).to_pandas()
    names = scored.images["name"].loc[counted["picture"]].to_numpy()
    refuse_problems(counted.assign(name=names), drawn.true_rows, truth.source)
    return sorted(
        (keys[row["picture"]], row["class_id"], row["truth"]) for row in pairs.to_pylist()
    )


@pytest.mark.parametrize("read", [in_training, in_evaluation])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(SOUND, id="sound"),
        pytest.param("\ufeff" + SOUND, id="BOM"),
        pytest.param(SOUND.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(SOUND.replace("\n", "\r"), id="CR"),
        pytest.param(SOUND.replace(",", ";"), id="semicolons"),
        pytest.param("\ufeff" + SOUND.replace(",", ";").replace("\n", "\r\n"), id="Excel"),
        pytest.param(SOUND + A1, id="row twice"),
        pytest.param(SOUND + A1.replace(",1,", ",01,"), id="row twice, class 01"),
        pytest.param(SOUND + "c.png,1,\nc.png,1,\n", id="empty row twice"),
        pytest.param(SOUND.replace("\na.", "\nimages/a.").replace("\nb.", "\nimages/b."), id="dir"),
        pytest.param(SOUND.replace("\na.", "\nC:\\x\\a.").replace("\nb.", "\nC:\\x\\b."), id="C:"),
        pytest.param(SOUND.replace(",2,", "_2,").replace(",1,", "_1,").replace("d,C", "d_C"),
                     id="two columns"),
    ],
)  # fmt: skip
def test_forms_that_mean_the_same(small_folder: Any, content: str, read: Any) -> None:
    (small_folder.path / "train.csv").write_bytes(content.encode())
    assert sorted(read(small_folder)) == MASKS


@pytest.mark.parametrize("read", [in_training, in_evaluation])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (SOUND + "c.png,1,-5 3\n", r"line 5: c\.png class 1: .*starts below pixel 1; got start -5"),
        (SOUND + "c.png,1,5 -3\n", r"line 5: c\.png class 1: .*length below 1; got start 5, lengt"),
        (SOUND + "c.png,1,5.0 3.0\n", r"line 5: c\.png class 1: .*whole number of pixels: '5\.0'"),
        (SOUND + "c.png,1,1e3 3\n", r"line 5: c\.png class 1: .*'1e3'"),
        (SOUND + "c.png,-1,5 3\n", "line 5 has '-1'"),
        (SOUND + "c.png,1.0,5 3\n", r"line 5 has '1\.0'"),
        (SOUND + "c.png,pit,5 3\n", "line 5 has 'pit'"),
        (SOUND + "c.png,1,2048 2\n", r"line 5: c\.png class 1: .*out of bounds"),
        # masks of a picture of 64 x 128 pixels: those that fit cannot be noticed
        (HEADER + A1 + "b.png,2,8000 9\n", r"train\.csv: line 3: b\.png class 2: .* 2048 pixels"),
        (SOUND + "a.png,1,900 1\n", r"a\.png class 1 \(lines 2 and 5\); join"),
        (SOUND + "a.png,1,\n", r"a\.png class 1 \(lines 2 and 5\)"),
        (SOUND + "A.PNG,1,5 9 40 3\n", r"A\.PNG \(line 5: means the same picture as 'a\.png'"),
        (SOUND.replace("\na", "\nu/a").replace("\nb", "\nv/b"), r"u/a\.png \(line 2: is 'a\.png'"),
        (SOUND + "c.png,1\n", "line 5 has 2 of 3 cells"),
        (SOUND + "c.png,1,5 3,\n", "line 5 has 4 cells, the header has 3"),
        (SOUND.replace(",", ";") + "c.png,1,5 3\n", "line 5 has 1 of 3 cells"),
        ("\ufeff" + (SOUND + "\nc.png,1,-5 3\n").replace(",", ";").replace("\n", "\r\n"),
         r"line 6: c\.png class 1: "),
    ],
)  # fmt: skip
def test_damage_is_refused_with_file_and_line(
    small_folder: Any, content: str, problem: str, read: Any
) -> None:
    (small_folder.path / "train.csv").write_bytes(content.encode())
    with pytest.raises(DataError, match=problem) as caught:
        read(small_folder)
    assert caught.value.exit_code == ExitCode.DATA
    assert "train.csv" in str(caught.value)
    assert "\n" not in str(caught.value)

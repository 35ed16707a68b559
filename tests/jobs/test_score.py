"""The scoring job, run as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.archives import answers, rows, salt
from support.evidence import compiled_by_evidence
from support.samples import (
    ROOT,
    bright_picture,
    build_rule_bundle,
    fill_archive,
    run_program,
    save,
    score_arguments,
    spark_submit,
)

from jobs.score import main
from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.pictures import run_lengths
from steeldefect.runtimes import cpu_precisions
from steeldefect.tables.schema import TableName

pytestmark = pytest.mark.spark

PICTURES = 31
SIDES = ("top", "left", "bottom", "right")
NOBODY = "s3.endpoint_url=http://127.0.0.1:9"
SQUARE = run_lengths.to_text(run_lengths.from_mask(bright_picture() == 250))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return fill_archive(tmp_path / "archive" / "line 1", PICTURES).parent


def score(source: Path, bundle: Bundle, output: Path, *more: str) -> int:
    """Run the job in this process, which is faster than starting a program."""
    return main([*score_arguments(source, bundle.folder, output), *more])


def test_every_picture_is_scored_once_and_a_second_run_scores_nothing(
    archive: Path, rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "output"
    more = ("--set", "wave_pictures=12", "--set", "task_pictures=4")
    assert score(archive, rule_bundle, output, *more) == 0
    shown = capsys.readouterr()
    assert "scored 31 pictures (20 with defects, 0 in quarantine, 0 skipped)" in shown.out
    assert "31/31 pictures (100%)" in shown.err
    first = answers(output)
    assert [row["key"] for row in first["images"]] == [
        f"line 1/p{number:03d}.png" for number in range(PICTURES)
    ]
    verdicts = {row["key"]: (row["verdict"], row["defects"]) for row in first["images"]}
    assert verdicts["line 1/p000.png"] == ("gated", 0)
    assert verdicts["line 1/p001.png"] == ("defect", 1)
    assert verdicts["line 1/p002.png"] == ("defect", 2)
    found = {(row["key"], row["class_id"]): row for row in first["predictions"]}
    assert len(found) == 10 + 2 * 10
    assert found["line 1/p002.png", 1]["run_lengths"] == SQUARE
    assert found["line 1/p002.png", 2]["area"] == 256
    box = [found["line 1/p002.png", 2][f"box_{side}"] for side in SIDES]
    assert box == [30, 80, 46, 96]

    assert score(archive, rule_bundle, output) == 0
    assert "nothing new: all 31 pictures" in capsys.readouterr().out
    assert answers(output) == first
    runs = rows(output, TableName.RUNS, "outcome", "planned", "skipped", "scored", "waves")
    assert [tuple(run.values()) for run in runs] == [
        ("nothing_new", 31, 31, 0, 0),
        ("success", 31, 0, 31, 3),
    ]
    engines = [json.loads(run["engine"]) for run in rows(output, TableName.RUNS, "engine")]
    assert sorted(engines, key=len) == [
        {},
        {"openvino on cpu at f32: the task has no GPU, f32 is the bundle's default": 31},
    ]

    changed = archive / "line 1" / "p000.png"
    save(bright_picture(), changed)
    save(bright_picture(), archive / "line 2" / "new.png")
    assert score(archive, rule_bundle, output) == 0
    shown = capsys.readouterr()
    assert "scored 2 pictures (2 with defects, 0 in quarantine, 30 skipped)" in shown.out


def test_bad_pictures_are_quarantined_and_the_others_scored(
    archive: Path, rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = salt(archive)
    output = tmp_path / "output"
    assert score(archive, rule_bundle, output) == 7
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("error: 7 of 38 pictures failed (18.4%), over max_failure_share=0.05")
    assert rows(output, TableName.IMAGES) == []
    assert rows(output, TableName.QUARANTINE) == []

    assert score(archive, rule_bundle, output, "--set", "max_failure_share=0.5") == 0
    assert len(rows(output, TableName.IMAGES)) == PICTURES
    quarantined = rows(output, TableName.QUARANTINE, "key", "stage", "transient")
    assert {row["key"]: row["stage"] for row in quarantined} == stages
    assert not any(row["transient"] for row in quarantined)
    runs = rows(output, TableName.RUNS, "outcome", "scored", "quarantined")
    assert [tuple(run.values()) for run in runs] == [("failed", 0, 0), ("success", 31, 7)]

    assert score(archive, rule_bundle, output) == 0
    assert "nothing new" in capsys.readouterr().out


def test_tensorflow_answers_as_openvino_does(
    archive: Path, rule_bundle: Bundle, tmp_path: Path
) -> None:
    for runtime in ("openvino", "tensorflow"):
        assert score(archive, rule_bundle, tmp_path / runtime, "--set", f"runtime={runtime}") == 0
        used = rows(tmp_path / runtime, TableName.IMAGES, "runtime", "device", "precision")
        assert {tuple(row.values()) for row in used} == {(runtime, "cpu", "f32")}
    mine, other = (answers(tmp_path / runtime) for runtime in ("openvino", "tensorflow"))
    masks = ("key", "class_id", "run_lengths", "area")
    assert [[row[name] for name in masks] for row in mine["predictions"]] == [
        [row[name] for name in masks] for row in other["predictions"]
    ]


def test_an_inventory_says_what_there_is(
    archive: Path, rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys.csv"
    keys.write_text("key\nline 1/p001.png\nline 1/p002.png\nline 1/gone.png\nline 1/notes.txt\n")
    more = ("--inventory", str(keys), "--set", "max_failure_share=0.5")
    output = tmp_path / "output"
    assert score(archive, rule_bundle, output, *more) == 0
    assert "scored 2 pictures (2 with defects, 1 in quarantine" in capsys.readouterr().out
    failed = rows(output, TableName.QUARANTINE, "key", "stage", "transient")
    assert failed == [{"key": "line 1/gone.png", "stage": "fetch", "transient": True}]


@pytest.mark.parametrize("asked", ["auto", "int8"])
def test_bundle_and_cpu_decide_the_precision(
    archive: Path, int8_bundle: Bundle, tmp_path: Path, asked: str
) -> None:
    assert score(archive, int8_bundle, tmp_path / "output", "--set", f"precision={asked}") == 0
    used = rows(tmp_path / "output", TableName.IMAGES, "runtime", "precision", "verdict")
    fast = asked == "int8" or CpuPrecision.INT8 in cpu_precisions()
    precision = "int8" if fast else "f32"
    assert {(row["runtime"], row["precision"]) for row in used} == {("openvino", precision)}
    assert sum(row["verdict"] == "defect" for row in used) == 20


def test_gate_and_segmenter_may_run_at_different_precisions(archive: Path, tmp_path: Path) -> None:
    out = [("gate", CpuPrecision.BF16)]
    out += [("segmenter", one) for one in (CpuPrecision.BF16, CpuPrecision.INT8)]
    compiled = compiled_by_evidence(
        dict.fromkeys(CpuPrecision, (40.0, 40.0)) | {CpuPrecision.INT8: (5.0, 5.0)},
        dict.fromkeys(out, "its masks differ"),
    )
    bundle = build_rule_bundle(tmp_path / "bundle", compiled=compiled)
    assert score(archive, bundle, tmp_path / "output") == 0
    used = rows(tmp_path / "output", TableName.IMAGES, "precision", "verdict")
    precision = "int8+f32" if CpuPrecision.INT8 in cpu_precisions() else "f32"
    assert {row["precision"] for row in used} == {precision}
    assert sum(row["verdict"] == "defect" for row in used) == 20
    (run,) = rows(tmp_path / "output", TableName.RUNS, "engine")
    assert f"at {precision}: the task has no GPU, {precision} by the bundle's evid" in run["engine"]
    assert "segmenter not int8: its masks differ" in run["engine"]


def test_int8_of_a_bundle_without_it_is_refused_before_anything_is_written(
    archive: Path, rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(archive, rule_bundle, tmp_path / "output", "--set", "precision=int8") == 3
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "it has no openvino_int8/gate.xml; set precision=auto, or export it again" in message
    assert not (tmp_path / "output").exists()


def test_spark_submit_runs_the_job(archive: Path, rule_bundle: Bundle, tmp_path: Path) -> None:
    ended = spark_submit(
        *("--master", "local[2]", str(ROOT / "jobs" / "score.py")),
        *score_arguments(archive, rule_bundle.folder, tmp_path / "output"),
        *("--config", str(ROOT / "conf" / "score.yaml")),
    )
    assert ended.code == 0, ended.err
    assert "scored 31 pictures" in ended.out


def test_a_gpu_that_is_not_there_is_an_error(
    archive: Path, rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "output"
    assert score(archive, rule_bundle, output, "--set", "device=gpu") == 11
    assert "error: device=gpu, but TensorFlow sees no GPU" in capsys.readouterr().err
    assert rows(output, TableName.IMAGES) == []


def flip_a_byte(bundle: Path) -> Path:
    """Change one byte of the compiled gate."""
    weights = bundle / "openvino" / "gate.bin"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    return bundle


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (["--set", "wave_pictures=0", "--set", "colour=blue"], 2, "colour: no such setting"),
        (["--set", "wave_pictures=0", "--set", "colour=blue"], 2, "wave_pictures: Input should"),
        (["--colour"], 2, "unrecognized arguments: --colour; see score.py --help"),
        (["--set", "runtime"], 2, "expected key=value"),
        (["--set", "s3.endpoint_url=http://me:not-to-be-shown@host"], 2, "holds no credentials"),
        (["--config", "nowhere.yaml"], 2, "cannot read nowhere.yaml"),
        (["--bundle", "nowhere"], 3, "no bundle at"),
        (["--bundle", "ALTERED"], 3, "it was altered or is incomplete"),
        (["--input", "EMPTY"], 5, "no picture under"),
        (["--input", "ftp://host/x"], 2, "expected a local folder or s3://bucket/prefix"),
        (
            ["--input", "s3://plant/x", "--set", NOBODY],
            4,
            "no answer",
        ),
        (
            ["--output", "s3://plant/x", "--set", NOBODY],
            4,
            "no answer",
        ),
        (
            ["--bundle", "s3://plant/x", "--set", NOBODY],
            4,
            "no answer",
        ),
    ],
)
def test_errors_at_the_door_are_one_line_and_write_nothing(
    change: list[str],
    code: int,
    words: str,
    rule_bundle: Bundle,
    tmp_path: Path,
) -> None:
    altered = flip_a_byte(Path(shutil.copytree(rule_bundle.folder, tmp_path / "altered")))
    (tmp_path / "empty").mkdir()
    places = {"ALTERED": str(altered), "EMPTY": str(tmp_path / "empty")}
    source = fill_archive(tmp_path / "archive", 2)
    secrets = {"AWS_ACCESS_KEY_ID": "plant", "AWS_SECRET_ACCESS_KEY": "not-to-be-shown"}
    ended = run_program(
        "jobs/score.py",
        *score_arguments(source, rule_bundle.folder, tmp_path / "output"),
        *(places.get(word, word) for word in change),
        *("--set", "s3.max_attempts=1"),
        **secrets,
    )
    assert ended.code == code
    assert ended.err.startswith("error: ")
    assert len(ended.err.strip().splitlines()) == 1
    assert words in ended.err
    assert "not-to-be-shown" not in ended.err + ended.out
    assert not (tmp_path / "output").exists()

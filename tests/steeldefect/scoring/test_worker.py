"""What a task does with its pictures: rows, quarantine and report, exactly."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.examples import BUNDLE, MORNING, ORIGIN, Row, UnreachableStore
from support.samples import (
    HEIGHT,
    WIDTH,
    both_picture,
    bright_picture,
    fill_archive,
    plain_picture,
    save,
)

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import GateMode
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.errors import StoreUnavailableError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.decoding import DecodeLimits
from steeldefect.pictures.preprocessing import Float32
from steeldefect.pictures.statistics import picture_statistics
from steeldefect.plan.listing import list_pictures
from steeldefect.runtimes import (
    DeviceChoice,
    Engine,
    Precision,
    Runtime,
    RuntimeChoice,
    RuntimeOptions,
)
from steeldefect.scoring.bundle_scorer import Opened
from steeldefect.scoring.fetching import PictureKey
from steeldefect.scoring.task_report import TaskReport, report_from_json, report_to_json
from steeldefect.scoring.worker import Limits, TaskScorer, keys_of
from steeldefect.stores import Fetched, FetchLimits, Store, open_store
from steeldefect.stores.local import LocalStore
from steeldefect.tables.parts import read_part
from steeldefect.tables.schema import SCHEMAS, TableName

OPTIONS = RuntimeOptions(RuntimeChoice.OPENVINO, DeviceChoice.CPU, batch_size=4)
LIMITS = Limits(10**6, DecodeLimits(10**6), fetch_threads=3)
ON_STRIP = (
    *("coil", "camera", "side", "position_mm", "captured_at"),
    *("pixel_mm_x", "pixel_mm_y", "attributes"),
)
BRIGHT = run_lengths.to_text(run_lengths.from_mask(bright_picture() == 250))
DARK = run_lengths.to_text(run_lengths.from_mask(both_picture() == 2))

Score = Callable[..., TaskReport]


class Failing(Runtime):
    """Runtime whose model fails on pictures with a black corner."""

    engine = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)

    def __init__(self, shape: tuple[int, ...], usual: float, wrong: float) -> None:
        self._shape, self._usual, self._wrong = shape, usual, wrong

    def predict(self, batch: Float32) -> Float32:
        answers = np.full((len(batch), *self._shape), self._usual, np.float32)
        answers[batch[:, 0, 0, 0] == 0] = self._wrong
        return answers


class Sized(Runtime):
    """Runtime with another batch size."""

    def __init__(self, runtime: Runtime, batch_size: int) -> None:
        self.engine = replace(runtime.engine, batch_size=batch_size)
        self._runtime = runtime

    def predict(self, batch: Float32) -> Float32:
        return self._runtime.predict(batch)


@pytest.fixture(scope="module")
def detector(rule_bundle: Bundle) -> Detector:
    return open_detector(rule_bundle, OPTIONS)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def score(archive: Path, store: Store, detector: Detector) -> Score:
    """Score all pictures of the archive, or the named ones; `store` is the output."""

    def run(
        *keys: PictureKey,
        detector: Detector = detector,
        source: Store | None = None,
    ) -> TaskReport:
        source = source or open_store(str(archive))
        todo = keys or tuple(keys_of(list_pictures(source, ["*"]).to_batches()))
        scorer = TaskScorer(Opened(detector, ORIGIN), source, store, LIMITS)
        return scorer.run(todo, "000001-000000")

    return run


def rows(store: Store, report: TaskReport, table: TableName) -> list[Row]:
    """Read the rows that a task wrote, sorted by key and class."""
    found: list[Row] = []
    for part in report.parts:
        if part.table is table:
            found += read_part(store, part, SCHEMAS[table].stored.names).to_pylist()
    return sorted(found, key=lambda row: (row["key"], row.get("class_id", 0)))


def failures(store: Store, report: TaskReport) -> dict[str, tuple[str, str, bool]]:
    return {
        row["key"]: (row["stage"], row["error"], row["transient"])
        for row in rows(store, report, TableName.QUARANTINE)
    }


def expected_statistics(path: Path) -> Row:
    """The statistics of a picture, as a table holds them."""
    measured = picture_statistics(np.asarray(Image.open(path)))
    return {name: np.float32(value) for name, value in measured._asdict().items()}


def key(name: str, size: int = 100) -> PictureKey:
    return PictureKey(name, "e1", size)


def test_all_rows_exactly(score: Score, archive: Path, store: Store) -> None:
    save(plain_picture(), archive / "a.png")
    save(bright_picture(), archive / "line 1/b.png")
    save(both_picture(), archive / "line 1/c.png")
    report = score()
    listed = {found.key: found for found in open_store(str(archive)).scan()}

    def shared(name: str) -> Row:
        return {
            "source": str(archive),
            "key": name,
            "image_id": name.rsplit("/", 1)[-1],
            "run_id": ORIGIN.run_id,
            "bundle": BUNDLE,
            "scored_at": MORNING,
            "run_number": None,
        }

    def image(name: str, probability: float, verdict: str, defects: int) -> Row:
        return shared(name) | {
            "etag": listed[name].etag,
            "bytes": listed[name].size,
            "width": WIDTH,
            "height": HEIGHT,
            "gate_probability": pytest.approx(probability, abs=1e-4),
            "verdict": verdict,
            "defects": defects,
            "runtime": "openvino",
            "device": "cpu",
            "precision": "f32",
            **dict.fromkeys(ON_STRIP),
            "regions": defects,
            "rejected_regions": 0,
            "level_masks": 0,
            "audit_defects": None,
            "audit_regions": None,
            **expected_statistics(archive / name),
            "novelty": None,
        }

    def prediction(name: str, class_id: int, text: str, box: tuple[int, int, int, int]) -> Row:
        sides = zip(("box_top", "box_left", "box_bottom", "box_right"), box, strict=True)
        return (
            shared(name)
            | dict(sides)
            | {
                "class_id": class_id,
                "class_name": {1: "bright", 2: "dark"}[class_id],
                "run_lengths": text,
                "area": 256,
                "share": 256 / (HEIGHT * WIDTH),
                "regions": 1,
                "mean_probability": pytest.approx(1, abs=1e-4),
                "max_probability": pytest.approx(1, abs=1e-4),
                "audit": False,
            }
        )

    assert rows(store, report, TableName.IMAGES) == [
        image("a.png", 0, "gated", 0),
        image("line 1/b.png", 1, "defect", 1),
        image("line 1/c.png", 1, "defect", 2),
    ]
    assert rows(store, report, TableName.PREDICTIONS) == [
        prediction("line 1/b.png", 1, BRIGHT, (10, 20, 26, 36)),
        prediction("line 1/c.png", 1, BRIGHT, (10, 20, 26, 36)),
        prediction("line 1/c.png", 2, DARK, (30, 80, 46, 96)),
    ]
    assert rows(store, report, TableName.QUARANTINE) == []
    assert (report.scored, report.quarantined, report.defective) == (3, 0, 2)
    assert [(part.table, part.rows) for part in report.parts] == [
        (TableName.IMAGES, 3),
        (TableName.PREDICTIONS, 3),
        (TableName.DEFECTS, 3),
    ]
    models = ["gate", "outline", "prepare", "segment"]
    stages = ["decode", "fetch", *models, "statistics", "wait_for_pictures", "write"]
    assert sorted(report.stage_seconds) == stages
    assert report.seconds >= report.stage_seconds["gate"] + report.stage_seconds["segment"]
    assert all("000001-000000" in part.path for part in report.parts)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 50])
@pytest.mark.parametrize("pictures", [1, 4, 11])
def test_any_number_of_pictures_fits_any_batch(
    score: Score,
    archive: Path,
    store: Store,
    rule_bundle: Bundle,
    batch_size: int,
    pictures: int,
) -> None:
    fill_archive(archive, pictures)
    report = score(detector=open_detector(rule_bundle, replace(OPTIONS, batch_size=batch_size)))
    verdicts = {row["key"]: row["verdict"] for row in rows(store, report, TableName.IMAGES)}
    assert verdicts == {
        f"p{number:03d}.png": "defect" if number % 3 else "gated" for number in range(pictures)
    }
    assert report.scored == pictures
    assert len(rows(store, report, TableName.PREDICTIONS)) == sum(
        one % 3 for one in range(pictures)
    )


def test_no_pictures_are_no_files(archive: Path, store: Store, detector: Detector) -> None:
    source = open_store(str(archive))
    report = TaskScorer(Opened(detector, ORIGIN), source, store, LIMITS).run([], "label")
    assert (report.parts, report.scored, report.quarantined) == ([], 0, 0)
    assert list(store.scan()) == []


def test_without_a_gate_every_picture_is_segmented(
    score: Score, archive: Path, store: Store, gateless_bundle: Bundle
) -> None:
    fill_archive(archive, 3)
    report = score(detector=open_detector(gateless_bundle, OPTIONS))
    images = rows(store, report, TableName.IMAGES)
    assert [row["verdict"] for row in images] == ["clean", "defect", "defect"]
    assert [row["gate_probability"] for row in images] == [None, None, None]
    assert (report.scored, report.defective) == (3, 2)


def test_a_gate_that_is_wrong_lets_a_clean_picture_be_clean(
    score: Score, archive: Path, store: Store, rule_bundle: Bundle, detector: Detector
) -> None:
    save(plain_picture(), archive / "a.png")
    wrong = Detector(rule_bundle.manifest, Failing((1,), 0.9, 0.9), detector.segmenter)
    (row,) = rows(store, score(detector=wrong), TableName.IMAGES)
    assert (row["verdict"], row["defects"]) == ("clean", 0)
    assert row["gate_probability"] == pytest.approx(0.9)


def test_a_soft_gate_lets_all_pass_and_the_surer_it_is_the_larger_a_defect_has_to_be(
    score: Score, archive: Path, store: Store, rule_bundle: Bundle, detector: Detector
) -> None:
    gate = rule_bundle.manifest.gate
    assert gate is not None
    soft = gate.model_copy(update={"mode": GateMode.SOFT, "soft_area": 512})
    manifest = rule_bundle.manifest.model_copy(update={"gate": soft})
    for name in ("a", "b", "c", "d"):
        picture = plain_picture() if name == "a" else bright_picture()
        picture[0, 0] = 0 if name == "d" else 100
        save(picture, archive / f"{name}.png")
    # of 512 pixels half are added at probability 0.25, and four fifths at 0.1; 256 are found
    doubting = Detector(manifest, Failing((1,), 0.25, 0.1), detector.segmenter)
    images = rows(store, score(detector=doubting), TableName.IMAGES)
    assert [row["verdict"] for row in images] == ["clean", "defect", "defect", "clean"]
    assert [row["gate_probability"] for row in images] == [0.25, 0.25, 0.25, pytest.approx(0.1)]


def jpeg(picture: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG")
    return buffer.getvalue()


def test_every_kind_of_bad_picture_is_one_row_and_the_others_are_scored(
    score: Score, archive: Path, store: Store
) -> None:
    fill_archive(archive, 5)
    (archive / "empty.png").write_bytes(b"")
    (archive / "text.png").write_text("words")
    (archive / "truncated.jpg").write_bytes(jpeg(plain_picture())[:-200])
    save(plain_picture()[:, :-1], archive / "narrow.png")
    save(np.zeros((1100, 1000), np.uint8), archive / "many pixels.png")
    keys = list(keys_of(list_pictures(open_store(str(archive)), ["*"]).to_batches()))
    keys += [key("gone.png"), key("many bytes.png", size=LIMITS.max_bytes + 1)]
    report = score(*keys)
    assert failures(store, report) == {
        "empty.png": ("decode", "DecodeError", False),
        "text.png": ("decode", "DecodeError", False),
        "truncated.jpg": ("decode", "DecodeError", False),
        "many pixels.png": ("decode", "DecodeError", False),
        "narrow.png": ("prepare", "PictureSizeError", False),
        "gone.png": ("fetch", "FetchUnavailableError", True),
        "many bytes.png": ("fetch", "FetchError", False),
    }
    assert (report.scored, report.quarantined) == (5, 7)
    assert {row["key"] for row in rows(store, report, TableName.IMAGES)} == {
        f"p{number:03d}.png" for number in range(5)
    }


def test_a_row_of_quarantine_exactly(score: Score, archive: Path, store: Store) -> None:
    archive.mkdir()
    report = score(PictureKey("line 1/big.png", "e7", 2_000_000))
    assert rows(store, report, TableName.QUARANTINE) == [
        {
            "source": str(archive),
            "key": "line 1/big.png",
            "image_id": "big.png",
            "etag": "e7",
            "bytes": 2_000_000,
            "stage": "fetch",
            "error": "FetchError",
            "message": "too large: 2000000 bytes, at most 1000000 are read",
            "transient": False,
            "tries": 1,
            "given_up": True,
            "run_id": ORIGIN.run_id,
            "bundle": BUNDLE,
            "scored_at": MORNING,
            "run_number": None,
        }
    ]


def test_messages_say_what_is_wrong(score: Score, archive: Path, store: Store) -> None:
    save(plain_picture()[:32], archive / "flat.png")
    (archive / "empty.png").write_bytes(b"")
    report = score(*keys_of(list_pictures(open_store(str(archive)), ["*"]).to_batches()), key("no"))
    messages = {row["key"]: row["message"] for row in rows(store, report, TableName.QUARANTINE)}
    assert messages == {
        "empty.png": "empty file: 0 bytes",
        "flat.png": "128x32 pixels; this bundle scores 128x64 (width x height)",
        "no": f"cannot read {archive}/no: No such file or directory",
    }


def test_a_store_that_does_not_answer_is_a_failure_that_passes(
    score: Score, archive: Path, store: Store
) -> None:
    report = score(key("a.png"), key("b.png"), source=UnreachableStore(open_store(str(archive))))
    assert failures(store, report) == {
        "a.png": ("fetch", "FetchUnavailableError", True),
        "b.png": ("fetch", "FetchUnavailableError", True),
    }
    assert (report.scored, report.quarantined) == (0, 2)
    assert [part.table for part in report.parts] == [TableName.QUARANTINE]


def test_an_output_that_cannot_be_written_fails_the_task(
    archive: Path, store: Store, detector: Detector
) -> None:
    fill_archive(archive, 1)
    source = open_store(str(archive))
    scorer = TaskScorer(Opened(detector, ORIGIN), source, UnreachableStore(store), LIMITS)
    with pytest.raises(StoreUnavailableError):
        scorer.run([key("p000.png")], "label")


class SurprisingStore(LocalStore):
    """Folder in which reading one file raises an error that stores do not raise."""

    def fetch(self, key: str, limits: FetchLimits) -> Fetched:
        if key == "p001.png":
            raise ValueError("nobody foresaw this")
        return super().fetch(key, limits)


def test_an_error_that_nobody_foresaw_concerns_its_picture_alone(
    score: Score, archive: Path, store: Store
) -> None:
    fill_archive(archive, 3)
    report = score(source=SurprisingStore(archive))
    assert report.scored == 2
    assert failures(store, report) == {"p001.png": ("fetch", "HostError", True)}


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_model_whose_answer_is_not_finite_fails_that_picture_alone(
    score: Score, archive: Path, store: Store, rule_bundle: Bundle, wrong: float
) -> None:
    fill_archive(archive, 5)
    black = plain_picture()
    black[0, 0] = 0
    save(black, archive / "p002x.png")
    manifest = rule_bundle.manifest
    maps = (HEIGHT, WIDTH, 2)
    for stage, gate, segmenter in (
        ("gate", Failing((1,), 0.9, wrong), Failing(maps, 0.1, 0.1)),
        ("segment", Failing((1,), 0.9, 0.9), Failing(maps, 0.1, wrong)),
    ):
        report = score(detector=Detector(manifest, gate, segmenter))
        assert failures(store, report) == {"p002x.png": (stage, "InferenceError", True)}
        assert (report.scored, report.quarantined, report.defective) == (5, 1, 0)


@pytest.mark.parametrize(("batch_size", "least"), [(1, 8), (6, 12)])
def test_pictures_are_fetched_a_little_ahead_of_the_models(
    archive: Path,
    store: Store,
    rule_bundle: Bundle,
    detector: Detector,
    batch_size: int,
    least: int,
) -> None:
    fill_archive(archive, 40)
    limits = replace(LIMITS, fetch_threads=2)
    handed_out = gated = most_ahead = 0

    class Watching(Failing):
        """Gate that counts how many pictures were requested beyond those that it has seen."""

        def predict(self, batch: Float32) -> Float32:
            nonlocal gated, most_ahead
            most_ahead = max(most_ahead, handed_out - gated)
            gated += len(batch)
            return super().predict(batch)

    segmenter = Sized(detector.segmenter, batch_size)
    watching = Detector(rule_bundle.manifest, Watching((1,), 0.1, 0.1), segmenter)

    def keys() -> Iterator[PictureKey]:
        nonlocal handed_out
        for number in range(40):
            handed_out += 1
            yield key(f"p{number:03d}.png")

    scorer = TaskScorer(Opened(watching, ORIGIN), open_store(str(archive)), store, limits)
    assert scorer.run(keys(), "label").scored == 40
    fetched_at_once = 4
    assert least < most_ahead <= fetched_at_once * (limits.fetch_threads + 2) + batch_size


def test_several_cores_write_the_same_rows_as_one(
    archive: Path, store: Store, rule_bundle: Bundle, score: Score
) -> None:
    fill_archive(archive, 11)
    (archive / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    two = open_detector(rule_bundle, replace(OPTIONS, threads=2))
    reports = [score(), score(detector=two)]
    for table in (TableName.IMAGES, TableName.PREDICTIONS, TableName.QUARANTINE):
        one, other = (rows(store, report, table) for report in reports)
        assert one == other
        assert one


def test_a_report_crosses_as_text(score: Score, archive: Path) -> None:
    fill_archive(archive, 3)
    report = score()
    text = report_to_json(report)
    assert isinstance(text, str)
    assert report_from_json(text) == report
    assert report_from_json(report_to_json(TaskReport())) == TaskReport()

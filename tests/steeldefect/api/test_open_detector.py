"""Findings without Spark: one picture or many, with the same results as the job."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from support.job_rows import answers_of_job
from support.samples import HEIGHT, WIDTH, both_picture, bright_picture, plain_picture, save

import steeldefect
from steeldefect.bundle.files import Bundle
from steeldefect.errors import (
    BundleError,
    DecodeError,
    FetchUnavailableError,
    PictureError,
    PictureSizeError,
    SettingsError,
)
from steeldefect.stores import S3Settings, open_store


@pytest.fixture(scope="module")
def detector(rule_bundle: Bundle) -> steeldefect.PictureDetector:
    return steeldefect.open_detector(rule_bundle.folder, precision="f32", threads=1)


def as_rows(result: steeldefect.PictureResult) -> dict[str, Any]:
    """Return a result without its name, as the tables hold it."""
    plain = result.as_dict()
    del plain["name"]
    return plain


@pytest.mark.spark
def test_the_results_are_those_of_the_job(
    detector: steeldefect.PictureDetector, archive: Path, output: Path
) -> None:
    expected = answers_of_job(output)
    results = detector.find_many(archive / key for key in expected)
    found = {key: as_rows(result) for key, result in zip(expected, results, strict=True)}
    assert found == expected
    assert {row["verdict"] for row in expected.values()} == {None, "gated", "defect"}


def test_a_path_bytes_and_pixels_give_the_same(
    detector: steeldefect.PictureDetector, tmp_path: Path
) -> None:
    path = save(both_picture(), tmp_path / "both.png")
    by_path = detector.find(path)
    assert by_path.name == str(path)
    assert (by_path.verdict, by_path.height, by_path.width) == ("defect", HEIGHT, WIDTH)
    for given in (str(path), path.read_bytes(), memoryview(path.read_bytes()), both_picture()):
        found = detector.find(given)
        assert found.findings == by_path.findings
        assert found.gate_probability == by_path.gate_probability
    assert found.name is None


def test_findings_have_masks_and_names(detector: steeldefect.PictureDetector) -> None:
    picture = both_picture()
    bright, dark = detector.find(picture).findings
    assert (bright.class_id, bright.class_name) == (1, "bright")
    assert np.array_equal(bright.mask(), picture == 250)
    assert np.array_equal(dark.mask(), picture == 2)
    assert dark.mask().dtype == bool
    assert (dark.area, dark.box, dark.regions) == (256, (30, 80, 46, 96), 1)
    assert dark.share == 256 / (HEIGHT * WIDTH)
    assert 0.5 < dark.mean_probability <= 1
    assert 0.5 < dark.max_probability <= 1
    assert detector.classes == {1: "bright", 2: "dark"}


def test_colour_is_turned_to_gray_as_in_files(
    detector: steeldefect.PictureDetector, tmp_path: Path
) -> None:
    colour = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colour).save(file, "PNG")
    assert detector.find(colour).findings == detector.find(file.getvalue()).findings


@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        (b"", DecodeError, "empty file"),
        (b"these are words", DecodeError, "not a JPEG, PNG, BMP or TIFF"),
        ("/nowhere/at/all.png", FetchUnavailableError, "/nowhere/at/all.png"),
        (np.zeros((HEIGHT, WIDTH)), DecodeError, r"received float64 \(64, 128\)"),
        (np.zeros((2, 3, 4, 5), np.uint8), DecodeError, "uint8"),
        (np.zeros((0, 5), np.uint8), DecodeError, "uint8"),
        (np.zeros((50, 50), np.uint8), PictureSizeError, "50x50 pixels"),
    ],
)
def test_what_cannot_be_scored_raises(
    detector: steeldefect.PictureDetector,
    picture: Any,
    error: type[PictureError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        detector.find(picture)
    before, failed, after = detector.find_many([plain_picture(), picture, bright_picture()])
    assert type(failed.error) is error
    assert (failed.verdict, failed.findings) == (None, ())
    assert (before.verdict, after.verdict) == ("gated", "defect")


def test_what_is_no_picture_at_all_is_a_mistake_of_the_caller(
    detector: steeldefect.PictureDetector,
) -> None:
    with pytest.raises(TypeError, match="received int"):
        detector.find(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="received int"):
        list(detector.find_many([3]))  # type: ignore[list-item]
    with pytest.raises(SettingsError, match="gs://"):
        list(detector.find_many(["gs://bucket/a.png"]))


def test_limits_and_sizes_are_those_of_the_settings(rule_bundle: Bundle, tmp_path: Path) -> None:
    path = save(plain_picture(), tmp_path / "plain.png")
    small = steeldefect.open_detector(rule_bundle.folder, settings={"max_picture_bytes": 100})
    with pytest.raises(PictureError, match="at most 100 are read"):
        small.find(path)
    few = steeldefect.open_detector(rule_bundle.folder, settings={"max_picture_pixels": 100})
    for picture in (path, plain_picture()):
        with pytest.raises(PictureError, match="at most 100 are decoded"):
            few.find(picture)
    any_size = steeldefect.open_detector(rule_bundle.folder, any_size=True)
    half = cv2.resize(both_picture(), (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    assert any_size.find(half).findings[0].mask().shape == (HEIGHT // 2, WIDTH // 2)


def test_options_come_before_settings_and_are_checked(rule_bundle: Bundle) -> None:
    engine = steeldefect.open_detector(
        rule_bundle.folder, precision="f32", settings={"precision": "int8"}
    ).engine
    assert engine == "openvino on cpu at f32: the task has no GPU"
    with pytest.raises(SettingsError, match="precision: Input should be"):
        steeldefect.open_detector(rule_bundle.folder, precision="f23")
    with pytest.raises(SettingsError, match=r"devise: no such setting \(did you mean device\?\)"):
        steeldefect.open_detector(rule_bundle.folder, settings={"devise": "cpu"})
    with pytest.raises(BundleError, match="no bundle at"):
        steeldefect.open_detector("/nowhere")
    with pytest.raises(BundleError, match="it has no openvino_int8"):
        steeldefect.open_detector(rule_bundle.folder, precision="int8")


def test_a_stream_is_read_little_ahead(detector: steeldefect.PictureDetector) -> None:
    taken = 0

    def endless() -> Iterator[Any]:
        nonlocal taken
        while True:
            taken += 1
            yield bright_picture(taken)

    results = detector.find_many(endless())
    assert next(results).verdict == "defect"
    assert taken < 30


def test_threads_may_share_a_detector(detector: steeldefect.PictureDetector) -> None:
    pictures = [(plain_picture, bright_picture, both_picture)[one % 3](one) for one in range(24)]
    expected = [detector.find(one) for one in pictures]
    start = threading.Barrier(4)

    def find(share: int) -> list[steeldefect.PictureResult]:
        start.wait()
        return [detector.find(one) for one in pictures[share::4]]

    with ThreadPoolExecutor(4) as pool:
        for share, results in enumerate(pool.map(find, range(4))):
            assert results == expected[share::4]


def test_a_bundle_without_a_gate(gateless_bundle: Bundle) -> None:
    detector = steeldefect.open_detector(gateless_bundle.folder)
    found = detector.find(plain_picture())
    assert (found.verdict, found.gate_probability, found.findings) == ("clean", None, ())


def test_bundle_and_pictures_may_lie_in_s3(
    rule_bundle: Bundle, s3: S3Settings, s3_address: str, tmp_path: Path
) -> None:
    store = open_store(s3_address, s3)
    for path in rule_bundle.folder.rglob("*"):
        if path.is_file():
            key = path.relative_to(rule_bundle.folder).as_posix()
            store.write(f"bundle/{key}", path.read_bytes())
    picture = save(bright_picture(), tmp_path / "bright.png")
    store.write("pictures/bright.png", picture.read_bytes())
    detector = steeldefect.open_detector(
        f"{s3_address}/bundle", settings={"s3": s3.model_dump(mode="json")}
    )
    assert detector.bundle == rule_bundle.digest
    assert detector.find(f"{s3_address}/pictures/bright.png").verdict == "defect"
    with pytest.raises(FetchUnavailableError, match=r"gone\.png"):
        detector.find(f"{s3_address}/pictures/gone.png")

"""Detection as a column of a caller's DataFrame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import pandas_udf
from support.job_rows import answers_of_job
from support.samples import bright_picture, plain_picture, save

import steeldefect
from steeldefect.api.detect import DETECTED
from steeldefect.bundle.files import Bundle
from steeldefect.errors import BundleError, SettingsError

pytestmark = pytest.mark.spark


def binary_files(spark: SparkSession, folder: Path) -> DataFrame:
    return spark.read.format("binaryFile").load(str(folder))


def detected(frame: DataFrame) -> dict[str, dict[str, Any]]:
    """Return the values of the column, by file name."""
    return {
        row["path"].rsplit("/", 1)[-1]: row["detected"].asDict(recursive=True)
        for row in frame.select("path", "detected").collect()
    }


def test_the_column_is_what_the_job_writes(
    spark: SparkSession, archive: Path, output: Path, rule_bundle: Bundle
) -> None:
    files = binary_files(spark, archive).repartition(3)
    frame = steeldefect.detect(files, rule_bundle.folder)
    assert frame.columns == [*files.columns, "detected"]
    expected = answers_of_job(output)
    assert sum(row["error"] is not None for row in expected.values()) == 7
    del expected["empty.jpg"]  # Spark itself leaves empty files out
    assert detected(frame) == expected


def test_nulls_and_broken_bytes_are_rows(spark: SparkSession, rule_bundle: Bundle) -> None:
    rows = [("a", None), ("b", b""), ("c", b"no picture"), ("d", b"\x89PNG\r\n\x1a\n")]
    pictures = spark.createDataFrame(rows, "name string, bytes binary")
    found = steeldefect.detect(pictures, rule_bundle.folder, "bytes", column="result")
    by_name = {row["name"]: row["result"].asDict() for row in found.collect()}
    errors = {name: result.pop("error") for name, result in by_name.items()}
    assert errors["a"] == "DecodeError: no bytes: the column holds null"
    assert errors["b"] == "DecodeError: empty file: 0 bytes"
    assert errors["c"].startswith("DecodeError: not a JPEG, PNG, BMP or TIFF")
    assert errors["d"].startswith("DecodeError: ")
    assert {value for result in by_name.values() for value in result.values()} == {None}


def test_a_frame_without_rows_gives_none(spark: SparkSession, rule_bundle: Bundle) -> None:
    nothing = spark.createDataFrame([], "content binary")
    assert steeldefect.detect(nothing, rule_bundle.folder).collect() == []


def test_settings_count(spark: SparkSession, rule_bundle: Bundle, tmp_path: Path) -> None:
    path = save(plain_picture(), tmp_path / "pictures" / "a.png")
    frame = steeldefect.detect(
        binary_files(spark, path.parent), rule_bundle.folder, settings={"max_picture_bytes": 99}
    )
    error = f"FetchError: too large: {path.stat().st_size} bytes, at most 99 are read"
    assert detected(frame)["a.png"]["error"] == error


def test_models_are_opened_once_in_each_worker_process_and_asked_once_for_each_picture(
    spark: SparkSession,
    rule_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The function that Spark runs is wrapped: it notes each opening and each picture."""
    for number in range(12):
        save(bright_picture(number), tmp_path / "pictures" / f"{number}.png")
    log = tmp_path / "log"

    def noting(function: Any, schema: str) -> Any:
        def noted(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
            import os

            from steeldefect.scoring import process_models

            plain = process_models.open_detector

            def opened(*arguments: Any) -> Any:
                with log.open("a") as file:
                    file.write(f"opened {os.getpid()}\n")
                return plain(*arguments)

            process_models.open_detector = opened
            try:
                for results in function(batches):
                    with log.open("a") as file:
                        file.write(f"asked {os.getpid()}\n" * len(results))
                    yield results
            finally:
                process_models.open_detector = plain

        return pandas_udf(noted, schema)

    monkeypatch.setattr("steeldefect.api.detect.pandas_udf", noting)
    # options that no other test has: worker processes keep the models of the test before
    frame = steeldefect.detect(
        binary_files(spark, tmp_path / "pictures").repartition(6),
        rule_bundle.folder,
        settings={"batch_size": 3},
    )
    for _ in range(2):
        defective = frame.where("detected.verdict = 'defect'").select("detected.findings", "path")
        assert len(defective.collect()) == 12
    lines = Counter(log.read_text().split("\n")[:-1])
    openings = {line: count for line, count in lines.items() if line.startswith("opened")}
    assert 1 <= len(openings) <= 2  # worker processes
    assert set(openings.values()) == {1}
    assert sum(count for line, count in lines.items() if line.startswith("asked")) == 2 * 12


def test_what_cannot_work_is_refused_at_the_door(spark: SparkSession, rule_bundle: Bundle) -> None:
    frame = spark.createDataFrame([(b"", "a")], "content binary, name string")
    with pytest.raises(SettingsError, match=r"no column contnet \(did you mean content\?\)"):
        steeldefect.detect(frame, rule_bundle.folder, "contnet")
    with pytest.raises(SettingsError, match="column name is of type string; pictures are binary"):
        steeldefect.detect(frame, rule_bundle.folder, "name")
    with pytest.raises(SettingsError, match="has a column name already"):
        steeldefect.detect(frame, rule_bundle.folder, column="name")
    with pytest.raises(BundleError, match="no bundle at"):
        steeldefect.detect(frame, "/nowhere")


def test_the_schema_is_that_of_the_results(spark: SparkSession, rule_bundle: Bundle) -> None:
    empty = spark.createDataFrame([], DETECTED)
    result = steeldefect.open_detector(rule_bundle.folder).find(bright_picture()).as_dict()
    assert [name for name in result if name != "name"] == empty.columns
    finding = empty.schema["findings"].dataType.elementType
    assert list(result["findings"][0]) == finding.fieldNames()
    assert list(result["findings"][0]["box"]) == finding["box"].dataType.fieldNames()

"""Add a column of findings to a Spark DataFrame, for Spark pipelines of users.

A worker process opens the models once and keeps them for its later tasks, as in a run. Spark sends
only the column of bytes to Python, and only the findings come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import BinaryType

from steeldefect.api.find_in_batches import BatchFinder
from steeldefect.api.picture_result import PictureResult
from steeldefect.bundle.fetch import fetch_bundle
from steeldefect.errors import DecodeError, DeviceError, FetchError, SettingsError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.suggestions import did_you_mean
from steeldefect.runtimes import RuntimeOptions
from steeldefect.scoring.process_models import BundleShipment, models_of_process
from steeldefect.scoring.shipment import ship_bundle
from steeldefect.settings import GivenSettings, settings_from
from steeldefect.spark.callers_session import require_usable

DETECTED = (
    "verdict string, gate_probability float, width int, height int, "
    "findings array<struct<class_id int, class_name string, run_lengths string, area bigint, "
    "share double, box struct<top int, left int, bottom int, right int>, regions int, "
    "mean_probability float, max_probability float>>, "
    "error string, novelty float"
)
"""Schema of the column. `error` is null for a scored picture; else all other fields are null."""

_FIELDS = ("verdict", "gate_probability", "width", "height", "findings", "error", "novelty")


def detect(
    dataframe: DataFrame,
    bundle: str | Path,
    content: str = "content",
    *,
    column: str = "detected",
    settings: GivenSettings = None,
) -> DataFrame:
    """Return the DataFrame with one more column: the findings on its pictures (`DETECTED`).

    A picture that cannot be scored, or a null, does not fail the job: its `error` says why. The
    DataFrame is lazy: each action scores the pictures again, so write or cache the result.

    Spark 4.3 passes about 64 MiB of pictures to Python at a time. Older versions may pass 10,000
    pictures, all in memory at once: set `spark.sql.execution.arrow.maxRecordsPerBatch` to about 64
    there.

    Args:
        dataframe: DataFrame with a binary column of picture files, for example from
            `spark.read.format("binaryFile")`, which leaves out empty files.
        bundle: address of the bundle: a folder, `s3://bucket/prefix`, or an alias of a registry.
        content: name of the column with the pictures' bytes.
        column: name of the column to add.
        settings: settings: `ScoreSettings`, a mapping, or the path of a YAML file.

    Raises:
        SettingsError: the column `content` is missing or not binary, or the column `column` exists
            already, or the session is one of Spark Connect.
        BundleError: the bundle is missing, altered, or not signed with a trusted key.
        DeviceError: Spark's settings give tasks no GPU as this project needs it.

    Example:
        >>> import steeldefect
        >>> pictures = spark.read.format("binaryFile").load("demo/archive/images")
        >>> found = steeldefect.detect(pictures, "demo/bundle").select("path", "detected")
        >>> defective = found.where("detected.verdict = 'defect'").count()
        >>> 0 < defective < found.count()
        True
    """
    whole = settings_from(settings)
    _require_columns(dataframe, content, column)
    session = dataframe.sparkSession
    require_usable(session)
    fetched = fetch_bundle(str(bundle), whole.s3, whole.trusted_keys)
    task = DetectTask(
        ship_bundle(session.sparkContext, fetched, whole),
        whole.runtime_options(),
        whole.any_picture_size,
        whole.max_picture_bytes,
        DecodeLimits(whole.max_picture_pixels),
        whole.fetch_threads,
    )

    def detected(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        return task.results(batches)

    # Spark runs a deterministic function again for each filter and column that uses the result
    function = pandas_udf(detected, DETECTED).asNondeterministic()
    return dataframe.withColumn(column, function(dataframe[content]))


@dataclass(frozen=True)
class DetectTask:
    """The data that each task needs. It holds no secret: it becomes part of Spark's plan.

    Attributes:
        shipment: the broadcast bundle.
        options: runtime, device, precision and batch size that the settings ask for.
        any_size: whether pictures are scored whose size the models were not trained on.
        max_bytes: largest file in bytes that is read.
        limits: limits for decoding.
        threads: number of threads that decode.
    """

    shipment: BundleShipment
    options: RuntimeOptions
    any_size: bool
    max_bytes: int
    limits: DecodeLimits
    threads: int

    def results(self, batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        """Score the pictures of a task.

        Args:
            batches: bytes of the picture files; None for null.

        Yields:
            A frame with the columns of `DETECTED` and one row for each picture of the batch.

        Raises:
            DeviceError: this is not a Spark task, or the device is not available.
            BundleError: the bundle lacks the model form that the options ask for.
        """
        context = TaskContext.get()
        if context is None:
            raise DeviceError("DetectTask runs only inside a Spark task; call steeldefect.detect")
        models = models_of_process(self.shipment, self.options, self.any_size, context)
        finder = BatchFinder(models)
        for batch in batches:
            results = finder.results(batch, self._read, lambda _: None, self.threads)
            yield _columns(list(results))

    def _read(self, data: bytes | None) -> Gray:
        if data is None:
            raise DecodeError("no bytes: the column holds null")
        if len(data) > self.max_bytes:
            raise FetchError(f"too large: {len(data)} bytes, at most {self.max_bytes} are read")
        return decode_gray(bytes(data), self.limits)


def _columns(results: list[PictureResult]) -> pd.DataFrame:
    rows = [result.as_dict() for result in results]
    # dtype object, because integer columns of pandas cannot hold null
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=object) for name in _FIELDS}
    )


def _require_columns(dataframe: DataFrame, content: str, column: str) -> None:
    if content not in dataframe.columns:
        raise SettingsError(
            f"the DataFrame has no column {content}{did_you_mean(content, dataframe.columns)}; its "
            f"columns: {', '.join(dataframe.columns)}"
        )
    kind = dataframe.schema[content].dataType
    if not isinstance(kind, BinaryType):
        raise SettingsError(
            f"column {content} is of type {kind.simpleString()}; pictures are binary, as in the "
            'column content of spark.read.format("binaryFile")'
        )
    if column in dataframe.columns:
        raise SettingsError(f"the DataFrame has a column {column} already; pass column=NEW_NAME")

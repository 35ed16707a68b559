"""A run on Spark: ships the bundle to the executors, and makes the tasks of every wave."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import pyarrow as pa
from pyspark import Accumulator
from pyspark.sql import SparkSession

from steeldefect.bundle.files import Bundle, pack
from steeldefect.pictures.decoding import DecodeLimits
from steeldefect.request import Request
from steeldefect.runtimes import DeviceChoice, RuntimeOptions
from steeldefect.runtimes.gpus import check_gpu_conf
from steeldefect.score.task import BundleShipment, Counters, WaveTask, needed_forms
from steeldefect.score.task_report import Failures
from steeldefect.score.waves import ScoredWave, Waves
from steeldefect.score.worker import Limits
from steeldefect.stores import open_store, shipped_settings
from steeldefect.tables.provenance import Origin


class WaveScorer:
    """Scores waves as Spark jobs."""

    def __init__(
        self, session: SparkSession, request: Request, bundle: Bundle, origin: Origin
    ) -> None:
        """Broadcast the bundle."""
        context = session.sparkContext
        conf = dict(context.getConf().getAll())
        if request.settings.device is not DeviceChoice.CPU:
            check_gpu_conf(conf)
        gpus = conf.get("spark.task.resource.gpu.amount")
        compiled = bundle.manifest.compiled
        forms = needed_forms(request.settings, compiled, gpus_scheduled=gpus is not None)
        self.counters = Counters(context.accumulator(0), context.accumulator(0))
        self._session = session
        self._request = request
        self._origin = origin
        self._scored: Generator[ScoredWave, None, None] | None = None
        self._shipment = BundleShipment(
            bundle.digest, forms, context.broadcast(pack(bundle, forms))
        )

    def scored(self, waves: Sequence[pa.Table]) -> Generator[ScoredWave, None, None]:
        """Score waves, and give them back in their order; see `steeldefect.score.waves`."""
        self._scored = Waves(self._session, self._request.settings, self._task).scored(waves)
        return self._scored

    def close(self) -> None:
        """Give up the waves that are still in flight; must come before Spark is stopped."""
        if self._scored is not None:
            self._scored.close()

    def _task(self, number: int, failures: Accumulator[Failures]) -> WaveTask:
        request, settings = self._request, self._request.settings
        options = RuntimeOptions(
            runtime=settings.runtime,
            device=settings.device,
            precision=settings.precision,
            batch_size=settings.batch_size,
            gpu_memory_mib=settings.gpu_memory_mib,
        )
        limits = Limits(
            max_bytes=settings.max_picture_bytes,
            decode=DecodeLimits(settings.max_picture_pixels),
            fetch_threads=settings.fetch_threads,
            fetch_seconds=settings.fetch_seconds,
            store_failures=settings.max_store_failures,
            max_tries=settings.max_tries,
        )
        return WaveTask(
            origin=self._origin,
            wave=number,
            source_uri=open_store(request.input_uri, settings.s3).uri,
            output_uri=open_store(request.output_uri, settings.s3).uri,
            s3=shipped_settings([request.input_uri, request.output_uri], settings.s3),
            options=options,
            any_size=settings.any_picture_size,
            limits=limits,
            shipment=self._shipment,
            counters=self.counters,
            failures=failures,
        )

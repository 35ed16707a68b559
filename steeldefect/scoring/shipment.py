"""What the driver sends to the executors: the bundle, once, and what every task is told."""

from __future__ import annotations

from pyspark import Accumulator, SparkContext
from pyspark.sql import SparkSession

from steeldefect.bundle.files import Bundle, ModelForm
from steeldefect.bundle.manifest import Compiled
from steeldefect.bundle.packed import pack
from steeldefect.pictures.decoding import DecodeLimits
from steeldefect.runtimes import (
    DeviceChoice,
    Precision,
    RuntimeChoice,
    default_precision,
    form_of,
)
from steeldefect.runtimes.gpus import check_gpu_conf
from steeldefect.scoring.process_models import BundleShipment
from steeldefect.scoring.task import Counters, WaveTask
from steeldefect.scoring.task_report import Failures
from steeldefect.scoring.worker import Limits
from steeldefect.settings import ScoreRequest, ScoreSettings
from steeldefect.stores import open_store, shipped_settings
from steeldefect.tables.provenance import Origin


class Shipment:
    """A bundle that was broadcast, and the tasks that score with it.

    Attributes:
        counters: how far the tasks are.
    """

    def __init__(
        self, session: SparkSession, request: ScoreRequest, bundle: Bundle, origin: Origin
    ) -> None:
        """Broadcast the bundle.

        Raises:
            DeviceError: Spark's settings give tasks no GPU as this project needs it.
            BundleError: the bundle lacks a form that executors need.
        """
        context = session.sparkContext
        self._bundle = ship_bundle(context, bundle, request.settings)
        self.counters = Counters(context.accumulator(0), context.accumulator(0))
        self._request = request
        self._origin = origin

    def task(self, wave: int, failures: Accumulator[Failures]) -> WaveTask:
        """Return what the tasks of a wave are told.

        Args:
            wave: counts from 1 within the run.
            failures: adds up while the wave's tasks end.
        """
        request, settings = self._request, self._request.settings
        return WaveTask(
            origin=self._origin,
            wave=wave,
            source_uri=open_store(request.input_uri, settings.s3).uri,
            output_uri=open_store(request.output_uri, settings.s3).uri,
            s3=shipped_settings([request.input_uri, request.output_uri], settings.s3),
            options=settings.runtime_options(),
            any_size=settings.any_picture_size,
            limits=Limits(
                max_bytes=settings.max_picture_bytes,
                decode=DecodeLimits(settings.max_picture_pixels),
                fetch_threads=settings.fetch_threads,
                fetch_seconds=settings.fetch_seconds,
                store_failures=settings.max_store_failures,
                max_tries=settings.max_tries,
            ),
            shipment=self._bundle,
            counters=self.counters,
            failures=failures,
        )


def ship_bundle(context: SparkContext, bundle: Bundle, settings: ScoreSettings) -> BundleShipment:
    """Broadcast a bundle to the executors, in the forms that they will need.

    Raises:
        DeviceError: Spark's settings give tasks no GPU as this project needs it.
        BundleError: the bundle lacks a form that executors need.
    """
    conf = dict(context.getConf().getAll())
    if settings.device is not DeviceChoice.CPU:
        check_gpu_conf(conf)
    gpus = conf.get("spark.task.resource.gpu.amount")
    forms = needed_forms(settings, bundle.manifest.compiled, gpus_scheduled=gpus is not None)
    bundle.require(forms)
    return BundleShipment(bundle.digest, forms, context.broadcast(pack(bundle, forms)))


def needed_forms(
    settings: ScoreSettings, compiled: Compiled | None, gpus_scheduled: bool
) -> tuple[ModelForm, ...]:
    """Return which forms of the models the executors will need.

    Where the bundle's default is int8, `auto` ships the f32 form as well: what an executor's CPU
    has instructions for is known there alone.

    Args:
        settings: of the run.
        compiled: what the bundle says of its forms for CPUs.
        gpus_scheduled: whether Spark gives tasks GPUs.
    """
    may_use_gpu = gpus_scheduled and settings.device is not DeviceChoice.CPU
    if settings.runtime is RuntimeChoice.TENSORFLOW or settings.device is DeviceChoice.GPU:
        return (ModelForm.KERAS,)
    if settings.precision is Precision.AUTO:
        possible = {Precision.F32, default_precision(compiled)}
    else:
        possible = {settings.precision}
    needed = {form_of(RuntimeChoice.OPENVINO, precision) for precision in possible}
    if settings.runtime is RuntimeChoice.AUTO and may_use_gpu:
        needed.add(ModelForm.KERAS)
    return tuple(form for form in ModelForm if form in needed)

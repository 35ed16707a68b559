"""Build what the driver sends to executors: the bundle as a broadcast, and the tasks of a wave."""

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
    form_of,
    possible_precisions,
)
from steeldefect.runtimes.gpus import check_gpu_conf
from steeldefect.scoring.bundle_scorer import Measuring
from steeldefect.scoring.process_models import BundleShipment
from steeldefect.scoring.task import Counters, ShadowTask, WaveTask
from steeldefect.scoring.task_report import Failures
from steeldefect.scoring.worker import Limits
from steeldefect.settings import ScoreRequest, ScoreSettings
from steeldefect.stores import open_store, shipped_settings
from steeldefect.tables.provenance import Origin


class Shipment:
    """A broadcast bundle, and the tasks that score with it.

    Attributes:
        counters: progress of all tasks.
    """

    def __init__(
        self,
        session: SparkSession,
        request: ScoreRequest,
        bundle: Bundle,
        origin: Origin,
        shadow: tuple[Bundle, Origin] | None = None,
    ) -> None:
        """Broadcast the bundle, and that of the shadow.

        Args:
            session: Spark's session.
            request: input, output and settings of the run.
            bundle: the bundle that leads.
            origin: provenance of its rows.
            shadow: a second bundle, and the provenance of its rows; None without a shadow.

        Raises:
            DeviceError: executors have several GPUs and reuse their worker processes.
            BundleError: the bundle lacks a model form that executors need.
        """
        context = session.sparkContext
        self._bundle = ship_bundle(context, bundle, request.settings)
        self._shadow = None
        if shadow is not None:
            second, of_shadow = shadow
            shipped = ship_bundle(context, second, request.settings)
            self._shadow = ShadowTask(of_shadow, shipped)
        self.counters = Counters(context.accumulator(0), context.accumulator(0))
        self._request = request
        self._origin = origin

    def task(self, wave: int, failures: Accumulator[Failures]) -> WaveTask:
        """Return the task of a wave.

        Args:
            wave: number of the wave within the run, from 1.
            failures: accumulator for the failures of the wave's tasks.
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
            measuring=Measuring.of(settings),
            shipment=self._bundle,
            counters=self.counters,
            failures=failures,
            shadow=self._shadow,
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
    """Return the model forms that executors may need.

    With OpenVINO and precision `auto`, the f32 form is always one of them: only the executor knows
    which of the forms that the bundle admits its CPU has instructions for.

    Args:
        settings: settings of the run.
        compiled: the bundle's compiled forms for CPUs; None if it has none.
        gpus_scheduled: whether Spark assigns GPUs to tasks.
    """
    may_use_gpu = gpus_scheduled and settings.device is not DeviceChoice.CPU
    if settings.runtime is RuntimeChoice.TENSORFLOW or settings.device is DeviceChoice.GPU:
        return (ModelForm.KERAS,)
    if settings.precision is Precision.AUTO:
        possible = possible_precisions(compiled)
    else:
        possible = frozenset({settings.precision})
    needed = {form_of(RuntimeChoice.OPENVINO, precision) for precision in possible}
    if settings.runtime is RuntimeChoice.AUTO and may_use_gpu:
        needed.add(ModelForm.KERAS)
    return tuple(form for form in ModelForm if form in needed)

"""The models of a Spark worker process: opened once, and kept for its later tasks.

Keeping them needs Spark's default `spark.python.worker.reuse=true`.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace

from pyspark import Broadcast, TaskContext

from steeldefect.bundle.fetch import host_copy
from steeldefect.bundle.files import Bundle, ModelForm
from steeldefect.bundle.packed import unpack
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.runtimes import RuntimeOptions
from steeldefect.runtimes.gpus import expose_gpus
from steeldefect.scoring.threads import keep_freed_memory, limit_threads

_OPENED: dict[tuple[str, RuntimeOptions, bool], Detector] = {}


@dataclass(frozen=True)
class BundleShipment:
    """A bundle that is broadcast to the executors.

    Attributes:
        digest: digest of the bundle.
        forms: model forms that are shipped.
        payload: zip that `bundle.packed` writes; a host reads it only if it has not unpacked it
            yet.
    """

    digest: str
    forms: tuple[ModelForm, ...]
    payload: Broadcast[bytes]


def models_of_process(
    shipment: BundleShipment,
    options: RuntimeOptions,
    any_size: bool,
    context: TaskContext,
    beside: BundleShipment | None = None,
) -> Detector:
    """Return the opened models for a task; the first task of a worker process opens them.

    The models use the cores and GPUs that Spark gave the task. Options with the value `auto` are
    decided here, for the executor's CPU.

    Args:
        shipment: the broadcast bundle.
        options: runtime, device, precision and batch size that the settings ask for.
        any_size: whether pictures are scored whose size the models were not trained on.
        context: Spark's context of the task.
        beside: a second bundle, whose models stay open if they are.

    Raises:
        BundleError: the bundle lacks the model form that the options ask for.
        DeviceError: the device is not available, or this process runs models on another GPU.
    """
    gpus = context.resources().get("gpu")
    addresses = () if gpus is None else tuple(gpus.addresses)
    expose_gpus(addresses)
    options = replace(options, threads=context.cpus(), gpu_addresses=addresses)
    cached = (shipment.digest, options, any_size)
    needed = {cached} if beside is None else {cached, (beside.digest, *cached[1:])}
    for other in _OPENED.keys() - needed:  # models that are no longer used need memory
        del _OPENED[other]
    if cached not in _OPENED:
        keep_freed_memory()
        limit_threads(options.threads)
        _OPENED[cached] = open_detector(_unpacked(shipment), options, any_size)
        _keep_out_of_collections()
    return _OPENED[cached]


def _keep_out_of_collections() -> None:
    """Exempt what is loaded from Python's garbage collection, but collect what is garbage now.

    Spark collects garbage after every task of a worker process. With all libraries and models,
    100,000 objects, that takes a tenth of a second on an AMD EPYC.
    """
    gc.unfreeze()  # models that are no longer used
    gc.collect()
    gc.freeze()


def _unpacked(shipment: BundleShipment) -> Bundle:
    """Open the host's copy of a bundle, unpacking it if it is missing or damaged."""
    return host_copy(
        shipment.digest, shipment.forms, lambda folder: unpack(shipment.payload.value, folder)
    )

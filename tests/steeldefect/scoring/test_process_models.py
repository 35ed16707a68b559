"""The models of a worker process, and Python's garbage collection."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from steeldefect.runtimes import RuntimeOptions
from steeldefect.scoring import process_models
from steeldefect.scoring.process_models import BundleShipment, models_of_process


class Models:
    """Stands for opened models; part of a cycle, so that only a collection removes it."""

    def __init__(self) -> None:
        self.itself = self


class Context:
    """What a task knows of Spark."""

    def resources(self) -> dict[str, Any]:
        return {}

    def cpus(self) -> int:
        return 1


@pytest.fixture
def of_one_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(process_models, "_OPENED", {})
    monkeypatch.setattr(process_models, "_unpacked", lambda shipment: None)
    monkeypatch.setattr(process_models, "open_detector", lambda *asked: Models())
    for name in ("keep_freed_memory", "limit_threads", "expose_gpus"):
        monkeypatch.setattr(process_models, name, lambda *asked: None)
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("of_one_process")
def test_collections_skip_what_is_loaded_and_remove_models_that_were_replaced() -> None:
    def opened(digest: str) -> weakref.ref[Any]:
        shipment = BundleShipment(digest, (), None)  # type: ignore[arg-type]
        models = models_of_process(shipment, RuntimeOptions(), False, Context())  # type: ignore[arg-type]
        return weakref.ref(models)

    first = opened("a" * 64)
    frozen = gc.get_freeze_count()
    assert frozen > 10_000, "all that is loaded"
    assert opened("a" * 64)() is first(), "a later task has the same models"
    assert gc.get_freeze_count() <= frozen, "and freezes nothing more"
    assert opened("b" * 64)() is not None
    assert first() is None

"""Inference runtimes behind one small interface: a float32 batch in, a float32 batch out.

engine = choose_engine(RuntimeOptions(threads=1), bundle.manifest.compiled)
gate = open_runtime(bundle, ModelName.GATE, engine)
gate.predict(batch)    # float32 (16, 1) for a batch of 16
"""

from steeldefect.runtimes.base import Runtime
from steeldefect.runtimes.choices import DeviceChoice, Precision, RuntimeChoice
from steeldefect.runtimes.choose_precision import cpu_precisions, possible_precisions
from steeldefect.runtimes.engine import Engine, RuntimeOptions, choose_engine, form_of
from steeldefect.runtimes.open_runtime import open_runtime, open_runtimes

__all__ = [
    "DeviceChoice",
    "Engine",
    "Precision",
    "Runtime",
    "RuntimeChoice",
    "RuntimeOptions",
    "choose_engine",
    "cpu_precisions",
    "form_of",
    "open_runtime",
    "open_runtimes",
    "possible_precisions",
]

"""Watch the cameras: compare the pictures and answers of a night with a pinned reference.

    observed = observe(tables of the run)                 # one row a picture
    night = profile(observed)                             # what the night looked like
    report = compare(night, reference, WatchSettings())   # rows of the table `drift`
    gate = expect_gate(probabilities, passed, report)     # recall and precision without labels

A reference is `make_reference(...)` of an earlier run, or of the validation pictures, and is stored
as JSON. `distances` holds the tests, `clusters` what coils do to them, `causes` the sentences.

This room reads no table and no file: arrays and tables come in, frozen data classes go out.
"""

from __future__ import annotations

from steeldefect.watch.compare import DriftReport, compare
from steeldefect.watch.drift_row import DriftRow
from steeldefect.watch.gate_estimate import GateExpectation, expect_gate
from steeldefect.watch.observed import Observed, observe
from steeldefect.watch.profiles import Profiles, profile
from steeldefect.watch.reference import Reference, make_reference, reference_from_json
from steeldefect.watch_settings import WatchSettings

__all__ = [
    "DriftReport",
    "DriftRow",
    "GateExpectation",
    "Observed",
    "Profiles",
    "Reference",
    "WatchSettings",
    "compare",
    "expect_gate",
    "make_reference",
    "observe",
    "profile",
    "reference_from_json",
]

"""Watch a scoring run: what the gate hides, what has drifted, and which marks repeat.

`watch` holds the steps; `night` reads one run from the tables; `behind_gate` estimates what the
gate hides. The comparison of pictures and answers with a pinned reference works on arrays alone:

    observed = observe(tables of the run)                 # one row a picture
    night = profile(observed)                             # what the night looked like
    report = compare(night, reference, WatchSettings())   # rows of the table `drift`
    gate = expect_gate(probabilities, passed, report)     # recall and precision without labels

A reference is `make_reference(...)` of an earlier run, or of the validation pictures, and is stored
as JSON. `distances` holds the tests, `clusters` what coils do to them, `causes` the sentences.
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

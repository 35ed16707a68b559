"""The counts of a scoring run."""

from __future__ import annotations

import pyarrow as pa

from steeldefect.plan.skipped import PLANNED
from steeldefect.scoring.task_report import Failures, TaskReport
from steeldefect.scoring.totals import Totals
from steeldefect.scoring.waves import ScoredWave


def planned(*tries: int) -> pa.Table:
    """Return the planned pictures of a wave, given how often each one has failed before."""
    rows = [{"key": f"{n}", "etag": "e", "size": 1, "tries": one} for n, one in enumerate(tries)]
    return pa.Table.from_pylist(rows, PLANNED)


def test_totals_add_up_over_waves() -> None:
    totals = Totals()
    first = [
        TaskReport([], 3, 1, 2, 9.0, {"gate": 1.0}, failures=Failures(1, 0, 0, ["a"])),
        TaskReport([], 2, 0, 0, 9.0, {"gate": 0.5}),
    ]
    second = [TaskReport([], 1, 1, 1, 9.0, {"segment": 2.0}, failures=Failures(0, 0, 1))]
    totals.add(ScoredWave(1, planned(0, 0, 0, 0, 0, 0), first))
    totals.add(ScoredWave(2, planned(0, 3), second))
    assert (totals.waves, totals.scored, totals.quarantined, totals.defective) == (2, 6, 2, 3)
    assert totals.done == 8
    assert (totals.new, totals.failures) == (7, Failures(1, 0, 1, ["a"]))
    assert totals.stage_seconds == {"gate": 1.5, "segment": 2.0, "task": 27.0}

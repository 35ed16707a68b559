"""What a scoring run counts."""

from __future__ import annotations

from steeldefect.scoring import Totals
from steeldefect.task_report import TaskReport


def test_totals_add_up_over_waves() -> None:
    totals = Totals()
    totals.add(
        [TaskReport([], 3, 1, 2, 9.0, {"gate": 1.0}), TaskReport([], 2, 0, 0, 9.0, {"gate": 0.5})]
    )
    totals.add([TaskReport([], 1, 1, 1, 9.0, {"segment": 2.0})])
    assert (totals.waves, totals.scored, totals.quarantined, totals.defective) == (2, 6, 2, 3)
    assert totals.done == 8
    assert totals.stage_seconds == {"gate": 1.5, "segment": 2.0, "task": 27.0}

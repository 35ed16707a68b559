"""Guarantees as a calibration records them: one that holds, and one that is refused."""

from __future__ import annotations

from steeldefect.bundle.manifest import Guarantee

ASKED = {"missed": 0.05, "confidence": 0.9, "needed_groups": 45}

GATE = Guarantee(
    **ASKED,
    groups=80,
    missed_groups=1,
    threshold=0.0125,
    held=True,
    held_out_groups=40,
    held_out_missed=0,
)


def refused(class_id: int) -> Guarantee:
    """Return the guarantee of a class that too few groups show."""
    return Guarantee(**ASKED, class_id=class_id, groups=12, missed_groups=2, held=False)

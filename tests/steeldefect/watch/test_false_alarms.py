"""False alarms on nights without a change, in small; `benchmarks.watch.drift` measures in large."""

from __future__ import annotations

import pytest
from watched_plant import plant, without_places

from steeldefect.watch import compare, make_reference, profile

NIGHTS = 40


@pytest.mark.parametrize("unlike", [0.0, 0.5])
def test_nights_without_a_change_are_quiet(unlike: float) -> None:
    """With coils that differ by half the deviation within them: a design effect of nine."""
    alarms = 0
    for seed in range(NIGHTS):
        if seed % 10 == 0:
            before = plant(1000 + seed, coils=60, unlike=unlike)
            reference = make_reference(before, "run", as_they_come=True)
        alarms += bool(compare(profile(plant(seed, unlike=unlike)), reference).alarms)
    assert alarms <= 3  # 0.4 are allowed on average; P(more than 3) < 0.001


def test_coils_that_nobody_knows_raise_false_alarms() -> None:
    """The note of the report is true: without coils, nights that differ in coils are loud."""
    before = without_places(plant(1000, coils=60, unlike=2.0), "coil")
    reference = make_reference(before, "run", as_they_come=True)
    nights = (without_places(plant(seed, unlike=2.0), "coil") for seed in range(20))
    reports = [compare(profile(one), reference) for one in nights]
    assert sum(bool(one.alarms) for one in reports) >= 5
    assert all("count as independent" in " ".join(one.notes) for one in reports)

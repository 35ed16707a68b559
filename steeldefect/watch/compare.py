"""Compare a night with a reference: one row for each quantity of each camera.

The level of a row is its share of alpha: half of alpha goes to the rows over all pictures, half to
the rows of single cameras, in equal parts. By Bonferroni's inequality, a night without any change
raises an alarm with at most this probability. Bonferroni and not Holm: so the threshold of a row
does not depend on other rows.

What no test can know from one reference: how much nights differ from each other without a fault.
`DriftReport.notes` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from steeldefect.watch.causes import ELSEWHERE, FOLLOWS, likely_causes
from steeldefect.watch.distances import Tested, compare_distributions, compare_rates
from steeldefect.watch.drift_row import DriftRow
from steeldefect.watch.facts import fact, value_of, who
from steeldefect.watch.pairs import Pair, pairs_of
from steeldefect.watch.profiles import Profiles
from steeldefect.watch.quantities import CAMERA_SHARE
from steeldefect.watch.reference import Reference
from steeldefect.watch.samples import Count, Sample
from steeldefect.watch_settings import WatchSettings

_DEFAULT_SETTINGS = WatchSettings()


@dataclass(frozen=True)
class DriftReport:
    """The comparison of one night with one reference.

    Attributes:
        rows: all quantities: of all pictures, then of each camera.
        summary: one sentence for each camera and cause of an alarm; empty without an alarm.
        notes: what this comparison cannot tell.
    """

    rows: tuple[DriftRow, ...]
    summary: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def alarms(self) -> tuple[DriftRow, ...]:
        """Return the rows that raise an alarm."""
        return tuple(row for row in self.rows if row.alarm)

    def alarms_of(self, quantities: Sequence[str]) -> tuple[DriftRow, ...]:
        """Return the rows of some quantities that raise an alarm."""
        return tuple(row for row in self.alarms if row.quantity in quantities)

    def compared(self, quantities: Sequence[str]) -> bool:
        """Return whether a row of these quantities was compared over all pictures."""
        return any(
            row.camera is None and row.quantity in quantities and row.threshold is not None
            for row in self.rows
        )


def compare(
    night: Profiles, reference: Reference, settings: WatchSettings = _DEFAULT_SETTINGS
) -> DriftReport:
    """Compare a night with a reference.

    Args:
        night: profiles of the night.
        reference: what it is compared with.
        settings: when a change raises an alarm.

    Returns:
        A row for each quantity that either side knows; it says why, where it is not compared.
    """
    pairs = pairs_of(night, reference, settings)
    names = {**reference.profiles.classes, **night.classes}
    levels = _levels(pairs, settings.alpha)
    rows = [
        _row(pair, level, reference.name, names) for pair, level in zip(pairs, levels, strict=True)
    ]
    causes = likely_causes(rows)
    said = [
        replace(row, sentence=f"{row.sentence}: {cause}") if cause else row
        for row, cause in zip(rows, causes, strict=True)
    ]
    first: dict[tuple[str | None, str], str] = {}
    for row, cause in zip(said, causes, strict=True):
        if cause is not None and not cause.startswith((FOLLOWS, ELSEWHERE)):
            first.setdefault((row.camera, cause), row.sentence)
    return DriftReport(
        tuple(said), tuple(first.values()), (*_notes(night, reference), *_unproven(said))
    )


def _levels(pairs: Sequence[Pair], alpha: float) -> list[float]:
    """Return the level of each pair: alpha, shared by the pairs that are compared."""
    compared = Counter(one.camera is None for one in pairs if one.reason is None)
    halves = max(len(compared), 1)
    return [alpha / halves / max(compared[one.camera is None], 1) for one in pairs]


def _row(pair: Pair, level: float, reference: str, names: Mapping[int, str]) -> DriftRow:
    """Test one pair; its sentence has no cause yet."""
    tested = _test(pair, level) if pair.reason is None else None
    class_id = pair.quantity.class_id
    class_name = None if class_id is None else names.get(class_id, f"class {class_id}")
    row = DriftRow(
        camera=pair.camera,
        quantity=pair.quantity.name,
        class_id=class_id,
        class_name=class_name,
        reference=reference,
        reference_count=pair.before.n,
        night_count=pair.now.n,
        reference_value=value_of(pair, "before"),
        night_value=value_of(pair, "now"),
        sentence=fact(pair, tested, class_name),
    )
    if tested is None:
        return row
    return replace(
        row,
        distance=tested.distance,
        threshold=tested.threshold,
        p_value=tested.p_value,
        level=level,
        design_effect=tested.design_effect,
        alarm=tested.alarm,
    )


def _test(pair: Pair, level: float) -> Tested:
    if isinstance(pair.before, Sample) and isinstance(pair.now, Sample):
        return compare_distributions(pair.before, pair.now, level, pair.least)
    if isinstance(pair.before, Count) and isinstance(pair.now, Count):
        return compare_rates(pair.before, pair.now, level, pair.least)
    raise TypeError(f"{pair.quantity.key} is a rate on one side only")


def _notes(night: Profiles, reference: Reference) -> Iterator[str]:
    """Yield what the comparison cannot tell."""
    before = reference.profiles
    yield (
        "one reference does not show how much nights differ without a fault: a change of the "
        "order book, such as another grade of steel, can raise an alarm"
    )
    for where, profiles in (("the reference", before), ("the night", night)):
        counts = profiles.overall.counts.values()
        if all(one.clusters is None for one in counts):
            yield f"coils of {where} are not known: its pictures count as independent"
    if night.overall.pictures == 0:
        yield "the night has no picture"
    elif not night.cameras:
        yield "cameras of the night are not known: a silent camera is not found"
    elif not before.cameras:
        yield "the reference knows no cameras: only a camera that is far from all is found"
    if not reference.as_they_come:
        yield "the pictures of the reference were chosen: rates are not compared"
    if before.bundle != night.bundle:
        yield "another bundle made the reference: only the pictures are compared"


def _unproven(rows: Sequence[DriftRow]) -> Iterator[str]:
    """Yield which cameras sent nothing without an alarm."""
    for row in rows:
        if row.quantity == CAMERA_SHARE and row.night_value == 0 and not row.alarm:
            yield f"{who(row.camera)} sent no picture; too few coils or pictures to call it silent"

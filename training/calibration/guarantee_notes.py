"""Say in words why a guarantee does not hold, and which groups tested the guarantees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from steeldefect.bundle.manifest import Guarantee
from training.calibration.guarantee import allowed_misses
from training.calibration.guarantee_halves import Halves


def guarantee_notes(
    records: Sequence[Guarantee], class_names: Mapping[int, str], halves: Halves
) -> Iterator[str]:
    """Yield the notes for a reader of the bundle.

    Args:
        records: records of all guarantees that the recipe asked for.
        class_names: names of the classes, by class id.
        halves: pictures that chose the values, and those that tested the guarantees of classes.
    """
    if not halves.choosing.all():
        yield (
            f"{int(halves.choosing.sum())} validation pictures chose the thresholds, the other "
            f"{int(halves.proving.sum())} tested the guarantees of the classes"
        )
    for one in records:
        if not one.held:
            yield _refusal(one, class_names)


def _refusal(record: Guarantee, class_names: Mapping[int, str]) -> str:
    who, which = "gate", "groups of defective validation pictures test it"
    if record.class_id is not None:
        who = f"class {record.class_id} ({class_names[record.class_id]})"
        which = "groups that show it are in the half of the validation part that tests guarantees"
    allowed = allowed_misses(record.groups, record.missed, record.confidence)
    if allowed is None:
        why = f"{record.groups} {which}; {record.needed_groups} suffice if none of them is missed"
    else:
        why = (
            f"with each pixel threshold tried, more than {allowed} of {record.groups} groups are "
            "missed"
        )
    return (
        f"{who}: no guarantee that at most {100 * record.missed:g}% of the groups are missed, with "
        f"confidence {100 * record.confidence:g}%: {why}; the ordinary calibration stands"
    )

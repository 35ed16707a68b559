"""Write the section of guarantees: what holds, by how many groups, and the held-out check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steeldefect.bundle.manifest import Guarantee
from steeldefect.evaluation.intervals import share_interval
from steeldefect.pages import markup
from steeldefect.pages.markup import Column, counts, decimals, paragraph, percents, texts
from training.calibration.guarantee import upper_bound
from training.report.contents import Report


def guarantees(report: Report) -> str:
    """Return the section; empty if the recipe asked for no guarantee."""
    calibration = report.manifest.calibration
    records = [] if calibration is None else calibration.guarantees
    if not records:
        return ""
    bounds = [upper_bound(one.missed_groups, one.groups, one.confidence) for one in records]
    columns = [
        Column("missed by", texts(_name(one, report.class_names) for one in records), "name"),
        Column("holds", ["yes" if one.held else "no" for one in records]),
        Column("groups that test it", counts(one.groups for one in records)),
        Column("of them missed", counts(one.missed_groups for one in records)),
        Column("upper bound of the share", percents(bounds)),
        Column("groups that suffice, none missed", counts(one.needed_groups for one in records)),
        Column("largest threshold that holds", decimals((one.threshold for one in records), 4)),
        Column("held-out groups", counts(one.held_out_groups for one in records)),
        Column("of them missed", counts(one.held_out_missed for one in records)),
        Column("95% interval of the share", [_interval_text(one) for one in records]),
    ]
    return paragraph(_told(records[0])) + f'<div class="dense">{markup.table(columns)}</div>\n'


def guarantee_line(guarantee: Guarantee, class_names: Mapping[int, str]) -> str:
    """Return what a guarantee says, as one line of text."""
    told = f"{_name(guarantee, class_names)}: "
    if not guarantee.held:
        return f"{told}no guarantee; see the note"
    told += (
        f"at most {100 * guarantee.missed:g}% of the groups are missed, with confidence "
        f"{100 * guarantee.confidence:g}% ({guarantee.missed_groups} of {guarantee.groups} "
        "validation groups missed)"
    )
    if not guarantee.held_out_groups:
        return told
    return (
        f"{told}; held out: {guarantee.held_out_missed} of {guarantee.held_out_groups}, 95% "
        f"interval {_interval_text(guarantee)}"
    )


def contradicted(records: Sequence[Guarantee]) -> list[Guarantee]:
    """Return the guarantees that hold, but whose held-out groups speak against them.

    They do so if the whole 95% interval of the held-out share is above the guaranteed share.
    """
    return [one for one in records if one.held and (_interval(one) or (0.0, 1.0))[0] > one.missed]


def _told(guarantee: Guarantee) -> str:
    return (
        f"Asked for: at most {100 * guarantee.missed:g}% of the groups with a defect are missed, "
        f"with confidence {100 * guarantee.confidence:g}%, each row for itself. A group is missed "
        "if one of its pictures is. The gate misses a defective picture below its threshold. A "
        "class is missed on a picture if no pixel of the found mask is in the true one. This holds "
        "for pictures like those of the validation part, not for other steel or another camera."
    )


def _name(guarantee: Guarantee, class_names: Mapping[int, str]) -> str:
    if guarantee.class_id is None:
        return "gate"
    return f"class {guarantee.class_id} ({class_names[guarantee.class_id]})"


def _interval(guarantee: Guarantee) -> tuple[float, float] | None:
    """Return the exact 95% interval of the held-out share of missed groups; None without any."""
    if not guarantee.held_out_groups or guarantee.held_out_missed is None:
        return None
    return share_interval(guarantee.held_out_missed, guarantee.held_out_groups)


def _interval_text(guarantee: Guarantee) -> str:
    found = _interval(guarantee)
    return markup.NOTHING if found is None else f"{found[0]:.3f} to {found[1]:.3f}"

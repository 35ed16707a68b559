"""Compare what two bundles found on the same pictures: the rows of `agreement`.

The bundle that leads decides what counts as found; its shadow is scored beside it. What the audits
of the gates found does not count, as in `predictions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steeldefect.bundle.manifest import DefectClass
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Runs
from steeldefect.scoring.task_rows import TaskRows
from steeldefect.tables.provenance import Origin

Found = dict[tuple[str, str], Runs]
"""Runs of a class on a picture, by key and name of the class."""

_EMPTY: Runs = np.empty((0, 2), np.int64)


def agreement_rows(
    source: str,
    leading: TaskRows,
    shadow: TaskRows,
    classes: tuple[Sequence[DefectClass], Sequence[DefectClass]],
    origin: Origin,
) -> list[dict[str, Any]]:
    """Return a row for each picture that both bundles scored, and each class of either bundle.

    Classes are the same if their names are. A bundle without a class has no area of it.

    Args:
        source: address of the input.
        leading: rows of the bundle that leads.
        shadow: rows of the shadow.
        classes: the classes of both.
        origin: provenance of the shadow's rows.

    Returns:
        Rows of the table `agreement`, without the provenance of the run that leads.
    """
    ids = [{one.name: one.id for one in some} for some in classes]
    led, shadowed = ids
    found = [_found(rows) for rows in (leading, shadow)]
    scored = {row.key for row in shadow.images}
    made = []
    for row in leading.images:
        if row.key not in scored:
            continue
        picture = {
            "source": source,
            "key": row.key,
            "image_id": row.image_id,
            "coil": row.coil,
        }
        for name in {**led, **shadowed}:
            masks = [
                found_by.get((row.key, name), _EMPTY) if name in known else None
                for found_by, known in zip(found, ids, strict=True)
            ]
            made.append(
                picture
                | {"class_id": led.get(name, shadowed.get(name)), "class_name": name}
                | _areas(*masks)
                | {"shadow_run": origin.run_id, "shadow_bundle": origin.bundle}
            )
    return made


def _found(rows: TaskRows) -> Found:
    return {(row.key, row.class_name): row.run_lengths for row in rows.predictions if not row.audit}


def _areas(first: Runs | None, second: Runs | None) -> dict[str, int | None]:
    """Return both areas and their intersection in pixels; None for a mask that nobody looked for.

    Runs are empty if nothing was found, and None without such a class.
    """
    return {
        "area": None if first is None else run_lengths.area(first),
        "shadow_area": None if second is None else run_lengths.area(second),
        "intersection": None
        if first is None or second is None
        else run_lengths.overlap(first, second),
    }

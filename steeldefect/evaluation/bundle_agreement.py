"""How far two bundles agree that scored the same pictures: from the rows of `agreement`.

The intervals are paired: both answers to one picture stay together. Units are coils where they are
known, because pictures of a coil are alike, else pictures. The interval of a share or of a
difference of shares is the wider one of two on each side: the bootstrap over units, and an exact
one over pictures. The bootstrap alone would be sure of everything that the sample does not show:
20 pictures on which the bundles agree do not prove that they always do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.evaluation.intervals import (
    Column,
    Ratio,
    Sums,
    estimate,
    interval,
    paired_interval,
    share_interval,
)

VERDICT_AGREEMENT = "verdict_agreement"
DEFECTIVE_DIFFERENCE = "defective_difference"
CLASS_DIFFERENCE = "class_difference"
AREA_DIFFERENCE = "area_difference"
AGREEMENT_DICE = "agreement_dice"

DRAWS = 1000
_PAIRED = (DEFECTIVE_DIFFERENCE, CLASS_DIFFERENCE)
_Flags = npt.NDArray[np.bool_]

Class = tuple[int, str]
"""Id and name of a class."""


@dataclass(frozen=True)
class AgreementFigure:
    """One figure of how two bundles differ, or agree.

    Attributes:
        name: `verdict_agreement`: share of the pictures on which both found the same of the classes
            that both have. `defective_difference`: share of the pictures on which the shadow finds
            a defect, minus the same of the bundle that leads. `class_difference`: the same of one
            class. `area_difference`: pixels of the class a picture, shadow minus leading.
            `agreement_dice`: Dice of both bundles' masks, over the pixels of all pictures.
        class_id, class_name: the class; None for all together.
        value: the figure; None if nothing was found to compare.
        low, high: ends of its 95% interval; None without a value.
        support: pictures; for `agreement_dice`, pictures with the class by either bundle.
    """

    name: str
    class_id: int | None
    class_name: str | None
    value: float | None
    low: float | None
    high: float | None
    support: int


def agreement_of(
    connection: duckdb.DuckDBPyConnection,
    shadow_runs: list[str],
    days: tuple[date, date],
    draws: int = DRAWS,
) -> list[AgreementFigure]:
    """Compare two bundles over the pictures that both scored in some runs.

    Args:
        connection: database of `steeldefect.analysis.sql.open_database`.
        shadow_runs: ids of the shadow's runs, all of one bundle.
        days: first and last partition of these runs.
        draws: number of draws of the bootstrap.
    """
    asked = [shadow_runs, *days]
    named = connection.execute(_CLASSES, asked).fetchall()
    # numbers instead of names: millions of texts would not fit into the driver
    rows = connection.execute(_ROWS, asked).df()
    return agreement_figures(rows, [(int(one), str(name)) for one, name in named], draws)


def agreement_figures(
    rows: pd.DataFrame, classes: Sequence[Class], draws: int = DRAWS
) -> list[AgreementFigure]:
    """Compute the figures from rows of `agreement`.

    Args:
        rows: one row for each class on each picture; columns picture (any whole number), coil (the
            same; null if unknown), number (of the class, from 0), area, shadow_area, intersection
            (null if a bundle has no such class).
        classes: id and name of each class.
        draws: number of draws of the bootstrap.

    Returns:
        The figures of all classes together, then of each class that both have; nothing without
        pictures, and no `verdict_agreement` without a class that both have.
    """
    if rows.empty:
        return []
    picture, pictures = pd.factorize(rows["picture"])
    picture = picture.astype(np.int64)
    count = len(pictures)
    sums = Sums(_units(rows["coil"], picture, count))
    every = np.arange(count, dtype=np.int64)
    sums.add(("pictures", None), every, np.ones(count))
    led, shadowed = (rows[name].fillna(0).to_numpy() > 0 for name in ("area", "shadow_area"))
    shared = (rows["area"].notna() & rows["shadow_area"].notna()).to_numpy()
    flags: dict[Column, _Flags] = {
        ("same", None): ~_any(picture, shared & (led != shadowed), count),
        ("led", None): _any(picture, led, count),
        ("shadow", None): _any(picture, shadowed, count),
    }
    for column, flag in flags.items():
        sums.add(column, every, flag)
    ratios = [_difference(DEFECTIVE_DIFFERENCE, None)]
    if shared.any():
        ratios.insert(0, _ratio(VERDICT_AGREEMENT, None, {("same", None): 1}))
    for number in range(len(classes)):
        of_class = shared & (rows["number"].to_numpy() == number)
        if not of_class.any():
            continue  # one of the bundles has no such class
        here, some = picture[of_class], rows[of_class]
        for name in ("area", "shadow_area", "intersection"):
            sums.add((name, number), here, some[name].to_numpy(np.float64))
        one, other = led[of_class], shadowed[of_class]
        for name, flag in (("led", one), ("shadow", other), ("either", one | other)):
            sums.add((name, number), here, flag)
        flags |= {
            ("led", number): _any(here, one, count),
            ("shadow", number): _any(here, other, count),
        }
        ratios += [
            _difference(CLASS_DIFFERENCE, number),
            _ratio(AREA_DIFFERENCE, number, {("shadow_area", number): 1, ("area", number): -1}),
            _dice(number),
        ]
    found = estimate(sums, ratios, draws)
    return [
        _figure(one, classes, float(value), interval(drawn), round(support), flags, count)
        for one, value, drawn, support in zip(
            ratios, found.values, found.draws.T, found.supports, strict=True
        )
    ]


def _units(
    coil: pd.Series[float], picture: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.int64]:
    """Return the unit of each picture: its coil, or itself if its coil is not known."""
    first = np.zeros(count, np.int64)
    first[picture[::-1]] = np.arange(len(coil))[::-1]
    coils = coil.to_numpy(np.float64, na_value=np.nan)[first]
    own = -1.0 - np.arange(count)  # numbers that no coil has
    codes, _ = pd.factorize(np.where(np.isnan(coils), own, coils))
    return codes.astype(np.int64)


def _any(picture: npt.NDArray[np.int64], flag: _Flags, count: int) -> _Flags:
    """Return whether any row of each picture has the flag, bool (count,)."""
    return np.bincount(picture[flag], minlength=count) > 0


# `class_id` of a ratio is here the place of the class in the list of classes


def _ratio(name: str, number: int | None, top: Mapping[Column, float]) -> Ratio:
    pictures: Mapping[Column, float] = {("pictures", None): 1}
    return Ratio(name, "", top, pictures, pictures, number)


def _difference(name: str, number: int | None) -> Ratio:
    return _ratio(name, number, {("shadow", number): 1, ("led", number): -1})


def _dice(number: int) -> Ratio:
    return Ratio(
        AGREEMENT_DICE,
        "",
        {("intersection", number): 2},
        {("area", number): 1, ("shadow_area", number): 1},
        {("either", number): 1},
        number,
    )


def _figure(
    ratio: Ratio,
    classes: Sequence[Class],
    value: float,
    drawn: tuple[float, float] | None,
    support: int,
    flags: Mapping[Column, _Flags],
    count: int,
) -> AgreementFigure:
    number = ratio.class_id
    class_id, name = (None, None) if number is None else classes[number]
    if np.isnan(value):
        return AgreementFigure(ratio.name, class_id, name, None, None, None, support)
    ends = [] if drawn is None else [drawn]
    if ratio.name == VERDICT_AGREEMENT:
        ends.append(share_interval(int(flags["same", None].sum()), count))
    elif ratio.name in _PAIRED:
        led, shadowed = flags["led", number], flags["shadow", number]
        more, fewer = int((shadowed & ~led).sum()), int((led & ~shadowed).sum())
        ends.append(paired_interval(more, fewer, count))
    low = min((one[0] for one in ends), default=None)
    high = max((one[1] for one in ends), default=None)
    return AgreementFigure(ratio.name, class_id, name, value, low, high, support)


_CHOSEN = "list_contains($1, shadow_run) AND scored_date >= $2 AND scored_date <= $3"
_CLASSES = f"""
SELECT DISTINCT class_id, class_name FROM agreement WHERE {_CHOSEN}
ORDER BY class_id, class_name
"""  # noqa: S608
_ROWS = f"""
SELECT dense_rank() OVER (ORDER BY shadow_run, source, key) AS picture,
    CASE WHEN coil IS NOT NULL THEN dense_rank() OVER (ORDER BY coil) END AS coil,
    dense_rank() OVER (ORDER BY class_id, class_name) - 1 AS number,
    area, shadow_area, intersection
FROM agreement WHERE {_CHOSEN}
"""  # noqa: S608

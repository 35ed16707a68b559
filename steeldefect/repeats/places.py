"""Find places of the picture that show defects on many coils of one camera: dirt on lens or lamp.

A place is a square cell of pixels. Four grids of cells, shifted by half a cell, see to it that
whatever lies within half a cell lies whole in one of them. A cell counts the coils with a defect
there, so one coil with many defects counts once.

A cell is compared with the block of cells around it, not with a uniform picture. The strip's edges,
or defects as high as the picture, make a line of it frequent; dirt is more than its lines. Three
tests must all be significant, so the p-value is their greatest (an intersection-union test: Berger,
"Multiparameter Hypothesis Testing and Acceptance Sampling", Technometrics 24, 1982):

- the cell against the rest of its row, and against the rest of its column: the binomial test of
  the share that one cell of so many has. It refuses a cell of a frequent line.
- the cell, the rest of its row, the rest of its column, and the rest of the block: Fisher's exact
  test ("Statistical Methods for Research Workers", 1934, section 21.02), one-sided. It refuses a
  cell where two frequent lines cross.

The p-value is multiplied by the number of cells of all grids (Bonferroni), and by the number of
cameras. Besides, the cell must have `min_ratio` times the coils that its lines let expect: with
very many coils, the smallest bend of the surroundings would be significant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binom, hypergeom

from steeldefect.repeats.repeat import FixedPlace, Subject
from steeldefect.watch_settings import FixedPlaceSettings

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FARTHEST_PX = 65_536.0
"""A centroid farther away is no place of a picture."""

GRIDS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""By how many half cells each grid is shifted: rows, columns."""


@dataclass(frozen=True)
class Cell:
    """A cell that is hit on more coils than the cells around it let expect.

    Attributes:
        grid: which of the four grids.
        row, column: place of the cell in its grid.
        coils: number of coils with a defect there.
        expected: number of coils that its lines let expect there.
        p_value: corrected for all cells and cameras.
    """

    grid: int
    row: int
    column: int
    coils: int
    expected: float
    p_value: float

    def centre(self, settings: FixedPlaceSettings) -> tuple[float, float]:
        """Return pixel row and column of the cell's middle."""
        down, right = GRIDS[self.grid]
        half = settings.cell_px / 2
        return ((2 * self.row + 1 - down) * half, (2 * self.column + 1 - right) * half)


@dataclass(frozen=True)
class Places:
    """What the search of one camera found.

    Attributes:
        places: the fixed places, the most significant first.
        used: number of defects that took part.
    """

    places: tuple[FixedPlace, ...]
    used: int


def find_places(
    defects: pd.DataFrame, settings: FixedPlaceSettings | None = None, cameras: int = 1
) -> Places:
    """Find the fixed places of one camera.

    Args:
        defects: defects of one camera that count (`kept`), with the columns `class_id`,
            `class_name`, `coil`, `camera`, `side`, `centroid_x`, `centroid_y`. Rows without coil
            or centroid take no part.
        settings: what is searched; the defaults if None.
        cameras: number of cameras that are searched; p-values are corrected for it.
    """
    settings = settings or FixedPlaceSettings()
    rows = np.flatnonzero(has_pixel(defects))
    used = defects.iloc[rows]
    grids = [cells_of(used, grid, settings) for grid in range(len(GRIDS))]
    cells = significant_cells(
        pd.concat([_counted(used, one, grid) for grid, one in enumerate(grids)]), settings, cameras
    )
    coils = used["coil"].nunique()
    places = []
    for cell in cells:
        there = (grids[cell.grid] == (cell.row, cell.column)).all(axis=1)
        places.append(described(cell, used[there], coils, rows[there]))
    return Places(tuple(places), len(rows))


def has_pixel(defects: pd.DataFrame) -> Flags:
    """Return which defects have a coil and a place in the picture, bool (rows,)."""
    known = defects["coil"].notna().to_numpy(bool)
    for name in ("centroid_x", "centroid_y"):
        pixels = defects[name].to_numpy(np.float64, na_value=np.nan)
        known &= (pixels >= 0) & (pixels < FARTHEST_PX)  # NaN compares as false
    return known


def cells_of(defects: pd.DataFrame, grid: int, settings: FixedPlaceSettings) -> Integers:
    """Return the cell of each defect in a grid: row and column, int64 (rows, 2)."""
    pixels = defects[["centroid_y", "centroid_x"]].to_numpy(np.float64)
    halves = np.floor(pixels / (settings.cell_px / 2)).astype(np.int64)
    cells: Integers = (halves + np.array(GRIDS[grid])) // 2
    return cells


def _counted(defects: pd.DataFrame, cells: Integers, grid: int) -> pd.DataFrame:
    """Count the coils of each cell: columns `grid`, `row`, `column`, `coils`."""
    coil = pd.factorize(defects["coil"].to_numpy())[0]
    seen = pd.DataFrame({"row": cells[:, 0], "column": cells[:, 1], "coil": coil})
    counts = seen.drop_duplicates().groupby(["row", "column"]).size()
    return counts.rename("coils").reset_index().assign(grid=grid)


def significant_cells(
    counts: pd.DataFrame, settings: FixedPlaceSettings, cameras: int
) -> list[Cell]:
    """Return the cells with too many coils, once for each place, the most significant first.

    Args:
        counts: columns `grid`, `row`, `column`, `coils`, of one camera; cells without coils may be
            missing.
        settings: what is searched.
        cameras: number of cameras that are searched.
    """
    found: list[Cell] = []
    tested = 0
    for grid in counts["grid"].unique().tolist():
        part = counts[counts["grid"] == grid]
        matrix = np.zeros((part["row"].max() + 1, part["column"].max() + 1), np.int64)
        matrix[part["row"], part["column"]] = part["coils"]
        tested += matrix.size
        found += _tested(matrix, grid, settings)
    factor = tested * cameras
    kept = [
        Cell(one.grid, one.row, one.column, one.coils, one.expected, one.p_value * factor)
        for one in sorted(found, key=lambda one: (one.p_value, -one.coils, one.grid))
        if one.p_value * factor <= settings.alpha
    ]
    return _apart(kept, settings)[: settings.max_places]


def _tested(matrix: Integers, grid: int, settings: FixedPlaceSettings) -> list[Cell]:
    """Return the cells of one grid with enough coils, with p-values that are not corrected."""
    rows, columns = np.nonzero(matrix >= settings.min_coils)
    here, reach = matrix[rows, columns], settings.reach
    windows = ((0, reach), (reach, 0), (reach, reach))
    along, down, block = (_window(matrix, rows, columns, *one) for one in windows)
    wide, high, _ = (_window(np.ones_like(matrix), rows, columns, *one) for one in windows)
    p_values = np.maximum.reduce(
        [
            binom.sf(here - 1, along, 1 / wide),
            binom.sf(here - 1, down, 1 / high),
            hypergeom.sf(here - 1, block, along, down),
        ]
    )
    expected = _expected(here, (along, down, block), (wide, high))
    kept = here >= settings.min_ratio * expected
    stated = (one[kept].tolist() for one in (rows, columns, here, expected, p_values))
    return [Cell(grid, *one) for one in zip(*stated, strict=True)]


def _expected(
    here: Integers,
    sums: tuple[Integers, Integers, Integers],
    sizes: tuple[Integers, Integers],
) -> Float64:
    """Return how many coils a cell's lines let expect, float64 (cells,).

    It is the greatest of four: the means of the rest of its row and of its column, and both lines
    together, if they add or if they multiply.

    Args:
        here: int64 (cells,), coils of the cell.
        sums: coils of its row, of its column, and of its block, the cell included.
        sizes: cells of its row, and of its column.
    """
    along, down, block = (one - here for one in sums)
    rest_of_row, rest_of_column = np.maximum(sizes[0] - 1, 1), np.maximum(sizes[1] - 1, 1)
    row, column = along / rest_of_row, down / rest_of_column
    elsewhere = block - along - down
    mean = elsewhere / (rest_of_row * rest_of_column)
    product = along * down / np.maximum(elsewhere, 1)
    expected: Float64 = np.maximum.reduce([row, column, row + column - mean, product])
    return expected


def _window(matrix: Integers, rows: Integers, columns: Integers, high: int, wide: int) -> Integers:
    """Return the sum around each cell, up to `high` rows and `wide` columns on each side."""
    sums = np.zeros((matrix.shape[0] + 1, matrix.shape[1] + 1), np.int64)
    sums[1:, 1:] = matrix.cumsum(axis=0).cumsum(axis=1)
    top, bottom = np.maximum(rows - high, 0), np.minimum(rows + high + 1, matrix.shape[0])
    left, right = np.maximum(columns - wide, 0), np.minimum(columns + wide + 1, matrix.shape[1])
    found: Integers = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return found


def _apart(cells: list[Cell], settings: FixedPlaceSettings) -> list[Cell]:
    """Return cells without those that lie near a more significant one."""
    kept: list[Cell] = []
    for one in cells:
        at = np.array(one.centre(settings))
        near = (np.abs(at - other.centre(settings)).max() < 2 * settings.cell_px for other in kept)
        if not any(near):
            kept.append(one)
    return kept


def described(cell: Cell, there: pd.DataFrame, coils_seen: int, members: Integers) -> FixedPlace:
    """Return a fixed place as it is stated.

    Args:
        cell: the cell.
        there: its defects; at least one.
        coils_seen: number of the camera's coils with any defect.
        members: int64 (members,), rows of the defects.
    """
    most = there["class_id"].mode().iloc[0]
    name = there.loc[there["class_id"] == most, "class_name"].iloc[0]
    camera, side = (_only(there[column]) for column in ("camera", "side"))
    x, y = (float(there[column].mean()) for column in ("centroid_x", "centroid_y"))
    subject = Subject(None, camera, side, int(most), str(name))
    return FixedPlace(
        subject, x, y, cell.coils, coils_seen, float(cell.expected), cell.p_value, members
    )


def _only(values: pd.Series) -> str | None:
    """Return the only value; None if it is missing, or there are several."""
    different = values.drop_duplicates()
    one = different.iloc[0]
    return None if len(different) > 1 or pd.isna(one) else str(one)

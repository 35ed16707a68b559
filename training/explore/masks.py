"""Parse and measure every row of the masks file, and compute heat maps of the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.errors import RunLengthError
from steeldefect.labels.label_files import explain_malformed
from steeldefect.pictures import run_lengths
from steeldefect.program.progress import followed
from training.explore.faults import Fault, FaultKind

_LONGER_SIDE = 128  # cells of a heat map
_FEWEST_CELLS = 8

HeatMap = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MaskFacts:
    """One mask that is well-formed and not empty.

    Attributes:
        name: name of the picture.
        class_id: class of the mask.
        line: line in the masks file.
        runs: run lengths of the mask.
        area: area in pixels.
        shape: (height, width) of the picture in pixels; None if unknown.
        box: bounding box of the mask; None if `shape` is None.
        regions: number of 8-connected regions; None if `shape` is None.
    """

    name: str
    class_id: int
    line: int
    runs: run_lengths.Runs
    area: int
    shape: tuple[int, int] | None
    box: run_lengths.BoundingBox | None
    regions: int | None

    @property
    def share(self) -> float | None:
        """Area as a share of the picture, 0 to 1."""
        return None if self.shape is None else self.area / (self.shape[0] * self.shape[1])


@dataclass(frozen=True)
class _Row:
    """One row of the masks file as text; `shape` is the (height, width) of its picture."""

    name: str
    class_id: str
    text: str
    line: int
    shape: tuple[int, int] | None


@dataclass
class Masks:
    """The results for all rows of the masks file.

    Attributes:
        sound: well-formed masks that are not empty.
        faults: faults of the other rows.
        empty: number of rows without run lengths; such a row states that a class is absent.
        places: heat map by class id, float32 (rows, columns): share of the masks of the class
            that cover each cell of a grid over the picture, 0 to 1.
    """

    sound: list[MaskFacts] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    empty: int = 0
    places: dict[int, HeatMap] = field(default_factory=dict)


def measure_masks(
    rows: pd.DataFrame, shapes: Mapping[str, tuple[int, int]], shape: tuple[int, int] | None
) -> Masks:
    """Measure all masks; rows that cannot be read become faults.

    Args:
        rows: columns ImageId, ClassId, EncodedPixels, line, as text.
        shapes: (height, width) of the pictures by name.
        shape: (height, width) of pictures that are not in `shapes`; None if unknown.
    """
    masks = Masks()
    sums: dict[int, HeatMap] = {}
    grid = _grid(list(shapes.values()) or ([shape] if shape else []))
    columns = (rows[name] for name in ("ImageId", "ClassId", "EncodedPixels", "line"))
    texts = zip(*columns, strict=True)
    for name, class_id, text, line in followed(texts, len(rows), "masks", "rows"):
        row = _Row(name, class_id, text, int(line), shapes.get(name, shape))
        measured = _measure(row)
        if measured is None:
            masks.empty += 1
        elif isinstance(measured, Fault):
            masks.faults.append(measured)
        else:
            masks.sound.append(measured)
            if measured.shape is not None:
                place = sums.setdefault(measured.class_id, np.zeros(grid, np.float32))
                place += _place(measured, measured.shape, grid)
    counts = Counter(one.class_id for one in masks.sound if one.shape is not None)
    masks.places = {number: sums[number] / np.float32(counts[number]) for number in sorted(sums)}
    return masks


def class_number(text: str) -> int | None:
    """Read a class id; None if the text is not a whole number from 1."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return number if number > 0 else None


def _measure(row: _Row) -> MaskFacts | Fault | None:
    """Parse and measure a row; None if the row has no run lengths."""
    class_id = class_number(row.class_id)
    if class_id is None:
        detail = f"not a whole number from 1: {row.class_id!r}"
        return Fault(FaultKind.CLASS_ID_MALFORMED, row.name, detail, line=row.line)
    kind = FaultKind.MASK_MALFORMED
    try:
        runs = run_lengths.parse(row.text)
        kind = FaultKind.MASK_OUT_OF_BOUNDS
        run_lengths.validate(runs, row.shape)
    except RunLengthError as error:
        problem = explain_malformed(row.text) if kind is FaultKind.MASK_MALFORMED else str(error)
        detail = problem.removeprefix("malformed run lengths: ")
        return Fault(kind, row.name, detail, class_id, row.line)
    if len(runs) == 0:
        return None
    area, box, regions = run_lengths.area(runs), None, None
    if row.shape is not None:
        box = run_lengths.bounding_box(runs, row.shape[0])
        drawn = _between_its_columns(runs, row.shape[0], box)
        regions = cv2.connectedComponents(drawn.astype(np.uint8))[0] - 1
    return MaskFacts(row.name, class_id, row.line, runs, area, row.shape, box, regions)


def _between_its_columns(
    runs: run_lengths.Runs, height: int, box: run_lengths.BoundingBox | None
) -> npt.NDArray[np.bool_]:
    """Draw only the columns that the mask touches; this is faster, as most masks are small."""
    if box is None:
        return np.zeros((height, 0), np.bool_)
    shifted = runs - np.array([box.left * height, 0])
    return run_lengths.to_mask(shifted, (height, box.right - box.left))


def _place(mask: MaskFacts, shape: tuple[int, int], grid: tuple[int, int]) -> HeatMap:
    """Compute the share of each grid cell that the mask covers."""
    drawn = _between_its_columns(mask.runs, shape[0], mask.box)
    left = mask.box.left if mask.box else 0
    (tops, heights), (lefts, widths) = _cells(shape[0], grid[0]), _cells(shape[1], grid[1])
    by_row = np.zeros((grid[0], shape[1]), np.float32)
    by_row[:, left : left + drawn.shape[1]] = np.add.reduceat(drawn, tops, axis=0, dtype=np.float32)
    place: HeatMap = np.add.reduceat(by_row, lefts, axis=1) / (heights[:, None] * widths)
    return place


@lru_cache(maxsize=4096)
def _cells(pixels: int, cells: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Return the first pixel and the size in pixels (at least 1) of each cell."""
    edges = np.arange(cells + 1) * pixels // cells
    return edges[:-1], np.maximum(1, np.diff(edges)).astype(np.float32)


def _grid(shapes: list[tuple[int, int]]) -> tuple[int, int]:
    """Return rows and columns of the grid, by the most frequent picture shape."""
    if not shapes:
        return _FEWEST_CELLS, _FEWEST_CELLS
    height, width = max(set(shapes), key=shapes.count)
    scale = _LONGER_SIDE / max(height, width)
    return max(_FEWEST_CELLS, round(height * scale)), max(_FEWEST_CELLS, round(width * scale))

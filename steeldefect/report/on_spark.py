"""Draw plates on the executors: the driver reads nothing of the archive, and gets JPEG files.

A plate that cannot be drawn is a row with the reason; it fails no task.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa
from pyspark.accumulators import Accumulator
from pyspark.sql import SparkSession

from steeldefect.errors import SteelDefectError, StoreError
from steeldefect.program import progress
from steeldefect.report.plates import Box, Outline, draw_plate
from steeldefect.review.stored_pictures import StoredPictures
from steeldefect.settings import ScoreSettings
from steeldefect.spark.session import tasks_at_once
from steeldefect.stores import shipped_settings

_COLUMNS = "number int, plate binary, problem string"


@dataclass(frozen=True)
class PlateOrder:
    """One plate to draw.

    Attributes:
        number: number of the picture on the page.
        source, key, etag, width, height: columns of its row of `images`.
        outlines: what is drawn on it.
        focus: box of the defect that is enlarged; None for none.
        pixel_mm: width and height of a pixel; None if unknown.
    """

    number: int
    source: str
    key: str
    etag: str
    width: int
    height: int
    outlines: tuple[Outline, ...]
    focus: Box | None
    pixel_mm: tuple[float, float] | None

    def to_text(self) -> str:
        """Return the order as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> PlateOrder:
        """Return the order that `to_text` wrote."""
        stated = json.loads(text)
        stated["outlines"] = tuple(Outline(**one) for one in stated["outlines"])
        stated["focus"] = None if stated["focus"] is None else Box(**stated["focus"])
        stated["pixel_mm"] = None if stated["pixel_mm"] is None else tuple(stated["pixel_mm"])
        return cls(**stated)


@dataclass(frozen=True)
class Plate:
    """A plate, or why there is none.

    Attributes:
        number: number of the picture on the page.
        data: bytes of a JPEG file; None if it could not be drawn.
        problem: why it could not; None if it was drawn.
    """

    number: int
    data: bytes | None
    problem: str | None


def draw_plates(
    session: SparkSession, orders: Sequence[PlateOrder], settings: ScoreSettings
) -> list[Plate]:
    """Draw plates on the executors, and show progress.

    Args:
        session: Spark's session.
        orders: the plates.
        settings: how the archive is reached, and the limits for reading pictures.

    Raises:
        WaveError: Spark failed (inside `steeldefect.spark.session.explained_errors`).
    """
    context = session.sparkContext
    done, failed = context.accumulator(0), context.accumulator(0)
    sources = sorted({one.source for one in orders})
    shipped = settings.model_copy(update={"s3": shipped_settings(sources, settings.s3)})
    task = _task(shipped, done, failed)
    rows = pa.table({"stated": [one.to_text() for one in orders]})
    parts = min(len(orders), 2 * tasks_at_once(context))
    frame = session.createDataFrame(rows).repartition(parts)
    with progress.shown(len(orders), lambda: done.value, lambda: failed.value, work="drawing"):
        drawn = frame.mapInArrow(task, _COLUMNS).toArrow()
    return sorted(
        (Plate(one["number"], one["plate"], one["problem"]) for one in drawn.to_pylist()),
        key=lambda one: one.number,
    )


def _task(
    settings: ScoreSettings, done: Accumulator[int], failed: Accumulator[int]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def draw(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        pictures = StoredPictures(settings)
        for batch in batches:
            for text in batch.column("stated").to_pylist():
                plate = _drawn(PlateOrder.from_text(text), pictures)
                done.add(1)
                failed.add(plate.data is None)
                yield pa.RecordBatch.from_pydict(
                    {
                        "number": pa.array([plate.number], pa.int32()),
                        "plate": pa.array([plate.data], pa.binary()),
                        "problem": pa.array([plate.problem], pa.string()),
                    }
                )

    return draw


def _drawn(order: PlateOrder, pictures: StoredPictures) -> Plate:
    """Read a picture and draw its plate; the reason if that fails."""
    try:
        picture = pictures.read(order.source, order.key)
        if picture.etag and order.etag and picture.etag != order.etag:
            raise StoreError("the file has changed since it was scored")
        if picture.pixels.shape != (order.height, order.width):
            raise StoreError("the picture has another size than when it was scored")
        data = draw_plate(picture.pixels, order.outlines, order.focus, order.pixel_mm)
    except (SteelDefectError, OSError, MemoryError) as error:
        return Plate(order.number, None, " ".join(str(error).split()) or type(error).__name__)
    return Plate(order.number, data, None)

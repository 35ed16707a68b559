"""What a bundle would have found at another threshold: a query, without models and pictures.

The table `mask_levels` keeps the masks of a class at chosen thresholds (setting `mask_levels`), and
at the bundle's own threshold those that a minimum area removed. The kept masks at the bundle's own
threshold are in `predictions`. Between two levels nothing is known, so nothing is answered there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from steeldefect.analysis.level_masks import boxes, run_length_texts
from steeldefect.analysis.record_batches import record_batches
from steeldefect.analysis.sql import choose_bundle, opened_database
from steeldefect.bundle.manifest import GateMode
from steeldefect.errors import SettingsError, TableError
from steeldefect.publish.thresholds import Thresholds
from steeldefect.stores import Store
from steeldefect.tables.schema import PROVENANCE, SCHEMAS, TableName

_BATCH = 20_000  # rows that are in memory together

FOUND = pa.schema(
    [
        (field.name, field.type)
        for field in SCHEMAS[TableName.PREDICTIONS].columns
        if field.name not in {*PROVENANCE, "audit"}
    ]
)
"""Columns of `predictions` without provenance, and without the mark of the audit."""


@dataclass(frozen=True)
class NewThreshold:
    """The question: what is found if one class has other thresholds?

    Attributes:
        class_id: the class.
        threshold: its pixel threshold; None: the bundle's own.
        min_area: its minimum area in pixels; None: the bundle's own.
    """

    class_id: int
    threshold: float | None = None
    min_area: int | None = None


class Rethreshold:
    """The answer to a question about one bundle; see `rethresholded`.

    Attributes:
        bundle: digest of the bundle that scored the pictures.
        threshold: pixel threshold of the class in the answer.
        min_area: minimum area of the class in the answer, in pixels.
        thresholds: all thresholds of the answer.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, asked: NewThreshold, bundle: str | None
    ) -> None:
        """Check that the tables can answer the question; callers use `rethresholded`."""
        self._connection = connection
        self.bundle = choose_bundle(connection, bundle)
        self.class_id = asked.class_id
        before = self._thresholds()
        own = before.classes.get(asked.class_id)
        if own is None:
            known = ", ".join(map(str, before.classes))
            raise SettingsError(f"--class {asked.class_id}: the bundle has the classes {known}")
        self.threshold = own.pixel_threshold if asked.threshold is None else asked.threshold
        self.min_area = own.min_area if asked.min_area is None else asked.min_area
        self._own = own.pixel_threshold
        changed = own.model_copy(
            update={
                "pixel_threshold": self.threshold,
                # masks at other thresholds hold all pixels above them
                "seed_threshold": own.seed_threshold if self.threshold == self._own else None,
                "min_area": self.min_area,
            }
        )
        self.thresholds = before.model_copy(
            update={"classes": before.classes | {asked.class_id: changed}}
        )
        # at the own threshold, `predictions` has all masks that the minimum area kept
        if self.threshold != self._own or self.min_area < own.min_area:
            self._require_level()

    @property
    def derived_bundle(self) -> str:
        """Id of the answer in the column `bundle`: the bundle, and what differs from it."""
        return (
            f"{self.bundle}/class={self.class_id},threshold={self.threshold!r},"
            f"min_area={self.min_area}"
        )

    @property
    def question(self) -> str:
        """What was asked, as JSON."""
        return json.dumps(
            {
                "derived_from": self.bundle,
                "class": self.class_id,
                "threshold": self.threshold,
                "min_area": self.min_area,
            }
        )

    def summary(self) -> str:
        """Return, for people, what is found of the class before and after."""
        (before,) = self._connection.execute(_BEFORE, [self.bundle, self.class_id]).fetchall()
        pictures, area = self._counted()
        name = self.class_names().get(str(self.class_id), "")
        return (
            f"class {self.class_id} {name} of bundle {self.bundle[:12]}: pixels above "
            f"{self.threshold:g}, at least {self.min_area} of them: found on {pictures} pictures, "
            f"{area} pixels; as it was scored: on {before[0]} pictures, {before[1] or 0} pixels"
        )

    def _counted(self) -> tuple[int, int]:
        """Return the number of pictures and of pixels of the answer."""
        asked: list[tuple[str, list[object]]] = [(_LEVELS, [*self._parameters(), self.threshold])]
        if self.threshold == self._own:
            asked.append((_KEPT, self._parameters()))
        pictures = area = 0
        for statement, parameters in asked:
            counted = f"SELECT count(*), coalesce(sum(area), 0) FROM ({statement})"  # noqa: S608
            ((more, pixels),) = self._connection.execute(counted, parameters).fetchall()
            pictures, area = pictures + int(more), area + int(pixels)
        return pictures, area

    def class_names(self) -> dict[str, str]:
        """Return the names of the classes, by id."""
        names: dict[str, str] = json.loads(self._one("max_by(classes, scored_at)") or "{}")
        return names

    def found(self) -> Iterator[pa.Table]:
        """Yield the findings of the class, with the columns of `FOUND`; pictures in any order."""
        parameters = self._parameters()
        if self.threshold == self._own:
            for batch in self._batches(_KEPT, parameters):
                yield batch.cast(FOUND)
        for batch in self._batches(_LEVELS, [*parameters, self.threshold]):
            yield _as_found(batch)

    def others(self) -> Iterator[pa.Table]:
        """Yield the findings of the other classes, which do not change."""
        for batch in self._batches(_OTHERS, [self.bundle, self.class_id]):
            yield batch.cast(FOUND)

    def images(self) -> Iterator[pa.Table]:
        """Yield the rows of `images` of the bundle, with all their columns."""
        yield from self._batches(_IMAGES, [self.bundle])

    def _batches(self, statement: str, parameters: list[object]) -> Iterator[pa.Table]:
        relation = self._connection.sql(statement, params=parameters)
        for batch in record_batches(relation, _BATCH):
            yield pa.Table.from_batches([batch])

    def _parameters(self) -> list[object]:
        """Return bundle, class, minimum area, and threshold and area of a soft gate."""
        gate = self.thresholds.gate
        soft = gate is not None and gate.mode is GateMode.SOFT and gate.threshold > 0
        gate_threshold, soft_area = (gate.threshold, gate.soft_area) if gate and soft else (1.0, 0)
        return [self.bundle, self.class_id, self.min_area, gate_threshold, soft_area]

    def _thresholds(self) -> Thresholds:
        stated = self._one("max_by(thresholds, scored_at)")
        if stated is None:
            raise TableError(
                f"bundle {self.bundle[:12]} was scored by a version that kept no thresholds; score "
                "the archive again, into an output of its own, with the setting mask_levels"
            )
        return Thresholds.model_validate_json(stated)

    def _one(self, expression: str) -> str | None:
        statement = f"SELECT {expression} FROM runs WHERE job = 'score' AND bundle = ?"  # noqa: S608
        # all rows at once: an unread result would block the connection
        ((value,),) = self._connection.execute(statement, [self.bundle]).fetchall()
        return None if value is None else str(value)

    def _require_level(self) -> None:
        """Raise if a run whose pictures count has not kept the masks at the threshold."""
        runs = self._connection.execute(_RUNS, [self.bundle]).fetchall()
        for run_id, pictures, settings in runs:
            levels = json.loads(settings).get("mask_levels") or []
            kept = sorted({*levels, self._own}) if levels else []
            if self.threshold not in kept:
                raise SettingsError(
                    f"run {run_id} ({pictures} pictures) kept no masks of class {self.class_id} at "
                    f"{self.threshold:g}; {_remedy(kept, self._own)}"
                )


def _remedy(kept: list[float], own: float) -> str:
    if kept:
        known = ", ".join(f"{level:g}" for level in kept)
        return (
            f"it kept {known}; choose one of these: what lies between is not known; or score again "
            "with this level in the setting mask_levels"
        )
    return (
        f"without the setting mask_levels it kept only what was found at {own:g}; score again with "
        "this level in mask_levels"
    )


@contextmanager
def rethresholded(
    store: Store, asked: NewThreshold, bundle: str | None = None
) -> Iterator[Rethreshold]:
    """Open an output, and yield what a bundle would have found; it is read while the block runs.

    Args:
        store: the output.
        asked: the question.
        bundle: first characters of the bundle's digest; None for the bundle of the latest run.

    Raises:
        SettingsError: the bundle does not have the class, or the masks at this threshold were not
            kept.
        TableError: there are no tables, or no such bundle, or a version that kept no thresholds has
            scored.
        StoreUnavailableError: the store does not answer.
    """
    with opened_database(store) as connection:
        yield Rethreshold(connection, asked, bundle)


def _as_found(batch: pa.Table) -> pa.Table:
    """Return masks of `mask_levels` with the columns of `FOUND`."""
    starts, lengths = (batch[name].combine_chunks() for name in ("starts", "lengths"))
    heights = batch["height"].to_numpy().astype("int64")
    made = {"run_lengths": run_length_texts(starts, lengths), **boxes(starts, lengths, heights)}
    columns = [made[name] if name in made else batch[name] for name in FOUND.names]
    return pa.table(columns, names=FOUND.names).cast(FOUND)


# what a soft gate adds to the minimum area, as `gating.added_area` computes it
_ADDED = "coalesce(round_even($5 * greatest(1 - gate_probability::DOUBLE / $4, 0), 0)::BIGINT, 0)"
_KEPT = f"""
SELECT found.source, found.key, found.image_id, class_id, class_name, run_lengths, area, share,
    box_top, box_left, box_bottom, box_right, found.regions, mean_probability, max_probability
FROM predictions AS found JOIN newest_images USING (source, key, run_id)
WHERE newest_images.bundle = $1 AND class_id = $2 AND area >= $3 + {_ADDED}
"""  # noqa: S608
_LEVELS = f"""
SELECT mask.source, mask.key, mask.image_id, class_id, class_name, starts, lengths, area,
    area / (width::BIGINT * height) AS share, height, mask.regions, mean_probability,
    max_probability
FROM mask_levels AS mask JOIN newest_images USING (source, key, run_id)
WHERE newest_images.bundle = $1 AND class_id = $2 AND level = $6 AND area >= $3 + {_ADDED}
"""  # noqa: S608
_OTHERS = """
SELECT found.source, found.key, found.image_id, class_id, class_name, run_lengths, area, share,
    box_top, box_left, box_bottom, box_right, found.regions, mean_probability, max_probability
FROM predictions AS found JOIN newest_images USING (source, key, run_id)
WHERE newest_images.bundle = $1 AND class_id <> $2
"""
_IMAGES = "SELECT * EXCLUDE (name) FROM newest_images WHERE bundle = $1"
_BEFORE = """
SELECT count(*), sum(area)::BIGINT
FROM predictions JOIN newest_images USING (source, key, run_id)
WHERE newest_images.bundle = $1 AND class_id = $2
"""
_RUNS = """
SELECT run_id, count(*) AS pictures, any_value(settings) AS settings
FROM newest_images JOIN runs USING (run_id)
WHERE newest_images.bundle = $1 AND verdict <> 'gated'
GROUP BY run_id ORDER BY run_id
"""

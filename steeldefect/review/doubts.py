"""Find what is doubtful on the pictures of a bundle, from the tables alone: DuckDB does the work.

The score of a doubt is between 0 and 1:

- `gate`: the odds of the probability divided by the odds of the threshold, or the inverse if that
  is smaller. The odds of p are p / (1 - p). So 0.012 is as near to 0.010 as 0.55 is to 0.50.
- `probability`: the same for the mean probability of a region, times the region's share of its
  class's area: a speck beside a large, certain region is no reason to look. A calibrated mean is
  first turned back into the model's own, on whose scale the threshold lies. If the class has a seed
  threshold, the largest probability of the region and that threshold count instead. A class without
  a region counts by its largest probability, if the setting `mask_levels` kept it.
- `area_above` and `area_below`: the smaller of area and minimum area, divided by the greater. The
  minimum area applies to all regions of a class on a picture together. A soft gate raises it.
- `disagreement`: how sure one bundle is of what the other does not see. That is 1 minus the largest
  intersection over union that the two masks of a class can have, by their areas and boxes; times
  the greater mean probability of the two. Only pictures count whose file did not change between
  the two, and classes that both bundles have.

- `audit`: the mean probability of what the audit found on a picture that the gate stopped, at
  least `LEAST_SCORE`: all of it is doubtful, because the two models disagree.

What scores below `LEAST_SCORE` is no doubt: its probability or area is not near the threshold.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from steeldefect.bundle.manifest import GateMode
from steeldefect.publish.thresholds import Thresholds

LEAST_SCORE = 0.5
"""Least score of a doubt: areas, or odds, within a factor of two."""


@dataclass(frozen=True)
class Compared:
    """What the findings of a bundle are compared with.

    Attributes:
        bundle: digest of the bundle.
        thresholds: its thresholds; None if the tables do not state them.
        other: digest of another bundle; None if no other has scored.
    """

    bundle: str
    thresholds: Thresholds | None
    other: str | None


def find_doubts(connection: duckdb.DuckDBPyConnection, compared: Compared) -> None:
    """Fill the table `doubts` of a database: at most one row of each kind for a picture.

    Its columns are `source`, `key`, `class_id` and the attributes of
    `steeldefect.review.reasons.Doubt`. The rows stay in DuckDB.
    """
    connection.execute(_MACROS)
    connection.execute(_TABLE)
    parts = [*_of_thresholds(connection, compared), *_of_disagreement(connection, compared)]
    if parts:
        selects = " UNION ALL BY NAME ".join(part.select for part in parts)
        parameters = {name: value for part in parts for name, value in part.parameters.items()}
        parameters |= _of_pictures(compared) | {"least": LEAST_SCORE}
        connection.execute(f"{_INSERT}{selects}{_STRONGEST}", parameters)


@dataclass(frozen=True)
class _Part:
    """A query for the doubts of one kind, and the parameters that only this query has."""

    select: str
    parameters: dict[str, Any] = field(default_factory=dict)


def _of_pictures(compared: Compared) -> dict[str, Any]:
    """Return the bundle, and the area and the threshold of a soft gate."""
    gate = None if compared.thresholds is None else compared.thresholds.gate
    soft = gate is not None and gate.mode is GateMode.SOFT and gate.threshold > 0
    area, below = (gate.soft_area, gate.threshold) if gate and soft else (0, 1.0)
    return {"bundle": compared.bundle, "soft_area": area, "soft_below": below}


def _of_thresholds(connection: duckdb.DuckDBPyConnection, compared: Compared) -> list[_Part]:
    if compared.thresholds is None:
        return [_Part(_AUDIT)]
    connection.register("class_thresholds", _class_thresholds(compared.thresholds))
    parts = [_Part(select) for select in (_AUDIT, _PROBABILITY, _NOT_REACHED, _ABOVE, _BELOW)]
    gate = compared.thresholds.gate
    if gate is not None and gate.threshold > 0:  # at 0 every picture passes
        parts.append(_Part(_GATE, {"gate_threshold": gate.threshold}))
    return parts


def _of_disagreement(connection: duckdb.DuckDBPyConnection, compared: Compared) -> list[_Part]:
    if compared.other is None:
        return []
    mine, theirs = (_classes_of(connection, one) for one in (compared.bundle, compared.other))
    unshared = sorted(mine ^ theirs) if mine and theirs else []
    return [_Part(_DISAGREEMENT, {"other": compared.other, "unshared": unshared})]


def _classes_of(connection: duckdb.DuckDBPyConnection, bundle: str) -> set[int]:
    """Return the ids of the classes of a bundle, as its runs state them."""
    stated = connection.execute(_STATED_CLASSES, [bundle]).fetchall()
    return {int(one) for (classes,) in stated for one in json.loads(classes)}


def _class_thresholds(thresholds: Thresholds) -> pa.Table:
    rows = [
        {
            "class_id": one,
            "threshold": its.pixel_threshold,
            "seed": its.seed_threshold,
            "min_area": its.min_area,
            "model": its.region_curve and its.region_curve.model,
            "calibrated": its.region_curve and its.region_curve.calibrated,
        }
        for one, its in thresholds.classes.items()
    ]
    columns = [("class_id", pa.int32()), ("min_area", pa.int64())]
    columns += [(name, pa.float64()) for name in ("threshold", "seed")]
    columns += [(name, pa.list_(pa.float64())) for name in ("model", "calibrated")]
    return pa.Table.from_pylist(rows, pa.schema(columns))


_STATED_CLASSES = "SELECT DISTINCT classes FROM runs WHERE job = 'score' AND bundle = ?"

# the odds are clipped as `steeldefect.detection.gating.logit` clips them
_MACROS = """
CREATE OR REPLACE TEMP MACRO odds(p) AS
    greatest(least(p, 1 - 1e-7), 1e-7) / (1 - greatest(least(p, 1 - 1e-7), 1e-7));
CREATE OR REPLACE TEMP MACRO nearness(p, threshold) AS
    least(odds(p) / odds(threshold), odds(threshold) / odds(p));
CREATE OR REPLACE TEMP MACRO between_points(p, x, y, place) AS
    y[place] + (p - x[place]) * (y[place + 1] - y[place]) / (x[place + 1] - x[place]);
CREATE OR REPLACE TEMP MACRO model_mean(p, model, calibrated) AS
    CASE WHEN model IS NULL THEN p
    ELSE between_points(p, calibrated, model, greatest(1, least(len(model) - 1,
        len(list_filter(calibrated, lambda one: one <= p)))))::FLOAT END;
CREATE OR REPLACE TEMP MACRO shared_length(begin_, end_, other_begin, other_end) AS
    greatest(least(end_, other_end) - greatest(begin_, other_begin), 0)::BIGINT;
"""
_TABLE = """
CREATE OR REPLACE TEMP TABLE doubts (
    source VARCHAR, key VARCHAR, kind VARCHAR, score DOUBLE, class_id INTEGER, class_name VARCHAR,
    value DOUBLE, bound DOUBLE, regions BIGINT, added BIGINT, complete BOOLEAN, other VARCHAR,
    largest BOOLEAN
)
"""
# `added` is computed as `steeldefect.detection.gating.added_area` does it
_INSERT = """
INSERT INTO doubts BY NAME
WITH pictures AS (
    SELECT source, key, run_id, etag, rejected_regions,
        CASE WHEN isfinite(gate_probability) THEN gate_probability::DOUBLE END AS gate,
        coalesce(round_even($soft_area * greatest(1 - gate / $soft_below, 0), 0), 0)::BIGINT
            AS added
    FROM newest_images WHERE bundle = $bundle
), found AS (
    SELECT predictions.*, added, etag
    FROM predictions JOIN pictures USING (source, key, run_id)
), every AS (
"""
_STRONGEST = """
)
SELECT * FROM every WHERE score >= $least
QUALIFY row_number() OVER (
    PARTITION BY source, key, kind ORDER BY score DESC, class_id, value, bound
) = 1
"""
_GATE = """
SELECT source, key, 'gate' AS kind, nearness(gate, $gate_threshold) AS score, gate AS value,
    $gate_threshold AS bound
FROM pictures WHERE gate IS NOT NULL
"""
_AUDIT = """
SELECT source, key, 'audit' AS kind, greatest(mean_probability, $least) AS score, class_id,
    class_name, area AS value, gate AS bound
FROM audit_predictions JOIN pictures USING (source, key, run_id)
"""
_PROBABILITY = """
SELECT source, key, 'probability' AS kind, class_id, region.class_name,
    CASE WHEN seed IS NULL THEN model_mean(region.mean_probability, model, calibrated)
        ELSE region.max_probability END AS value,
    coalesce(seed, threshold) AS bound, nearness(value, bound) * region.area / found.area AS score,
    seed IS NOT NULL AS largest
FROM defects AS region JOIN found USING (source, key, run_id, class_id)
JOIN class_thresholds USING (class_id)
WHERE kept
"""
# the setting mask_levels keeps masks at lower thresholds
_NOT_REACHED = """
SELECT source, key, 'probability' AS kind, class_id, class_name, max_probability AS value,
    coalesce(seed, threshold) AS bound, nearness(value, bound) AS score
FROM mask_levels SEMI JOIN pictures USING (source, key, run_id)
JOIN class_thresholds USING (class_id)
WHERE value <= bound
"""
_ABOVE = """
SELECT source, key, 'area_above' AS kind, (min_area + added) / area AS score, class_id, class_name,
    area AS value, min_area + added AS bound, regions, added, true AS complete
FROM found JOIN class_thresholds USING (class_id)
"""
_BELOW = """
SELECT source, key, 'area_below' AS kind, sum(area) / any_value(min_area + added) AS score,
    class_id, class_name, sum(area) AS value, any_value(min_area + added) AS bound,
    count(*) AS regions, any_value(added) AS added,
    sum(count(*)) OVER (PARTITION BY source, key) >= any_value(rejected_regions) AS complete
FROM defects JOIN pictures USING (source, key, run_id)
JOIN class_thresholds USING (class_id)
WHERE NOT kept
GROUP BY source, key, class_id, class_name
"""
# pixels in both masks: at most those of the smaller mask, and those in both boxes
_DISAGREEMENT = """
(
    WITH theirs_scored AS (
        SELECT source, key, run_id, etag FROM newest_images WHERE bundle = $other
    ), mine AS (
        SELECT found.* FROM found SEMI JOIN theirs_scored USING (source, key, etag)
    ), theirs AS (
        SELECT predictions.* FROM predictions
        JOIN theirs_scored USING (source, key, run_id)
        SEMI JOIN pictures USING (source, key, etag)
    ), compared AS (
        SELECT source, key, class_id,
            coalesce(mine.class_name, theirs.class_name) AS class_name,
            coalesce(mine.area, 0) AS value, coalesce(theirs.area, 0) AS bound,
            greatest(mine.mean_probability, theirs.mean_probability) AS sureness,
            CASE WHEN mine.area > 0 AND theirs.area > 0 THEN least(
                mine.area, theirs.area,
                shared_length(mine.box_top, mine.box_bottom, theirs.box_top, theirs.box_bottom)
                * shared_length(mine.box_left, mine.box_right, theirs.box_left, theirs.box_right)
            ) ELSE 0 END AS common
        FROM mine FULL JOIN theirs USING (source, key, class_id)
        WHERE NOT list_contains($unshared::INTEGER[], class_id)
    )
    SELECT source, key, 'disagreement' AS kind,
        (1 - common / (value + bound - common)) * sureness AS score,
        class_id, class_name, value, bound, $other AS other
    FROM compared
)
"""

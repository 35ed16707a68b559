"""Read what one scoring run saw from the tables; the time depends on the run, not on history."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import pyarrow as pa

from steeldefect.errors import TableError
from steeldefect.pictures.strip import Places, PlaceSettings
from steeldefect.watch.behind_gate import Reviewed
from steeldefect.watch.observed import Observed, observe
from steeldefect.watch.quantities import PICTURE_QUANTITIES


@dataclass(frozen=True)
class Night:
    """One scoring run.

    Attributes:
        run_id, bundle: its id, and the digest of its bundle.
        day: its partition.
        scored_at: its start (UTC).
        run_number: its number in the output; None for versions before 0.2.
        classes: names of the bundle's classes, by id.
        strip: how the run took the place of a picture from its key.
    """

    run_id: str
    bundle: str
    day: date
    scored_at: datetime
    run_number: int | None
    classes: dict[int, str]
    strip: PlaceSettings


def find_night(connection: duckdb.DuckDBPyConnection, run: str | None) -> Night:
    """Find a scoring run with pictures.

    Args:
        connection: database of `steeldefect.analysis.sql.open_database`.
        run: id of the run, or its first characters; None for the newest. A shadow's run is found
            by its whole id alone.

    Raises:
        TableError: there is no such run, or several ids begin so.
    """
    found = connection.execute(_RUNS, [run or ""]).fetchall()
    if not found:
        what = "no run has scored pictures" if run is None else f"no scoring run begins with {run}"
        raise TableError(f"{what} in these tables; see the table runs")
    if run is not None and len(found) > 1:
        raise TableError(f"{len(found)} scoring runs begin with {run}; give more of the id")
    run_id, bundle, day, scored_at, number, classes, settings = found[0]
    names = {int(one): str(name) for one, name in json.loads(classes).items()}
    strip = PlaceSettings.model_validate(json.loads(settings).get("strip") or {})
    return Night(run_id, bundle, day, scored_at, number, names, strip)


def shadows_of(connection: duckdb.DuckDBPyConnection, night: Night) -> dict[str, str]:
    """Return the digests of the bundles that scored beside a run, by the ids of their runs."""
    return dict(connection.execute(_SHADOWS, [night.run_id]).fetchall())


def observed_on(connection: duckdb.DuckDBPyConnection, night: Night) -> Observed:
    """Read the pictures, findings and failures of a run."""
    return observe(
        night.bundle,
        night.classes,
        images=_rows(connection, _IMAGES, night),
        predictions=_rows(connection, _FOUND, night),
        defects=_rows(connection, _DEFECTS, night),
        quarantine=_with_places(_rows(connection, _FAILED, night), Places(night.strip)),
    )


def _with_places(failed: pa.Table, places: Places) -> pa.Table:
    """Add camera and coil of failed pictures, as far as their keys state them."""
    found = [places.of(key, None) for key in failed["key"].to_pylist()]
    for name in ("camera", "coil"):
        values = pa.array([getattr(one, name) for one in found], pa.string())
        failed = failed.append_column(name, values)
    return failed


def gate_answers(connection: duckdb.DuckDBPyConnection, night: Night) -> pa.Table:
    """Read `gate_probability` and `passed` of each picture that a gate has judged."""
    return _rows(connection, _GATE, night)


@dataclass(frozen=True)
class Audit:
    """What the audit of the gate found in a run.

    Attributes:
        stopped: number of pictures that the gate stopped.
        audited: number of these that the audit segmented.
        flagged: number of audited pictures on which anything was found.
        by_class: number of audited pictures on which each class was found.
        reviewed: what people said of them.
    """

    stopped: int
    audited: int
    flagged: int
    by_class: dict[int, int]
    reviewed: Reviewed


def audit_of(connection: duckdb.DuckDBPyConnection, night: Night) -> Audit:
    """Count what the audit of the gate found, and what people said of its pictures.

    A review counts if it is of the same version of the picture, and of all classes of the bundle.
    """
    (counts,) = _rows(connection, _AUDIT, night).to_pylist()
    classes = _rows(connection, _AUDIT_CLASSES, night).to_pylist()
    names = [night.run_id, night.day, list(night.classes.values())]
    verdicts = dict(connection.execute(_VERDICTS, names).fetchall())
    stopped, audited, flagged = (int(counts[one] or 0) for one in ("stopped", "audited", "flagged"))
    seen = {one: verdicts.get(one) or 0 for one in ("flagged", "true", "clear", "clear_true")}
    return Audit(
        stopped,
        audited,
        flagged,
        {one["class_id"]: one["pictures"] for one in classes},
        Reviewed(stopped, audited, flagged, *(int(one) for one in seen.values())),
    )


def defects_around(connection: duckdb.DuckDBPyConnection, night: Night, days: int) -> pa.Table:
    """Read the defects of the run's bundle that were scored on the run's day or shortly before.

    A coil may be scored in two runs. Of a picture that was scored twice, only the newer row counts.

    Args:
        connection: database of the output.
        night: the run; later runs are not read.
        days: number of days before it.

    Returns:
        The columns that a search for repeats needs, and `tonight`: whether the run itself has
        pictures of the same coil.
    """
    first = night.day - timedelta(days=days)
    values = [night.bundle, first, night.day, night.run_number, night.run_id]
    return connection.sql(_AROUND, params=values).to_arrow_table()


def _rows(connection: duckdb.DuckDBPyConnection, statement: str, night: Night) -> pa.Table:
    return connection.sql(statement, params=[night.run_id, night.day]).to_arrow_table()


_RUNS = """
SELECT run_id, bundle, scored_date, scored_at, run_number, classes, settings FROM runs
WHERE job = 'score' AND (scored > 0 OR $1 <> '') AND starts_with(run_id, $1)
    AND (shadow_of IS NULL OR run_id = $1)
ORDER BY run_number DESC NULLS LAST, scored_at DESC LIMIT 2
"""
_SHADOWS = "SELECT run_id, bundle FROM runs WHERE shadow_of = ? ORDER BY run_id"
_OF_RUN = "WHERE run_id = $1 AND scored_date = $2"
_IMAGES = (
    "SELECT source, key, camera, coil, verdict, gate_probability, "  # noqa: S608
    f"{', '.join(PICTURE_QUANTITIES)} FROM images {_OF_RUN}"
)
_FOUND = f"SELECT source, key, class_id FROM predictions {_OF_RUN}"  # noqa: S608
_DEFECTS = f"SELECT source, key, class_id, kept, area, length FROM defects {_OF_RUN}"  # noqa: S608
_FAILED = f"SELECT source, key FROM quarantine {_OF_RUN}"  # noqa: S608
_GATE = (
    "SELECT gate_probability, verdict <> 'gated' AS passed FROM images "  # noqa: S608
    f"{_OF_RUN} AND gate_probability IS NOT NULL"
)
_AUDIT = (
    "SELECT count(*) AS stopped, count(audit_defects) AS audited, "  # noqa: S608
    f"count_if(audit_defects > 0) AS flagged FROM images {_OF_RUN} AND verdict = 'gated'"
)
_AUDIT_CLASSES = (
    f"SELECT class_id, count(*) AS pictures FROM audit_predictions {_OF_RUN} "  # noqa: S608
    "GROUP BY class_id ORDER BY class_id"
)
# counts by kind: pictures reviewed, and pictures that people call defective
_VERDICTS = """
WITH audited AS (
    SELECT source, key, etag, audit_defects > 0 AS flagged FROM images
    WHERE run_id = $1 AND scored_date = $2 AND verdict = 'gated' AND audit_defects IS NOT NULL
), judged AS (
    SELECT source, key, flagged, bool_or(run_lengths <> '') AS defective
    FROM audited JOIN newest_reviews USING (source, key, etag)
    GROUP BY ALL
    HAVING list_has_all(list(class_name), $3::VARCHAR[])
)
SELECT unnest(['flagged', 'true', 'clear', 'clear_true']) AS what, unnest([
    count_if(flagged), count_if(flagged AND defective),
    count_if(NOT flagged), count_if(NOT flagged AND defective)
]) AS pictures
FROM judged
"""
_AROUND = """
WITH recent AS (
    SELECT source, key, run_id, coil FROM images
    WHERE bundle = $1 AND scored_date BETWEEN $2 AND $3
        AND ($4::BIGINT IS NULL OR run_number <= $4)
    QUALIFY row_number() OVER (
        PARTITION BY source, key ORDER BY run_number DESC NULLS LAST, scored_at DESC
    ) = 1
), coils AS (
    SELECT DISTINCT coil FROM recent WHERE run_id = $5 AND coil IS NOT NULL
)
SELECT found.source, found.key, number, class_id, class_name, found.coil, camera, side, along_mm,
    across_mm, centroid_x, centroid_y, found.coil IN (SELECT coil FROM coils) AS tonight
FROM defects AS found SEMI JOIN recent USING (source, key, run_id)
WHERE kept AND bundle = $1 AND scored_date BETWEEN $2 AND $3
ORDER BY found.source, found.key, number
"""

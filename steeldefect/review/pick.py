"""Pick the pictures that a person should look at: a ranked queue that says why, for each picture.

Most of the queue is doubtful: pictures on which the gate or a region is near its threshold, a class
is near its minimum area, or two bundles disagree. The kinds of doubts take turns, so that none
crowds out the others.

The rest, the *random share*, keeps the queue honest: from doubtful pictures alone, nobody learns
how often the bundle is wrong. These pictures are the first of a random order of all pictures that
the bundle scored, also those that the gate stopped. Three rules keep them a uniform sample:

- Whether a picture is drawn depends on seed, source and key alone, so it is the same in every call.
  A drawn picture stays in the random share if it is doubtful, too; its reason says so.
- A doubtful picture never displaces a drawn one, not even as its near-duplicate. If near-duplicates
  were drawn, the first of them is in the queue, and its reason says how many it stands for: count
  it that often.
- Reviewed pictures keep their place in the order. So all pictures up to the last one that was
  drawn are a uniform sample, those that were reviewed for another reason included. The reason
  states the place.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import duckdb
import pyarrow as pa

from steeldefect.analysis.sql import choose_bundle, opened_database
from steeldefect.errors import SettingsError
from steeldefect.review.candidates import drawn_at_random, most_doubtful
from steeldefect.review.doubts import Compared, find_doubts
from steeldefect.review.queue import Place, build_queue
from steeldefect.review.reasons import Kind
from steeldefect.review.stored_pictures import StoredPictures
from steeldefect.review.thresholds import stated_thresholds
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store

_CANDIDATES = 4  # pictures that are ranked for each place: near-duplicates leave places free

COLUMNS = pa.schema(
    [
        ("rank", pa.int32()),
        *((name, pa.string()) for name in ("source", "key", "image_id", "run_id", "bundle")),
        ("reason", pa.string()),
        ("kind", pa.string()),
        ("score", pa.float64()),
        ("coil", pa.string()),
        ("position_mm", pa.float64()),
    ]
)
"""Columns of a queue."""


@dataclass(frozen=True)
class Wanted:
    """What to pick.

    Attributes:
        bundle: first characters of a bundle's digest; None for the bundle of the latest run.
        other: first characters of the digest of a bundle to compare it with; None for the bundle
            that scored before it, if there is one.
        count: largest number of pictures.
        random_share: share of them that is drawn at random, 0 to 1.
        seed: chooses another random share.
    """

    bundle: str | None = None
    other: str | None = None
    count: int = 100
    random_share: float = 0.1
    seed: int = 0

    @property
    def drawn(self) -> int:
        """Number of pictures that are drawn at random: the share of the count, rounded."""
        return int(self.count * self.random_share + 0.5)


@dataclass(frozen=True)
class Picked:
    """One picture of the queue.

    Attributes:
        rank: its place, from 1.
        source, key, image_id, run_id, bundle: columns of its newest row of `images`.
        reason: why it was picked, for people; other reasons follow after "also".
        kind: kind of the reason.
        score: how doubtful it is, 0 to 1: its strongest doubt; 0 if there is none.
        coil, position_mm: where it lies; None where unknown.
    """

    rank: int
    source: str
    key: str
    image_id: str
    run_id: str
    bundle: str
    reason: str
    kind: Kind
    score: float
    coil: str | None
    position_mm: float | None


@dataclass(frozen=True)
class ReviewQueue:
    """The pictures to look at.

    Attributes:
        rows: the pictures, in their order.
        notes: what people should know about the queue, one line each.
    """

    rows: tuple[Picked, ...]
    notes: tuple[str, ...]

    def table(self) -> pa.Table:
        """Return the rows as a table with the columns `COLUMNS`."""
        rows = [asdict(row) | {"kind": row.kind.value} for row in self.rows]
        return pa.Table.from_pylist(rows, COLUMNS)


def pick(store: Store, settings: ScoreSettings, wanted: Wanted | None = None) -> ReviewQueue:
    """Return the pictures of an output that a person should look at; see this module.

    The tables say what is doubtful. Only candidates are read from their archive, to leave out
    near-duplicates. A picture that cannot be read now stays in the queue, and its reason says so.

    Args:
        store: the output.
        settings: how the archive is reached, and the limits for reading pictures.
        wanted: what to pick; None for the defaults.

    Raises:
        SettingsError: count or share is out of range, or a bundle is compared with itself.
        TableError: there are no tables, or no such bundle.
        StoreUnavailableError: the store of the tables does not answer.
    """
    wanted = wanted or Wanted()
    _check(wanted)
    with opened_database(store) as connection:
        compared, notes = _comparison(connection, wanted)
        find_doubts(connection, compared)
        drawn = drawn_at_random(connection, compared.bundle, wanted.seed, wanted.drawn)
        limit = wanted.count * _CANDIDATES
        doubtful = most_doubtful(connection, compared.bundle, limit)
    places = build_queue(drawn, doubtful, wanted.count, StoredPictures(settings))
    if len(places) < wanted.count:
        why = "no other one is doubtful"
        if len(doubtful) == limit:
            why = f"the others of {limit} candidates are near-duplicates; --count takes more"
        notes.append(f"{len(places)} of {wanted.count} pictures: {why}")
    rows = (_row(place, rank, compared.bundle, wanted.seed) for rank, place in enumerate(places, 1))
    return ReviewQueue(tuple(rows), tuple(notes))


def _check(wanted: Wanted) -> None:
    """Raise if a number is out of range."""
    if wanted.count < 1:
        raise SettingsError(f"count {wanted.count}: expected 1 or more")
    if not 0 <= wanted.random_share <= 1:
        raise SettingsError(f"random share {wanted.random_share:g}: expected 0 to 1")


def _comparison(
    connection: duckdb.DuckDBPyConnection, wanted: Wanted
) -> tuple[Compared, list[str]]:
    """Return what the findings are compared with, and notes on what is left out.

    Raises:
        SettingsError: the two bundles are the same.
    """
    bundle = choose_bundle(connection, wanted.bundle)
    thresholds, notes = stated_thresholds(connection, bundle), []
    if thresholds is None:
        notes.append(
            f"bundle {bundle[:12]} was scored by a version that kept no thresholds: gate, "
            "probability, area_above and area_below are left out"
        )
    else:
        ((unmeasured,),) = connection.execute(_UNMEASURED, [bundle]).fetchall()
        if unmeasured:
            notes.append(
                f"pictures that a version scored that measured no regions: {unmeasured}; "
                "probability and area_below are left out for them"
            )
    if wanted.other is not None:
        other = choose_bundle(connection, wanted.other)
        if other == bundle:
            raise SettingsError(f"{other[:12]} is the bundle itself; compare it with another")
        return Compared(bundle, thresholds, other), notes
    found = connection.execute(_BEFORE, [bundle]).fetchall()
    if found:
        notes.append(f"disagreement: compared with bundle {found[0][0][:12]}")
    return Compared(bundle, thresholds, found[0][0] if found else None), notes


def _row(place: Place, rank: int, bundle: str, seed: int) -> Picked:
    one = place.candidate
    reasons = [doubt.sentence() for doubt in one.doubts]
    if place.stands_for:
        reasons.insert(0, _drawn_sentence(one.draw or 0, seed, place.stands_for))
    reason = reasons[0] + (f"; also {'; '.join(reasons[1:])}" if reasons[1:] else "")
    if place.problem:
        reason += f"; not compared with others, as it cannot be read now: {place.problem}"
    return Picked(
        rank=rank,
        source=one.source,
        key=one.key,
        image_id=one.image_id,
        run_id=one.run_id,
        bundle=bundle,
        reason=reason,
        kind=Kind.RANDOM if place.stands_for else one.doubts[0].kind,
        score=one.doubts[0].score if one.doubts else 0.0,
        coil=one.coil,
        position_mm=one.position_mm,
    )


def _drawn_sentence(draw: int, seed: int, stands_for: int) -> str:
    more = f", for {stands_for} drawn pictures of this view" if stands_for > 1 else ""
    return f"drawn at random, number {draw} with seed {seed}{more}"


_BEFORE = """
SELECT bundle FROM images
WHERE bundle <> ? AND run_id NOT IN (SELECT run_id FROM runs WHERE shadow_of IS NOT NULL)
GROUP BY bundle ORDER BY max(run_number) DESC NULLS LAST, max(scored_at) DESC LIMIT 1
"""
_UNMEASURED = """
SELECT count(*) FROM newest_images WHERE bundle = ? AND regions IS NULL AND verdict <> 'gated'
"""

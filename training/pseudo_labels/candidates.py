"""Read the answers of a bundle from the tables of an output: pictures that may become labels.

Some pictures are left out here, whatever the bundle says of them:

- A picture whose newest row is of another bundle.
- A picture with a row in `quarantine`: its bytes were in doubt once.
- A picture that a person has reviewed, unless all masks of the review are those of the bundle.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb

from steeldefect.analysis.sql import choose_bundle, opened_database
from steeldefect.bundle.manifest import UNKNOWN
from steeldefect.errors import DataError, TableError
from steeldefect.publish.thresholds import Thresholds
from steeldefect.stores import Store

CLEAN_FOR_EACH = 20
"""Clean pictures that are read for each picture asked for: most of an archive is clean, and only as
many clean pictures are taken as defective ones."""


class FoundRegion(NamedTuple):
    """One region that counts: id of its class, and mean probability of its pixels, float32."""

    class_id: int
    probability: float


class FoundMask(NamedTuple):
    """One finding: its run lengths as text, and the mean probability of its pixels."""

    runs: str
    probability: float


@dataclass(frozen=True)
class Candidate:
    """One picture of an archive, with what a bundle says of it.

    Attributes:
        source, key, image_id, etag, run_id: as in the table `images`.
        coil: coil that it shows; None if unknown.
        verdict: `gated`, `clean` or `defect`.
        gate_probability: probability of a defect, float32; None without a gate.
        novelty: as in `images`; None if the bundle does not judge it.
        rejected: number of regions that minimum areas removed; None in old rows.
        audit_defects: number of classes that the audit of the gate found; None if the picture was
            not audited.
        masks: the findings, by class.
        regions: the regions of these findings.
    """

    source: str
    key: str
    image_id: str
    etag: str
    run_id: str
    coil: str | None
    verdict: str
    gate_probability: float | None
    novelty: float | None
    rejected: int | None
    audit_defects: int | None
    masks: Mapping[int, FoundMask]
    regions: tuple[FoundRegion, ...]

    @property
    def place(self) -> tuple[str, str]:
        """Source and key, which name the picture."""
        return self.source, self.key


@dataclass(frozen=True)
class Archive:
    """What the tables hold of one bundle.

    Attributes:
        bundle: whole digest of the bundle.
        class_names: names of its classes by id; not that of the unknown.
        gate_threshold: threshold of its gate; None without a gate, or if old tables do not say.
        candidates: pictures, in a random order that the seed fixes; of those without a finding,
            the first `CLEAN_FOR_EACH` times as many as are asked for.
        reviewed: number of pictures that were left out because people have reviewed them, and did
            not confirm every mask.
    """

    bundle: str
    class_names: Mapping[int, str]
    gate_threshold: float | None
    candidates: tuple[Candidate, ...]
    reviewed: int


def read_archive(store: Store, bundle: str, most: int, seed: int) -> Archive:
    """Read what the tables of an output hold of one bundle.

    Args:
        store: the output.
        bundle: digest of a bundle, or its first characters.
        most: largest number of pictures that are asked for.
        seed: seed of the order of the pictures.

    Raises:
        TableError: there are no tables, or no such bundle in them.
        StoreUnavailableError: the store does not answer.
        DataError: no picture was scored by this bundle last.
    """
    with opened_database(store) as connection:
        digest = choose_bundle(connection, bundle)
        limits = {"digest": digest, "seed": str(seed), "clean": CLEAN_FOR_EACH * most}
        connection.execute(_CHOSEN, limits)
        found = _candidates(connection)
        if not found:
            raise DataError(
                f"bundle {digest[:12]} has not given the newest answer on any usable picture in "
                f"{store.uri}; score the archive with it again, or name the bundle that did"
            )
        names, threshold = _of_the_bundle(connection, digest)
        reviews = _reviews(connection)
    kept = tuple(one for one in found if _agrees(one, reviews.get(one.place), names))
    return Archive(digest, names, threshold, kept, len(found) - len(kept))


def _of_the_bundle(
    connection: duckdb.DuckDBPyConnection, digest: str
) -> tuple[dict[int, str], float | None]:
    rows = connection.execute(_RUN, [digest]).fetchall()
    if not rows:
        raise TableError(f"the table runs has no row of bundle {digest[:12]}; score with it again")
    classes, thresholds = rows[0]
    names = {int(number): str(name) for number, name in json.loads(classes).items()}
    gate = None if thresholds is None else Thresholds.model_validate_json(thresholds).gate
    known = {number: name for number, name in names.items() if name != UNKNOWN}
    return known, None if gate is None else gate.threshold


def _candidates(connection: duckdb.DuckDBPyConnection) -> list[Candidate]:
    masks: dict[tuple[str, str], dict[int, FoundMask]] = defaultdict(dict)
    for source, key, class_id, *mask in connection.execute(_MASKS).fetchall():
        masks[source, key][class_id] = FoundMask(*mask)
    regions: dict[tuple[str, str], list[FoundRegion]] = defaultdict(list)
    for source, key, *region in connection.execute(_REGIONS).fetchall():
        regions[source, key].append(FoundRegion(*region))
    found = []
    for row in connection.execute(_PICTURES).fetchall():
        known = dict(zip(_COLUMNS, row, strict=True))
        place = row[0], row[1]
        found.append(Candidate(**known, masks=masks[place], regions=tuple(regions[place])))
    return found


def _reviews(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], list[Any]]:
    """Return the newest reviews of the chosen pictures: (etag, class name, run lengths) each."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for source, key, *review in connection.execute(_REVIEWS).fetchall():
        found[source, key].append(review)
    return found


def _agrees(
    candidate: Candidate, reviews: list[Any] | None, class_names: Mapping[int, str]
) -> bool:
    """Return whether nobody has reviewed a picture, or the reviews state the bundle's masks."""
    if reviews is None:
        return True
    own = {class_names.get(number, ""): one.runs for number, one in candidate.masks.items()}
    stated = {name: runs for _, name, runs in reviews if runs}
    return own == stated and all(etag == candidate.etag for etag, _, _ in reviews)


# `rank`, not `row_number`: a shadow scores a picture in the same run as the bundle that leads;
# the order does not ask where an archive lies: one that moves gives the same choice
_CHOSEN = """
CREATE TEMP TABLE chosen AS
WITH newest AS (
    SELECT source, key, image_id, etag, run_id, bundle, coil, verdict, gate_probability, novelty,
        rejected_regions, audit_defects
    FROM images
    QUALIFY rank() OVER (
        PARTITION BY source, key ORDER BY run_number DESC NULLS LAST, scored_at DESC
    ) = 1
), numbered AS (
    SELECT newest.*,
        row_number() OVER (
            PARTITION BY verdict = 'defect'
            ORDER BY md5(concat_ws(chr(10), $seed, key)), source, key
        ) AS turn
    FROM newest ANTI JOIN quarantine USING (source, key)
    WHERE newest.bundle = $digest
)
SELECT * FROM numbered WHERE verdict = 'defect' OR turn <= $clean
"""
_COLUMNS = (
    *("source", "key", "image_id", "etag", "run_id", "coil", "verdict"),
    *("gate_probability", "novelty", "rejected", "audit_defects"),
)
_PICTURES = """
SELECT source, key, image_id, etag, run_id, coil, verdict, gate_probability, novelty,
    rejected_regions, audit_defects
FROM chosen ORDER BY verdict = 'defect' DESC, turn
"""
_MASKS = """
SELECT source, key, class_id, run_lengths, mean_probability
FROM predictions SEMI JOIN chosen USING (source, key, run_id)
ORDER BY source, key, class_id
"""
_REGIONS = """
SELECT source, key, class_id, mean_probability
FROM defects SEMI JOIN chosen USING (source, key, run_id)
WHERE kept ORDER BY source, key, number
"""
_REVIEWS = """
SELECT source, key, etag, class_name, run_lengths
FROM newest_reviews SEMI JOIN chosen USING (source, key)
ORDER BY source, key, class_name
"""
_RUN = """
SELECT classes, thresholds FROM runs WHERE bundle = ? AND job = 'score'
ORDER BY run_number DESC NULLS LAST, scored_at DESC LIMIT 1
"""

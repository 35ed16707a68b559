"""Compare two bundles on the same held-out pictures, with intervals of the differences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd
from pydantic import BaseModel, ConfigDict

from steeldefect.bundle.fetch import Published, find_bundle
from steeldefect.bundle.manifest import Manifest, Score
from steeldefect.errors import PromotionError
from steeldefect.labels.label_files import listed
from steeldefect.stores import S3Settings
from training.evaluation.held_out_csv import HELD_OUT_NAME, HeldOutRows, read_held_out
from training.registry.bootstrap import Metric, difference_intervals, joint_groups


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Figure(_Part):
    """One metric of both bundles.

    `difference` is second - first. `interval` is the 95% interval of the difference. A number is
    None if no picture supports it.
    """

    name: str
    class_id: int | None = None
    class_name: str | None = None
    first: float | None
    second: float | None
    difference: float | None
    interval: tuple[float, float] | None


class Named(_Part):
    """Address, digest and recipe of a compared bundle."""

    address: str
    digest: str
    recipe: str


class Comparison(_Part):
    """The result of a comparison.

    `notes` warn about the numbers. `unoutlined` counts defective pictures without drawn masks:
    only the gate's metrics use them.
    """

    first: Named
    second: Named
    notes: tuple[str, ...] = ()
    pictures: int
    groups: int
    unoutlined: int
    figures: list[Figure]

    def figure(self, name: str) -> Figure | None:
        """Return an overall metric; None if neither bundle has it."""
        found = (one for one in self.figures if one.name == name and one.class_id is None)
        return next(found, None)


@dataclass(frozen=True)
class Contender:
    """A bundle to compare.

    Attributes:
        name: address as given (may be an alias), digest and recipe.
        home: address of the bundle's own folder or prefix.
        manifest: manifest of the bundle.
        fingerprint: fingerprint of the data set that the rows come from.
        rows: results on held-out pictures; None if the bundle carries none.
        notes: warnings about these results.
    """

    name: Named
    home: str
    manifest: Manifest
    fingerprint: str
    rows: HeldOutRows | None
    notes: tuple[str, ...] = ()

    def measured(self, rows: HeldOutRows, fingerprint: str, notes: tuple[str, ...]) -> Contender:
        """Return a copy with results on other pictures."""
        return replace(self, rows=rows, fingerprint=fingerprint, notes=notes)


def find_contender(uri: str, s3: S3Settings) -> Contender:
    """Find a bundle and read its manifest and its held-out results.

    Args:
        uri: folder, S3 address, or alias.
        s3: settings of the S3 connection.

    Raises:
        BundleError: there is no bundle, or it is altered.
    """
    return as_contender(uri, find_bundle(uri, s3))


def as_contender(address: str, published: Published) -> Contender:
    """Read the held-out results of a published bundle.

    Raises:
        BundleError: the results are missing or altered.
    """
    training = published.manifest.training
    carried = HELD_OUT_NAME in published.manifest.files
    rows = read_held_out(published.read(HELD_OUT_NAME), address) if carried else None
    name = Named(address=address, digest=published.digest, recipe=training.recipe_name)
    home = published.store.uri
    return Contender(name, home, published.manifest, training.data_fingerprint, rows)


def why_not_comparable(first: Contender, second: Contender) -> str | None:
    """Return the reason why two bundles cannot be compared; None if they can."""
    for one in (first, second):
        if one.rows is None:
            return f"{_short(one)} carries no {HELD_OUT_NAME}"
    if first.fingerprint != second.fingerprint:
        return f"{_short(first)} and {_short(second)} were trained on different data"
    return None if first.rows is None or second.rows is None else _differ(first.rows, second.rows)


def compare(first: Contender, second: Contender) -> Comparison:
    """Compare two bundles.

    Raises:
        PromotionError: the bundles cannot be compared, see `why_not_comparable`.
    """
    problem = why_not_comparable(first, second)
    if problem is not None or first.rows is None or second.rows is None:
        raise PromotionError(
            f"cannot compare: {problem}; fit both with the same split file, or run both on one "
            "split: --data DIR --split FILE"
        )
    intervals = difference_intervals(first.rows, second.rows)
    groups = joint_groups(first.rows.pictures["group"], second.rows.pictures["group"])
    names = {one.id: one.name for side in (first, second) for one in side.manifest.classes}
    return Comparison(
        first=first.name,
        second=second.name,
        notes=(*first.notes, *second.notes),
        pictures=len(groups),
        groups=len(set(groups.tolist())),
        unoutlined=len(groups) - int(first.rows.pairs["ImageId"].nunique()),
        figures=_figures(first.rows.scores(), second.rows.scores(), intervals, names),
    )


def _figures(
    first: Iterable[Score],
    second: Iterable[Score],
    intervals: dict[Metric, tuple[float, float]],
    names: dict[int, str],
) -> list[Figure]:
    values: dict[Metric, list[float | None]] = {}
    for place, scores in enumerate((first, second)):
        for score in scores:
            values.setdefault((score.name, score.class_id), [None, None])[place] = score.value
    return [
        Figure(
            name=name,
            class_id=class_id,
            class_name=None if class_id is None else names.get(class_id),
            first=one,
            second=two,
            difference=None if one is None or two is None else two - one,
            interval=intervals.get((name, class_id)),
        )
        for (name, class_id), (one, two) in values.items()
    ]


def _differ(first: HeldOutRows, second: HeldOutRows) -> str | None:
    if first.class_ids != second.class_ids:
        return "they know different classes"
    others = first.pictures.index.symmetric_difference(second.pictures.index)
    if len(others):
        return f"they were held out on different pictures: {listed(list(others))}"
    if not _truth(first).equals(_truth(second)) or (first.defective != second.defective).any():
        return "the true masks they were measured against are not the same"
    return None


def _truth(rows: HeldOutRows) -> pd.DataFrame:
    """Count the true pixels of each picture and class."""
    return rows.pairs[["ImageId", "class_id"]].assign(truth=rows.pairs["tp"] + rows.pairs["fn"])


def _short(one: Contender) -> str:
    return f"bundle {one.name.digest[:12]}"

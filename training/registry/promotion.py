"""Who may take an alias, and the taking of it.

A bundle that does not answer its own self-test as recorded is broken and never promoted. All else
is an objection, which `force` overrides and the record keeps:

- it carries no self-test, or no scores of its own on held-out pictures;
- it is no better than an answer of nothing: its positives_dice is 0, or its mean_dice is below
  all_empty_dice on the same pictures;
- it scores worse than the bundle that the alias stands for, on the same held-out pictures: a
  judged metric is lower by more than `TOLERANCE`, or lower at all with a 95% interval that leaves
  out 0 (without this, many small steps down would pass one by one);
- the two were not held out on the same pictures, or were fitted on some of those that they are
  compared on, so that nobody knows.

Judged are positives_dice, mean_dice, and the share of defective pictures that is not lost:
gate_recall where both gates stop pictures (mode hard), else verdict_recall. On hundreds of pictures
these move by more than the tolerance from fit to fit; so a message always states the interval, and
whoever forces has seen it.

With a key, both the bundle and the alias's record are signed. Where the bundle stands already by a
record that the key has not signed, it is not judged again: a new record says the same, signed.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from steeldefect.analysis.metrics import OVERALL
from steeldefect.bundle.aliases import RecordSignature
from steeldefect.bundle.fetch import Published, find_bundle, open_published
from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import GateMode, Manifest
from steeldefect.bundle.signatures import alias_message
from steeldefect.errors import AlreadyExistsError, BundleError, PromotionError
from steeldefect.stores import S3Settings
from training.registry.comparison import (
    Comparison,
    Contender,
    Figure,
    as_contender,
    compare,
    find_contender,
    why_not_comparable,
)
from training.registry.report import describe
from training.registry.signing import Signer, copy_signatures, put_signature
from training.registry.store import PromotionRecord, Registry, check_alias

TOLERANCE = 0.005
"""By how much a judged metric may be lower, where the interval does not exclude that it is not."""

Measure = Callable[[Contender], Contender]
"""Gives a bundle other held-out answers than those it carries."""

_TRIES = 20


@dataclass(frozen=True)
class Request:
    """What is asked for: `bundle` (address, alias, or start of a digest) as `alias`.

    `signer`: signs the bundle and the record; None: neither is signed.
    """

    bundle: str
    registry: str
    alias: str
    note: str = ""
    force: bool = False
    signer: Signer | None = None


@dataclass(frozen=True)
class Promotion:
    """What came of it.

    Attributes:
        number: of the record that the alias now stands on.
        new: whether this promotion wrote it; else the bundle stood there already.
        comparison: with the bundle that stood before; None where none did, or none could be made.
    """

    record: PromotionRecord
    number: int
    new: bool
    comparison: Comparison | None


def carried(contender: Contender) -> Contender:
    """Take the answers that a bundle carries; the `Measure` of a promotion without data."""
    return contender


def promote(request: Request, s3: S3Settings, measure: Measure = carried) -> Promotion:
    """Publish a bundle in the registry, and let an alias stand for it.

    Where another promotion of the same alias is faster, the bundle is judged again, against the
    one that stands now.

    Args:
        request: what is asked for.
        s3: how S3 is reached.
        measure: where both bundles are to be compared on other pictures than their own.

    Raises:
        PromotionError: there are objections; nothing was written.
        BundleError: the bundle is missing, altered, or fails its self-test.
        SettingsError: the name cannot be an alias, or an address is none.
        StoreError: the registry cannot be read or written.
    """
    check_alias(request.alias)
    registry = Registry(request.registry, s3)
    published = find_bundle(registry.address_of(request.bundle), s3)
    bundle = open_published(published)
    objections = [*_selftest_objections(bundle), *own_objections(bundle.manifest)]
    candidate = measure(as_contender(request.bundle, published))
    for _ in range(_TRIES):
        number, standing = registry.standing(request.alias)
        comparison = None
        if standing is not None and standing.digest == bundle.digest:
            if _is_signed(request, standing, number):
                if request.signer is not None:
                    _publish(request, registry, published, bundle)
                return Promotion(standing, number, new=False, comparison=None)
            record = _renewed(request, standing)
        else:
            against, comparison = _judge(registry, standing, candidate, s3, measure)
            _refuse(request, bundle, [*objections, *against])
            record = _record(request, bundle, standing, [*objections, *against], comparison)
        record = _sign(request, record, number + 1)
        _publish(request, registry, published, bundle)
        try:
            registry.add_record(number + 1, record)
        except AlreadyExistsError:
            continue
        return Promotion(record, number + 1, new=True, comparison=comparison)
    raise PromotionError(
        f"{request.alias}: others kept promoting at the same time; see `python -m training list`, "
        "and start again"
    )


def own_objections(manifest: Manifest) -> list[str]:
    """Say what a bundle's own held-out scores speak against it."""
    scores = {one.name: one.value for one in manifest.held_out_scores if one.scope == OVERALL}
    positives, mean, empty = (
        scores.get(name) for name in ("positives_dice", "mean_dice", "all_empty_dice")
    )
    if positives is None or mean is None or empty is None:
        return ["it has no scores on held-out pictures with defects"]
    found = []
    if positives <= 0:
        found.append("it outlines no held-out defect (positives_dice 0)")
    if mean < empty:
        found.append(
            f"its mean_dice {mean:.4f} is below the {empty:.4f} that an answer of nothing at all "
            "scores on the same pictures"
        )
    return found


def objections_to(comparison: Comparison, metrics: tuple[str, ...]) -> list[str]:
    """Say in which metrics the second bundle of a comparison scores worse than the first."""
    figures = (comparison.figure(name) for name in metrics)
    worse = [describe(figure) for figure in figures if figure is not None and _is_worse(figure)]
    if not worse:
        return []
    return [
        f"it scores worse than {comparison.first.digest[:12]}, which stands: {', '.join(worse)}"
    ]


def judged_metrics(first: Manifest, second: Manifest) -> tuple[str, ...]:
    """Choose the metrics that two bundles are judged by."""
    stopping = all(
        one.gate is not None and one.gate.mode is GateMode.HARD for one in (first, second)
    )
    return ("positives_dice", "mean_dice", "gate_recall" if stopping else "verdict_recall")


def _is_worse(figure: Figure) -> bool:
    if figure.difference is None:
        return figure.first is not None and figure.second is None
    shown = figure.interval is not None and figure.interval[1] < 0
    return figure.difference < -TOLERANCE or (figure.difference < 0 and shown)


def _judge(
    registry: Registry,
    standing: PromotionRecord | None,
    candidate: Contender,
    s3: S3Settings,
    measure: Measure,
) -> tuple[list[str], Comparison | None]:
    """Compare a candidate with the bundle that stands."""
    if standing is None:
        return [], None
    try:
        before = measure(find_contender(registry.bundle_address(standing.digest), s3))
    except BundleError as error:
        return [f"it cannot be compared with what stands: {error}"], None
    problem = why_not_comparable(before, candidate)
    if problem is not None:
        advice = "fit both with the same split file, or give --data DIR --split FILE"
        return [f"it cannot be compared with what stands: {problem} ({advice})"], None
    comparison = compare(before, candidate)
    metrics = judged_metrics(before.manifest, candidate.manifest)
    return [*comparison.notes, *objections_to(comparison, metrics)], comparison


def _selftest_objections(bundle: Bundle) -> list[str]:
    """Run a bundle's self-test.

    Raises:
        BundleError: it fails.
    """
    from steeldefect.detection.selftest import SELFTEST_NAME, check_selftest

    if SELFTEST_NAME not in bundle.manifest.files:
        return ["it carries no self-test; export it anew"]
    check_selftest(bundle)
    return []


def _refuse(request: Request, bundle: Bundle, objections: list[str]) -> None:
    if objections and not request.force:
        raise PromotionError(
            f"bundle {bundle.digest[:12]} is not promoted as {request.alias}: "
            f"{'; '.join(objections)}; --force promotes it nevertheless (as a rollback may have "
            "to), and is recorded"
        )


def _record(
    request: Request,
    bundle: Bundle,
    standing: PromotionRecord | None,
    objections: list[str],
    comparison: Comparison | None,
) -> PromotionRecord:
    return PromotionRecord(
        alias=request.alias,
        digest=bundle.digest,
        promoted_at=_now(),
        promoted_by=_user(),
        note=request.note,
        replaced=None if standing is None else standing.digest,
        forced=bool(objections),
        objections=tuple(objections),
        pictures=None if comparison is None else comparison.pictures,
        figures=() if comparison is None else tuple(comparison.figures),
    )


def _renewed(request: Request, standing: PromotionRecord) -> PromotionRecord:
    """Write the record that stands once more, for its signature; what was objected to stays."""
    changed = {
        "record_id": uuid4().hex,
        "promoted_at": _now(),
        "promoted_by": _user(),
        "note": request.note or standing.note,
        "replaced": standing.digest,
        "pictures": None,
        "figures": (),
    }
    return standing.model_copy(update=changed)


def _is_signed(request: Request, record: PromotionRecord, number: int) -> bool:
    """Tell whether a record carries the signature that is asked for."""
    if request.signer is None:
        return True
    message = alias_message(record.alias, number, record.digest)
    signature = record.signature
    return signature is not None and request.signer.public.verifies(signature.content, message)


def _sign(request: Request, record: PromotionRecord, number: int) -> PromotionRecord:
    signature = None
    if request.signer is not None:
        signed = request.signer.sign(alias_message(record.alias, number, record.digest))
        signature = RecordSignature.of(request.signer.public.key_id, signed)
    return record.model_copy(update={"signature": signature})


def _publish(request: Request, registry: Registry, source: Published, bundle: Bundle) -> None:
    """Put a bundle into the registry with its signatures, those it had and the new one."""
    registry.begin()
    registry.put(bundle)
    home = registry.home_of(bundle.digest)
    copy_signatures(source.store, home)
    if request.signer is not None:
        put_signature(home, bundle.digest, request.signer)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return str(os.getuid())

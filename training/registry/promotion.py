"""Lets an alias of a registry stand for a bundle, unless something speaks against it.

A bundle that does not answer its own self-test as recorded is broken and never promoted. All else
is an objection (`registry.objections`), which `force` overrides and the record keeps.

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

from steeldefect.bundle.aliases import RecordSignature
from steeldefect.bundle.fetch import Published, find_bundle, open_published
from steeldefect.bundle.files import Bundle
from steeldefect.bundle.signatures import alias_message
from steeldefect.errors import AlreadyExistsError, BundleError, PromotionError
from steeldefect.stores import S3Settings
from training.registry.comparison import (
    Comparison,
    Contender,
    as_contender,
    compare,
    find_contender,
    why_not_comparable,
)
from training.registry.objections import (
    judged_metrics,
    objections_to,
    own_objections,
    selftest_objections,
)
from training.registry.signing import Signer, copy_signatures, put_signature
from training.registry.store import PromotionRecord, Registry, check_alias

Measure = Callable[[Contender], Contender]
"""Gives a bundle held-out results on other pictures than its own."""

_TRIES = 20


@dataclass(frozen=True)
class PromoteOptions:
    """Which bundle an alias is to stand for, and how it is promoted.

    Attributes:
        bundle: address, alias, or start of a digest.
        registry: its address.
        alias: that the bundle is to take.
        note: kept in the record.
        force: promote in spite of objections.
        signer: signs the bundle and the record; None: neither is signed.
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
    """Return the bundle with its own held-out results: the `Measure` without data."""
    return contender


def promote(options: PromoteOptions, s3: S3Settings, measure: Measure = carried) -> Promotion:
    """Publish a bundle in the registry, and let an alias stand for it.

    Where another promotion of the same alias is faster, the bundle is judged again, against the
    one that stands now.

    Args:
        options: bundle, registry and alias.
        s3: how S3 is reached.
        measure: where both bundles are to be compared on other pictures than their own.

    Raises:
        PromotionError: there are objections; nothing was written.
        BundleError: the bundle is missing, altered, or fails its self-test.
        SettingsError: the name cannot be an alias, or an address is none.
        StoreError: the registry cannot be read or written.
    """
    check_alias(options.alias)
    registry = Registry(options.registry, s3)
    published = find_bundle(registry.address_of(options.bundle), s3)
    bundle = open_published(published)
    objections = [*selftest_objections(bundle), *own_objections(bundle.manifest)]
    candidate = measure(as_contender(options.bundle, published))
    for _ in range(_TRIES):
        number, standing = registry.standing(options.alias)
        comparison = None
        if standing is not None and standing.digest == bundle.digest:
            if _is_signed(options, standing, number):
                if options.signer is not None:
                    _publish(options, registry, published, bundle)
                return Promotion(standing, number, new=False, comparison=None)
            record = _renewed(options, standing)
        else:
            against, comparison = _judge(registry, standing, candidate, s3, measure)
            _refuse(options, bundle, [*objections, *against])
            record = _record(options, bundle, standing, [*objections, *against], comparison)
        record = _sign(options, record, number + 1)
        _publish(options, registry, published, bundle)
        try:
            registry.add_record(number + 1, record)
        except AlreadyExistsError:
            continue
        return Promotion(record, number + 1, new=True, comparison=comparison)
    raise PromotionError(
        f"{options.alias}: others kept promoting at the same time; see `python -m training list`, "
        "and start again"
    )


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


def _refuse(options: PromoteOptions, bundle: Bundle, objections: list[str]) -> None:
    if objections and not options.force:
        raise PromotionError(
            f"bundle {bundle.digest[:12]} is not promoted as {options.alias}: "
            f"{'; '.join(objections)}; --force promotes it nevertheless (as a rollback may have "
            "to), and is recorded"
        )


def _record(
    options: PromoteOptions,
    bundle: Bundle,
    standing: PromotionRecord | None,
    objections: list[str],
    comparison: Comparison | None,
) -> PromotionRecord:
    return PromotionRecord(
        alias=options.alias,
        digest=bundle.digest,
        promoted_at=_now(),
        promoted_by=_user(),
        note=options.note,
        replaced=None if standing is None else standing.digest,
        forced=bool(objections),
        objections=tuple(objections),
        pictures=None if comparison is None else comparison.pictures,
        figures=() if comparison is None else tuple(comparison.figures),
    )


def _renewed(options: PromoteOptions, standing: PromotionRecord) -> PromotionRecord:
    """Write the record that stands once more, for its signature; what was objected to stays."""
    changed = {
        "record_id": uuid4().hex,
        "promoted_at": _now(),
        "promoted_by": _user(),
        "note": options.note or standing.note,
        "replaced": standing.digest,
        "pictures": None,
        "figures": (),
    }
    return standing.model_copy(update=changed)


def _is_signed(options: PromoteOptions, record: PromotionRecord, number: int) -> bool:
    """Tell whether a record carries the signature of the signer, if there is one."""
    if options.signer is None:
        return True
    message = alias_message(record.alias, number, record.digest)
    signature = record.signature
    return signature is not None and options.signer.public.verifies(signature.content, message)


def _sign(options: PromoteOptions, record: PromotionRecord, number: int) -> PromotionRecord:
    signature = None
    if options.signer is not None:
        signed = options.signer.sign(alias_message(record.alias, number, record.digest))
        signature = RecordSignature.of(options.signer.public.key_id, signed)
    return record.model_copy(update={"signature": signature})


def _publish(
    options: PromoteOptions, registry: Registry, source: Published, bundle: Bundle
) -> None:
    """Put a bundle into the registry with its signatures, those it had and the new one."""
    registry.begin()
    registry.put(bundle)
    home = registry.home_of(bundle.digest)
    copy_signatures(source.store, home)
    if options.signer is not None:
        put_signature(home, bundle.digest, options.signer)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return str(os.getuid())

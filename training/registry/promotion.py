"""Promote a bundle: publish it and point an alias of the registry to it.

A bundle that fails its self-test is never promoted. Every other problem is an objection
(`registry.objections`): `force` overrides it, and the record keeps it.

With a key, the bundle and the record of the alias are signed. If the alias already stands for the
bundle, but the key has not signed the record, the bundle is not judged again: a new, signed record
repeats the old one.
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
from training.registry.shadow_nights import RequiredAgreement, ShadowNights, judge_nights
from training.registry.signing import Signer, copy_signatures, put_signature
from training.registry.store import PromotionRecord, Registry, check_alias

Measure = Callable[[Contender], Contender]
"""Function that returns a bundle with the held-out results to compare."""

_TRIES = 20


@dataclass(frozen=True)
class PromoteOptions:
    """Options of a promotion.

    Attributes:
        bundle: address, alias, or start of a digest.
        registry: address of the registry.
        alias: alias that will stand for the bundle.
        note: note to keep in the record.
        force: promote in spite of objections.
        signer: key that signs the bundle and the record; None signs neither.
        agreement: nights that the bundle must have scored as a shadow; None asks for none.
    """

    bundle: str
    registry: str
    alias: str
    note: str = ""
    force: bool = False
    signer: Signer | None = None
    agreement: RequiredAgreement | None = None


@dataclass(frozen=True)
class Promotion:
    """The result of a promotion.

    Attributes:
        record: record that now counts for the alias.
        number: number of this record.
        new: whether this promotion wrote the record; False if the alias already stood for it.
        comparison: comparison with the previous bundle; None if there was none, or if the two
            cannot be compared.
        nights: what the nights as a shadow say; None if they were not asked for.
    """

    record: PromotionRecord
    number: int
    new: bool
    comparison: Comparison | None
    nights: ShadowNights | None = None


def carried(contender: Contender) -> Contender:
    """Return the bundle unchanged, with the held-out results that it carries."""
    return contender


def promote(options: PromoteOptions, s3: S3Settings, measure: Measure = carried) -> Promotion:
    """Publish a bundle in the registry, and point an alias to it.

    If another promotion of the same alias is faster, the bundle is judged again, against the
    bundle that stands now.

    Args:
        options: bundle, registry and alias.
        s3: settings of the S3 connection.
        measure: source of the held-out results that are compared.

    Raises:
        PromotionError: there are objections and nothing was written, or other promotions of the
            alias were always faster.
        TableError: the tables with the required nights cannot be read.
        BundleError: the bundle is missing, altered, or fails its self-test.
        SettingsError: the name cannot be an alias, or an address is malformed.
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
        comparison, nights = None, None
        if standing is not None and standing.digest == bundle.digest:
            if _is_signed(options, standing, number):
                if options.signer is not None:
                    _publish(options, registry, published, bundle)
                return Promotion(standing, number, new=False, comparison=None)
            record = _renewed(options, standing)
        else:
            against, comparison = _judge(registry, standing, candidate, s3, measure)
            if options.agreement is not None:
                stands = None if standing is None else standing.digest
                nights = judge_nights(options.agreement, bundle.digest, stands, s3)
                against += nights.objections
            _refuse(options, bundle, [*objections, *against])
            record = _record(options, bundle, standing, [*objections, *against], comparison)
        record = _sign(options, record, number + 1)
        _publish(options, registry, published, bundle)
        try:
            registry.add_record(number + 1, record)
        except AlreadyExistsError:
            continue
        return Promotion(record, number + 1, new=True, comparison=comparison, nights=nights)
    raise PromotionError(
        f"{options.alias}: other promotions ran at the same time, {_TRIES} tries failed; see "
        "`python -m training list` and start again"
    )


def _judge(
    registry: Registry,
    standing: PromotionRecord | None,
    candidate: Contender,
    s3: S3Settings,
    measure: Measure,
) -> tuple[list[str], Comparison | None]:
    """Compare a candidate with the bundle that stands; return objections and the comparison."""
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
            f"{'; '.join(objections)}; --force promotes it in spite of this, for example for a "
            "rollback, and the record keeps the objections"
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
    """Return a copy of the record that stands, to sign it; the objections stay."""
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
    """Return whether the signer has signed a record; True without a signer."""
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
    """Write a bundle to the registry, with its old signatures and the new one."""
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

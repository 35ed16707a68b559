"""List a registry as two text tables: its aliases and its bundles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from steeldefect.bundle.aliases import BUNDLES
from steeldefect.bundle.fetch import Published, find_bundle
from steeldefect.bundle.files import MANIFEST_NAME
from steeldefect.errors import BundleError
from steeldefect.evaluation.metrics import OVERALL
from steeldefect.stores import ObjectInfo, S3Settings
from training.registry.store import ALIAS_NAME, MARKER, Registry

_SCORES = ("mean_dice", "all_empty_dice", "positives_dice", "gate_recall", "verdict_recall")
_ALIASES = ("alias", "bundle", "since (UTC)", "by", "promotions", "forced", "note")
_BUNDLES = ("bundle", "alias", "recipe", "made (UTC)", *_SCORES, "MB")


def describe_registry(uri: str, s3: S3Settings) -> str:
    """Return the tables of aliases and bundles.

    Raises:
        BundleError: there is no registry.
        StoreError: the registry cannot be read.
    """
    registry = Registry(uri, s3)
    found = registry.scan()
    digests = _digests(found)
    if not digests and not any(one.key == MARKER for one in found):
        raise BundleError(f"no registry at {registry.uri}; `python -m training promote` makes one")
    aliases, stands = _aliases(registry, found)
    bundles = [_bundle_row(registry, digest, stands, s3) for digest in digests]
    bundles.sort(key=lambda row: row[_BUNDLES.index("made (UTC)")], reverse=True)
    return "\n".join([*_table(_ALIASES, aliases), "", *_table(_BUNDLES, bundles)])


def _digests(found: Iterable[ObjectInfo]) -> list[str]:
    """List the digests of complete bundles: the manifest is written last, so it must exist."""
    parts = (one.key.split("/") for one in found)
    return [
        part[1]
        for part in parts
        if len(part) == 3 and part[0] == BUNDLES and part[2] == MANIFEST_NAME
    ]


def _aliases(
    registry: Registry, found: Iterable[ObjectInfo]
) -> tuple[list[list[str]], dict[str, list[str]]]:
    """Return one row for each alias, and the aliases of each digest."""
    folders = Counter(one.key.split("/")[0] for one in found if one.key.count("/") == 1)
    rows, stands = [], dict[str, list[str]]()
    for alias in sorted(name for name in folders if ALIAS_NAME.fullmatch(name)):
        number, record = registry.standing(alias)
        if record is None:
            continue
        stands.setdefault(record.digest, []).append(alias)
        forced = "yes" if record.forced else ""
        since = f"{record.promoted_at:%Y-%m-%d %H:%M}"
        rows.append(
            [alias, record.digest[:12], since, record.promoted_by, str(number), forced, record.note]
        )
    return rows, stands


def _bundle_row(
    registry: Registry, digest: str, stands: dict[str, list[str]], s3: S3Settings
) -> list[str]:
    names = ", ".join(stands.get(digest, []))
    try:
        published = find_bundle(registry.bundle_address(digest), s3)
    except BundleError:  # a damaged bundle must not hide the others
        return [digest[:12], names, "(damaged)", *[""] * (len(_BUNDLES) - 3)]
    manifest = published.manifest
    scores = {one.name: one.value for one in manifest.held_out_scores if one.scope == OVERALL}
    return [
        digest[:12],
        names,
        manifest.training.recipe_name,
        f"{manifest.created_at:%Y-%m-%d %H:%M}",
        *(_number(scores.get(name)) for name in _SCORES),
        f"{_bytes(published) / 1e6:.1f}",
    ]


def _bytes(published: Published) -> int:
    return sum(file.size for file in published.manifest.files.values())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]

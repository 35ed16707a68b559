"""Fetch a bundle from where it is published: a local folder or an object-store prefix.

The address may also be an alias of a registry, `REGISTRY/production`; see `bundle.aliases`.
If the caller names trusted keys, signatures are checked as soon as the manifest is read, before any
file that the manifest lists. Copies made or cached later are checked against the digest of that
manifest.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from steeldefect.bundle.aliases import (
    AliasRecord,
    alias_name,
    bundle_uri,
    newest_number,
    newest_record,
    record_key,
)
from steeldefect.bundle.files import (
    MANIFEST_NAME,
    SEAL_NAME,
    Bundle,
    ModelForm,
    check_file,
    open_bundle,
    read_manifest,
)
from steeldefect.bundle.manifest import Manifest
from steeldefect.bundle.packed import host_cache
from steeldefect.bundle.signatures import (
    PublicKey,
    alias_message,
    check_alias_signed,
    check_bundle_signed,
    read_public_key,
)
from steeldefect.errors import BundleError, StoreError, StoreUnavailableError
from steeldefect.stores import S3Settings, Store, is_s3, open_store


@dataclass(frozen=True)
class Published:
    """A published bundle, whose manifest was checked against its seal.

    Attributes:
        store: folder or prefix of the bundle itself; an alias is resolved.
        digest: sha256 of `content`.
        content: bytes of `bundle.json`.
        seal: bytes of `bundle.sha256`.
    """

    store: Store
    manifest: Manifest
    digest: str
    content: bytes
    seal: bytes

    def read(self, name: str) -> bytes:
        """Read one of the manifest's files, and check its hash.

        Raises:
            BundleError: the bundle has no such file, or it is missing or altered.
            StoreUnavailableError: the store does not answer.
        """
        expected = self.manifest.files.get(name)
        if expected is None:
            raise BundleError(f"bundle {self.store.uri} has no {name}; export it again")
        content = _read(self.store, name)
        check_file(name, expected, content, self.store.uri)
        return content


def find_bundle(uri: str, s3: S3Settings, trusted_keys: Sequence[str] = ()) -> Published:
    """Find a bundle by its own address or by an alias, and read only its manifest.

    Args:
        uri: local folder or `s3://bucket/prefix`, of a bundle or of an alias.
        s3: settings of S3.
        trusted_keys: public keys, one of which must have signed the bundle, and one the alias's
            record; see `bundle.signatures.read_public_key`. Empty: no signature is required.

    Raises:
        BundleError: the address holds neither bundle nor alias, the manifest is altered, the bundle
            that the alias names is missing or was replaced, or no trusted key has signed.
        StoreUnavailableError: the store does not answer.
    """
    trusted = [read_public_key(key) for key in trusted_keys]
    store = open_store(uri, s3)
    try:
        content = store.read(MANIFEST_NAME)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        published = _find_by_alias(store, error, s3, trusted)
    else:
        if trusted:
            _refuse_an_alias(store)
        published = _describe(store, content)
    if trusted:
        check_bundle_signed(published.store, published.digest, trusted)
    return published


def fetch_bundle(uri: str, s3: S3Settings, trusted_keys: Sequence[str] = ()) -> Bundle:
    """Open a bundle, and check every file against its hash; a bundle in S3 is first copied here.

    Args:
        uri: local folder or `s3://bucket/prefix`, of a bundle or of an alias. An alias is
            resolved once, here; the digest of the result names the bundle that it stood for.
        s3: settings of S3.
        trusted_keys: as in `find_bundle`; signatures are checked before the models are read.

    Raises:
        BundleError: the bundle is missing, incomplete, altered, or not signed by a trusted key.
        StoreUnavailableError: the store does not answer.
    """
    return open_published(find_bundle(uri, s3, trusted_keys))


def open_published(published: Published) -> Bundle:
    """Open a bundle that `find_bundle` returned; see `fetch_bundle`.

    Raises:
        BundleError: the bundle is incomplete or altered, or was replaced by another bundle.
        StoreUnavailableError: the store does not answer.
    """
    if not is_s3(published.store.uri):
        return _open_copy(Path(published.store.uri), published.digest, None)

    def fetch(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as name:
            staging = Path(name, folder.name)
            files = {MANIFEST_NAME: published.content, SEAL_NAME: published.seal}
            files |= {file: published.read(file) for file in published.manifest.files}
            for file, data in files.items():
                (staging / file).parent.mkdir(parents=True, exist_ok=True)
                (staging / file).write_bytes(data)
            open_bundle(staging)
            staging.rename(folder)

    return host_copy(published.digest, None, fetch)


def host_copy(
    digest: str, forms: tuple[ModelForm, ...] | None, fill: Callable[[Path], None]
) -> Bundle:
    """Open this host's copy of a bundle; create the copy again if it is absent or damaged.

    Args:
        digest: digest of the bundle; an intact copy of another bundle counts as damaged.
        forms: model forms of the copy; None for a whole bundle.
        fill: writes the bundle's files to a folder that does not exist yet.

    Raises:
        BundleError: the files that `fill` wrote are not those of the bundle.
    """
    folder = cached_folder(digest, forms)
    with suppress(BundleError):
        return _open_copy(folder, digest, forms)
    with folder.with_name(f"{folder.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process of this host removes and fills, others wait
        with suppress(BundleError):
            return _open_copy(folder, digest, forms)
        shutil.rmtree(folder, ignore_errors=True)
        fill(folder)
    return _open_copy(folder, digest, forms)


def cached_folder(digest: str, forms: tuple[ModelForm, ...] | None) -> Path:
    """Return the folder of this host's copy of a bundle, or of some of its forms."""
    parts = ["whole"] if forms is None else [form.value for form in forms]
    return host_cache() / "-".join([digest[:32], *parts])


def _open_copy(folder: Path, digest: str, forms: tuple[ModelForm, ...] | None) -> Bundle:
    bundle = open_bundle(folder, forms)
    if bundle.digest != digest:
        raise BundleError(f"bundle {folder}: it is {bundle.digest}, not {digest}")
    return bundle


def _describe(store: Store, content: bytes) -> Published:
    seal = _read(store, SEAL_NAME)
    manifest, digest = read_manifest(content, seal, store.uri)
    return Published(store, manifest, digest, content, seal)


def _refuse_an_alias(store: Store) -> None:
    """Raise if an alias's records lie beside a bundle: its signature does not cover the address."""
    try:
        records = newest_number(store)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise BundleError(
            f"bundle {store.uri}: cannot check whether this is an alias: {error}; trusted_keys "
            "needs the right to list"
        ) from None
    if records:
        raise BundleError(
            f"{store.uri} holds the records of an alias and the files of a bundle as well; find "
            f"out who put {MANIFEST_NAME} there, and delete it"
        )


def _find_by_alias(
    store: Store, missing: StoreError, s3: S3Settings, trusted: Sequence[PublicKey]
) -> Published:
    """Find a bundle by an alias; `missing` is the error of reading a bundle at the address."""
    number, alias = _alias_at(store, missing)
    if trusted:
        message = alias_message(alias_name(store.uri), number, alias.digest)
        signature = None if alias.signature is None else alias.signature.content
        where = f"alias {store.uri}: its record {record_key(number)}"
        check_alias_signed(where, message, signature, trusted)
    home = open_store(bundle_uri(store.uri, alias.digest), s3)
    published = _describe(home, _read(home, MANIFEST_NAME))
    if published.digest != alias.digest:
        raise BundleError(
            f"alias {store.uri} names bundle {alias.digest}, but {home.uri} holds "
            f"{published.digest}; promote the bundle again"
        )
    return published


def _alias_at(store: Store, missing: StoreError) -> tuple[int, AliasRecord]:
    """Read the newest record of an alias, and its number; `missing` as in `_find_by_alias`."""
    record = None
    try:
        record = newest_record(store)
    except StoreUnavailableError:
        raise
    except StoreError:
        pass  # `missing` explains more
    if record is None:
        raise BundleError(
            f"no bundle at {store.uri}: {missing}; there is no record of an alias either "
            f"({record_key(1)} and on); `python -m training fit` writes bundles, "
            "`python -m training promote` writes aliases"
        ) from None
    return record


def _read(store: Store, name: str) -> bytes:
    try:
        return store.read(name)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise BundleError(
            f"no bundle at {store.uri}: {error}; `python -m training fit` writes bundles"
        ) from None

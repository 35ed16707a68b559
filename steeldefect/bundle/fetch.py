"""Fetches a bundle from where it is published: a local folder or an object-store prefix.

The address may also be an alias of a registry, `REGISTRY/production`; see `bundle.aliases`.
Where the caller trusts certain keys alone, a bundle is refused by its manifest, before anything
else of it is read; what is fetched or cached afterwards is held against that manifest's digest.
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
    host_cache,
    open_bundle,
    read_manifest,
)
from steeldefect.bundle.manifest import Manifest
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
    """A bundle where it is published, its manifest checked against its seal.

    Attributes:
        store: the bundle's own folder or prefix; an alias is resolved.
        digest: sha256 of `content`.
        content: of `bundle.json`.
        seal: of `bundle.sha256`.
    """

    store: Store
    manifest: Manifest
    digest: str
    content: bytes
    seal: bytes

    def read(self, name: str) -> bytes:
        """Read one of the manifest's files, checked against its hash.

        Raises:
            BundleError: the bundle has no such file, or it is missing or altered.
            StoreUnavailableError: the store does not answer.
        """
        expected = self.manifest.files.get(name)
        if expected is None:
            raise BundleError(f"bundle {self.store.uri} has no {name}; export it anew")
        content = _read(self.store, name)
        check_file(name, expected, content, self.store.uri)
        return content


def find_bundle(uri: str, s3: S3Settings, trusted_keys: Sequence[str] = ()) -> Published:
    """Look a bundle up, by its own address or by an alias, and read its manifest alone.

    Args:
        uri: local folder or `s3://bucket/prefix`, of a bundle or of an alias.
        s3: how S3 is reached.
        trusted_keys: public keys, one of which must have signed the bundle, and one the alias's
            record; see `bundle.signatures.read_public_key`. Empty: no signature is asked for.

    Raises:
        BundleError: neither bundle nor alias; the manifest is altered; what lies where the alias
            leads is not the bundle that it names; or no trusted key has signed.
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
    """Open a bundle, every file checked against its hash; from S3 it is copied here first.

    Args:
        uri: local folder or `s3://bucket/prefix`, of a bundle or of an alias. An alias is
            resolved once, here: the bundle's digest says what it stood for.
        s3: how S3 is reached.
        trusted_keys: as for `find_bundle`; they are checked before any other file is read.

    Raises:
        BundleError: missing, incomplete, altered, or not signed by a trusted key.
        StoreUnavailableError: the store does not answer.
    """
    return open_published(find_bundle(uri, s3, trusted_keys))


def open_published(published: Published) -> Bundle:
    """Open a bundle that was found; see `fetch_bundle`.

    Raises:
        BundleError: incomplete or altered, or another bundle lies there by now.
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
    """Open this host's copy of a bundle; where it is absent or damaged, it is made anew.

    Args:
        digest: of the bundle; a copy that is sealed but is another bundle counts as damaged.
        forms: the model forms of the copy; None for a whole bundle.
        fill: puts the bundle's files into a folder that does not exist yet.

    Raises:
        BundleError: what `fill` put there is not the bundle.
    """
    folder = cached_folder(digest, forms)
    with suppress(BundleError):
        return _open_copy(folder, digest, forms)
    with folder.with_name(f"{folder.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process of the host removes and fills, others wait
        with suppress(BundleError):
            return _open_copy(folder, digest, forms)
        shutil.rmtree(folder, ignore_errors=True)
        fill(folder)
    return _open_copy(folder, digest, forms)


def cached_folder(digest: str, forms: tuple[ModelForm, ...] | None) -> Path:
    """Where this host keeps its copy of a bundle, or of some of its forms."""
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
    """Refuse a bundle where an alias's records lie: its signature says nothing of this place."""
    try:
        records = newest_number(store)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise BundleError(
            f"bundle {store.uri}: whether this is an alias cannot be seen: {error}; trusted_keys "
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
    """Look a bundle up by an alias; `missing` says why there is no bundle at the address itself."""
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
    """Read the alias's record where no bundle lies; `missing` says why there is none."""
    record = None
    try:
        record = newest_record(store)
    except StoreUnavailableError:
        raise
    except StoreError:
        pass  # why the bundle could not be read says more
    if record is None:
        raise BundleError(
            f"no bundle at {store.uri}: {missing}; there is no such file, nor a record of an alias "
            f"({record_key(1)} and on); a bundle is a folder that `python -m training fit` wrote, "
            "an alias one that `python -m training promote` wrote"
        ) from None
    return record


def _read(store: Store, name: str) -> bytes:
    try:
        return store.read(name)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise BundleError(
            f"no bundle at {store.uri}: {error}; a bundle is what `python -m training fit` wrote"
        ) from None

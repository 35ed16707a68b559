"""Fetches a bundle from where it is published: a local folder or an object-store prefix."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from steeldefect.bundle import (
    MANIFEST_NAME,
    SEAL_NAME,
    Bundle,
    ModelForm,
    host_cache,
    open_bundle,
    read_manifest,
)
from steeldefect.errors import BundleError, StoreError, StoreUnavailableError
from steeldefect.stores import S3Settings, Store, is_s3, open_store


def fetch_bundle(uri: str, s3: S3Settings) -> Bundle:
    """Open a bundle, every file checked against its hash; from S3 it is copied here first.

    Args:
        uri: local folder or `s3://bucket/prefix`.
        s3: how S3 is reached.

    Raises:
        BundleError: missing, incomplete or altered.
        StoreUnavailableError: the store does not answer.
    """
    store = open_store(uri, s3)
    if not is_s3(uri):
        return open_bundle(Path(store.uri))
    content, seal = (_read(store, name) for name in (MANIFEST_NAME, SEAL_NAME))
    manifest, digest = read_manifest(content, seal, uri)

    def fetch(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as name:
            staging = Path(name, folder.name)
            files = {MANIFEST_NAME: content, SEAL_NAME: seal}
            files |= {file: _read(store, file) for file in manifest.files}
            for file, data in files.items():
                (staging / file).parent.mkdir(parents=True, exist_ok=True)
                (staging / file).write_bytes(data)
            open_bundle(staging)
            staging.rename(folder)

    return host_copy(digest, tuple(ModelForm), fetch)


def host_copy(digest: str, forms: tuple[ModelForm, ...], fill: Callable[[Path], None]) -> Bundle:
    """Open this host's copy of a bundle; where it is absent or damaged, it is made anew.

    Args:
        digest: of the bundle; a copy that is sealed but is another bundle counts as damaged.
        forms: the model forms of the copy.
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


def cached_folder(digest: str, forms: tuple[ModelForm, ...]) -> Path:
    """Where this host keeps its copy of a bundle."""
    return host_cache() / "-".join([digest[:32], *(form.value for form in forms)])


def _open_copy(folder: Path, digest: str, forms: tuple[ModelForm, ...]) -> Bundle:
    bundle = open_bundle(folder, forms)
    if bundle.digest != digest:
        raise BundleError(f"bundle {folder}: it is {bundle.digest}, not {digest}")
    return bundle


def _read(store: Store, name: str) -> bytes:
    try:
        return store.read(name)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise BundleError(
            f"no bundle at {store.uri}: {error}; a bundle is what `python -m training fit` wrote"
        ) from None

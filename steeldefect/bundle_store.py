"""Fetches a bundle from where it is published: a local folder or an object-store prefix."""

from __future__ import annotations

import shutil
import tempfile
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
    folder = cached_folder(digest, tuple(ModelForm))
    try:
        return open_bundle(folder)
    except BundleError:
        shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as name:
        staging = Path(name, folder.name)
        files = {MANIFEST_NAME: content, SEAL_NAME: seal}
        files |= {file: _read(store, file) for file in manifest.files}
        for file, data in files.items():
            (staging / file).parent.mkdir(parents=True, exist_ok=True)
            (staging / file).write_bytes(data)
        open_bundle(staging)
        if not folder.is_dir():
            staging.rename(folder)
    return open_bundle(folder)


def cached_folder(digest: str, forms: tuple[ModelForm, ...]) -> Path:
    """Where this host keeps its copy of a bundle."""
    return host_cache() / "-".join([digest[:32], *(form.value for form in forms)])


def _read(store: Store, name: str) -> bytes:
    try:
        return store.read(name)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise BundleError(
            f"no bundle at {store.uri}: {error}; a bundle is what `python -m training fit` wrote"
        ) from None

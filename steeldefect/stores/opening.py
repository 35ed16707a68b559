"""From an address to a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from steeldefect.addresses import has_scheme
from steeldefect.errors import SettingsError
from steeldefect.stores.base import Store
from steeldefect.stores.local import LocalStore
from steeldefect.stores.s3 import S3Store
from steeldefect.stores.s3_client import S3Settings

__all__ = ["S3Settings", "is_s3", "open_store", "shipped_settings"]

_S3_SCHEMES = ("s3://", "s3a://", "s3n://")


def is_s3(uri: str) -> bool:
    """Tell whether an address lies in an object store."""
    return uri.startswith(_S3_SCHEMES)


def shipped_settings(uris: Sequence[str], settings: S3Settings) -> S3Settings:
    """Give S3 settings for other hosts: those of the driver's own environment filled in.

    Credentials are not among them; executors find theirs the way the driver does.
    """
    for uri in uris:
        store = open_store(uri, settings)
        if isinstance(store, S3Store):
            return store.shipped_settings()
    return settings


def open_store(uri: str, settings: S3Settings | None = None) -> Store:
    """Open the store at an address: a local folder (`path` or `file:///path`), or `s3://bucket/prefix`.

    Raises:
        SettingsError: neither of these.
    """
    if is_s3(uri):
        bucket, _, prefix = uri.split("://", 1)[1].partition("/")
        if "@" in bucket or ":" in bucket:
            raise SettingsError(
                "an s3:// address holds no credentials; expected s3://bucket/prefix"
            )
        if not bucket:
            raise SettingsError(f"{uri!r}: no bucket; expected s3://bucket/prefix")
        return S3Store(bucket, prefix, settings or S3Settings())
    if uri.startswith("file:"):
        return LocalStore(Path(unquote(urlsplit(uri).path)))
    if has_scheme(uri) or not uri:
        raise SettingsError(f"{uri!r}: expected a local folder or s3://bucket/prefix")
    return LocalStore(Path(uri).expanduser())

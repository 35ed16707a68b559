"""Open the store at an address."""

from __future__ import annotations

from collections.abc import Sequence

from steeldefect.addresses import check_text, is_s3, local_folder, s3_address
from steeldefect.stores.base import Store
from steeldefect.stores.local import LocalStore
from steeldefect.stores.s3 import S3Store
from steeldefect.stores.s3_client import S3Settings

__all__ = ["S3Settings", "is_s3", "open_store", "shipped_settings"]


def shipped_settings(uris: Sequence[str], settings: S3Settings) -> S3Settings:
    """Return S3 settings for other hosts, with the endpoint and region that this host found.

    Credentials are not included: executors find theirs in the same way as the driver.

    Args:
        uris: addresses of a run; the settings are completed by the first that is in S3.
        settings: S3 settings of the driver.
    """
    for uri in uris:
        store = open_store(uri, settings)
        if isinstance(store, S3Store):
            return store.shipped_settings()
    return settings


def open_store(uri: str, settings: S3Settings | None = None) -> Store:
    """Open the store at an address: a local folder (`path` or `file:///path`), or `s3://bucket/prefix`.

    Raises:
        SettingsError: the address has neither form, or could mean two places.
    """
    check_text(uri)
    if is_s3(uri):
        bucket, prefix = s3_address(uri)
        return S3Store(bucket, prefix, settings or S3Settings())
    return LocalStore(local_folder(uri))

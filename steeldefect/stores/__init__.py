"""Folders and object stores behind one small interface: list, read, write, write if absent."""

from steeldefect.stores.base import Fetched, FetchLimits, ObjectInfo, Store
from steeldefect.stores.open_store import S3Settings, is_s3, open_store, shipped_settings

__all__ = [
    "FetchLimits",
    "Fetched",
    "ObjectInfo",
    "S3Settings",
    "Store",
    "is_s3",
    "open_store",
    "shipped_settings",
]

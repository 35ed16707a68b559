"""Aliases of a registry: names, such as `production`, that stand for one published bundle.

    REGISTRY/bundles/<digest>/        bundles, immutable
    REGISTRY/production/000001.json   a record for each promotion; the highest number stands

Records are only ever added, each by a write that fails where one is there: no promotion can undo
another unseen, on any store that can write an object if it is absent. Here they are read; `python
-m training promote` writes them, and signs them where it is given a key: then the alias cannot be
pointed at another bundle, signed as that may be, by whoever can write to the registry alone.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steeldefect.errors import BundleError
from steeldefect.stores import Store, is_s3

BUNDLES = "bundles"
"""The folder of a registry that holds the bundles; no alias has this name."""

_RECORD = re.compile(r"(0\d{5})\.json")


class RecordSignature(BaseModel):
    """The signature of alias, number and digest of a record (`steeldefect.bundle.signatures`).

    `key`: id of the key. `value`: the signature, base64.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str = Field(pattern="^[0-9a-f]{16}$")
    value: str = Field(pattern="^[A-Za-z0-9+/]{86}==$")

    @classmethod
    def of(cls, key_id: str, signature: bytes) -> RecordSignature:
        """Write a signature as text."""
        return cls(key=key_id, value=base64.b64encode(signature).decode())

    @property
    def content(self) -> bytes:
        """The signature itself, 64 bytes."""
        return base64.b64decode(self.value)


class AliasRecord(BaseModel):
    """What scoring reads of a record; whoever promoted may have noted more.

    `digest`: of the bundle that the alias stands for. `promoted_at`: with time zone UTC.
    `signature`: None where it was promoted without a key.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    alias: str
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    promoted_at: datetime
    signature: RecordSignature | None = None


def record_key(number: int) -> str:
    """Name a record by its number, counted from 1."""
    return f"{number:06d}.json"


def newest_number(alias: Store) -> int:
    """Find the number of the record that stands; 0 where the alias has none.

    Args:
        alias: the alias's own folder.

    Raises:
        StoreError: it cannot be listed.
    """
    matches = (_RECORD.fullmatch(found.key) for found in alias.scan("0"))
    return max((int(match[1]) for match in matches if match), default=0)


def newest_record(alias: Store) -> tuple[int, AliasRecord] | None:
    """Read the record that stands, and its number; None where the folder holds none.

    Raises:
        BundleError: the record is not one.
        StoreError: it cannot be listed or read.
    """
    number = newest_number(alias)
    if number == 0:
        return None
    content = alias.read(record_key(number))
    try:
        return number, AliasRecord.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise BundleError(
            f"alias {alias.uri}: {record_key(number)}: {first['msg']}; promote the bundle again"
        ) from None


def alias_name(alias_uri: str) -> str:
    """Return the name of an alias, the last part of its address."""
    return alias_uri.rstrip("/").rpartition("/")[2]


def bundle_uri(alias_uri: str, digest: str) -> str:
    """Give the address of a bundle in the registry that an alias belongs to.

    Raises:
        BundleError: the alias lies in no folder, so that there is no registry around it.
    """
    address = alias_uri.rstrip("/")
    if is_s3(address) and address.count("/") < 3:
        raise BundleError(f"{alias_uri} is a bucket and no alias; expected s3://bucket/alias")
    registry = address.rpartition("/")[0]
    return f"{registry}/{BUNDLES}/{digest}"

"""Read the aliases of a registry: names, such as `production`, each for one published bundle.

    REGISTRY/bundles/<digest>/        bundles, immutable
    REGISTRY/production/000001.json   a record for each promotion; the highest number is valid

Records are only added, each by a write that fails if the record exists. So no promotion can
silently replace another, on any store that can write an object only if it is absent.

`python -m training promote` writes the records, and signs them if it gets a key. Somebody who can
write to the registry but has no trusted key then cannot point the alias at another bundle, not even
at one that is signed.
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
    """The signature of a record's alias, number and digest (`steeldefect.bundle.signatures`).

    `key`: id of the key. `value`: the signature in base64.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str = Field(pattern="^[0-9a-f]{16}$")
    value: str = Field(pattern="^[A-Za-z0-9+/]{86}==$")

    @classmethod
    def of(cls, key_id: str, signature: bytes) -> RecordSignature:
        """Return a signature with its bytes as text."""
        return cls(key=key_id, value=base64.b64encode(signature).decode())

    @property
    def content(self) -> bytes:
        """The signature itself, 64 bytes."""
        return base64.b64decode(self.value)


class AliasRecord(BaseModel):
    """The fields of a record that scoring reads; the record may have more fields.

    `digest`: digest of the bundle that the alias stands for. `promoted_at`: time of the promotion,
    with time zone UTC. `signature`: None if the bundle was promoted without a key.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    alias: str
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    promoted_at: datetime
    signature: RecordSignature | None = None


def record_key(number: int) -> str:
    """Return the key of a record by its number, counted from 1."""
    return f"{number:06d}.json"


def newest_number(alias: Store) -> int:
    """Return the number of an alias's newest record; 0 if it has no record.

    Args:
        alias: folder of the alias.

    Raises:
        StoreError: the folder cannot be listed.
    """
    matches = (_RECORD.fullmatch(found.key) for found in alias.scan("0"))
    return max((int(match[1]) for match in matches if match), default=0)


def newest_record(alias: Store) -> tuple[int, AliasRecord] | None:
    """Read the newest record of an alias, and its number; None if the folder holds no record.

    Raises:
        BundleError: the record is malformed.
        StoreError: the folder cannot be listed, or the record cannot be read.
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
    """Return the name of an alias: the last part of its address."""
    return alias_uri.rstrip("/").rpartition("/")[2]


def bundle_uri(alias_uri: str, digest: str) -> str:
    """Return the address of a bundle in the registry that an alias belongs to.

    Raises:
        BundleError: the alias is a whole bucket, so it is not inside a registry.
    """
    address = alias_uri.rstrip("/")
    if is_s3(address) and address.count("/") < 3:
        raise BundleError(f"{alias_uri} is a bucket, not an alias; expected s3://bucket/alias")
    registry = address.rpartition("/")[0]
    return f"{registry}/{BUNDLES}/{digest}"

"""Read and check signatures of bundles and aliases: Ed25519 (RFC 8032), in forms OpenSSL reads.

    BUNDLE/signatures/<key id>.sig    64 bytes, the signature of `bundle_message`

A bundle's digest covers every byte of it, so a signature of the digest covers the bundle. The
signatures lie beside the manifest, not in it: adding a signature does not change the digest, and
versions that do not know signatures ignore them. A key's id is computed from the public key.
Several keys may sign.

`training.registry.signing` creates signatures.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from steeldefect.errors import BundleError, SettingsError, StoreError, StoreUnavailableError
from steeldefect.stores import Store

SIGNATURES = "signatures"
"""The folder of a bundle that holds its signatures; no file of the manifest lies there."""

SIGNATURE_BYTES = 64

_NAME = re.compile(rf"{SIGNATURES}/([0-9a-f]{{16}})\.sig")
_PEM_BEGINS = "-----BEGIN"


@dataclass(frozen=True)
class PublicKey:
    """A key that checks signatures.

    Attributes:
        text: base64 of the DER form (SubjectPublicKeyInfo): the line between the marks of a PEM
            file.
    """

    text: str

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of the sha256 of the DER form."""
        return hashlib.sha256(base64.b64decode(self.text)).hexdigest()[:16]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether the private half of this key made the signature of this message."""
        key = load_der_public_key(base64.b64decode(self.text))
        if not isinstance(key, Ed25519PublicKey):
            raise TypeError("a PublicKey is made by `public_key` or `read_public_key`")
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def public_key(key: Ed25519PublicKey) -> PublicKey:
    """Return a key in the form in which this package keeps it."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(base64.b64encode(der).decode())


def read_public_key(text: str) -> PublicKey:
    """Read a public key that settings name.

    Args:
        text: a PEM text, the base64 line inside one, or the path of a PEM file.

    Raises:
        SettingsError: the text is none of these, or the key is not an Ed25519 key. The message
            never repeats the text, because it may be a private key by mistake.
    """
    content = text.strip()
    if not content.startswith(_PEM_BEGINS):
        with suppress(binascii.Error, ValueError, UnsupportedAlgorithm):
            return _of_kind(load_der_public_key(base64.b64decode(content, validate=True)))
        content = _read_file(content)
    if "PRIVATE KEY" in content:
        raise SettingsError(
            "this is a private key; give the public one (openssl pkey -in KEY.pem -pubout)"
        )
    try:
        return _of_kind(load_pem_public_key(content.encode()))
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(
            "not a public key in PEM form (openssl pkey -in KEY.pem -pubout writes one)"
        ) from None


def bundle_message(digest: str) -> bytes:
    """Return the bytes that the signature of a bundle signs.

    Args:
        digest: digest of the bundle, 64 hex digits.
    """
    return f"steeldefect bundle v1\n{digest}\n".encode()


def alias_message(alias: str, number: int, digest: str) -> bytes:
    """Return the bytes that the signature of an alias's record signs.

    Args:
        alias: name of the alias.
        number: number of the record.
        digest: digest of the bundle that the alias stands for.
    """
    return f"steeldefect alias v1\n{alias}\n{number}\n{digest}\n".encode()


def signature_name(key_id: str) -> str:
    """Return the name of a signature's file inside the bundle."""
    return f"{SIGNATURES}/{key_id}.sig"


def signers_of(store: Store) -> list[str]:
    """List the key ids of a bundle's signatures, without checking the signatures.

    Args:
        store: folder or prefix of the bundle.

    Raises:
        StoreError: the store cannot be listed.
    """
    matches = (_NAME.fullmatch(found.key) for found in store.scan(f"{SIGNATURES}/"))
    return sorted(match[1] for match in matches if match)


def check_bundle_signed(store: Store, digest: str, trusted: Sequence[PublicKey]) -> None:
    """Check that one of the trusted keys has signed a bundle.

    Args:
        store: folder or prefix of the bundle.
        digest: digest of the bundle.
        trusted: at least one key.

    Raises:
        BundleError: no trusted key has signed the bundle; the message names the signatures found.
        StoreUnavailableError: the store does not answer.
    """
    message = bundle_message(digest)
    misfits = []
    for key in trusted:
        signature = _read_signature(store, key.key_id)
        if signature is not None and key.verifies(signature, message):
            return
        if signature is not None:
            misfits.append(key.key_id)
    raise BundleError(
        f"bundle {store.uri} ({digest[:12]}): {_what_is_there(store, misfits)}; trusted_keys has "
        f"{_ids(trusted)}; sign it (`python -m training sign BUNDLE --key KEY.pem`), or add its "
        "signer's public key to trusted_keys"
    )


def check_alias_signed(
    where: str, message: bytes, signature: bytes | None, trusted: Sequence[PublicKey]
) -> None:
    """Check that one of the trusted keys has signed an alias's record.

    Args:
        where: name of the record, for messages.
        message: `alias_message` of the alias and number under which the record was found, not of
            those that the record states.
        signature: signature in the record; None if it has none.
        trusted: at least one key.

    Raises:
        BundleError: no trusted key has signed the record.
    """
    if signature is not None and any(key.verifies(signature, message) for key in trusted):
        return
    problem = (
        "is not signed"
        if signature is None
        else "is not signed by a trusted key, or was altered or moved"
    )
    raise BundleError(
        f"{where} {problem}; trusted_keys has {_ids(trusted)}; promote the bundle with "
        "`--sign KEY.pem`, or name the bundle by its own address"
    )


def _of_kind(key: object) -> PublicKey:
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError(
            "the key is not an Ed25519 key (create one with openssl genpkey -algorithm ed25519)"
        )
    return public_key(key)


def _read_file(name: str) -> str:
    try:
        return Path(name).expanduser().read_text(encoding="ascii")
    except (OSError, ValueError):  # ValueError: not ASCII, or no path at all
        raise SettingsError(
            "neither a public key (PEM text, or its base64 line) nor a PEM file that can be read"
        ) from None


def _read_signature(store: Store, key_id: str) -> bytes | None:
    """Read the signature by a key; None if it is missing or cannot be read."""
    try:
        return store.read(signature_name(key_id))
    except StoreUnavailableError:
        raise
    except StoreError:
        return None


def _what_is_there(store: Store, misfits: Sequence[str]) -> str:
    if misfits:
        return f"the signature by {', '.join(misfits)} is not one of this bundle"
    with suppress(StoreError):  # the store may allow to read, but not to list
        others = signers_of(store)
        if others:
            return f"no trusted key has signed it (signatures are there by {', '.join(others)})"
    return "it is not signed"


def _ids(keys: Sequence[PublicKey]) -> str:
    return ", ".join(key.key_id for key in keys)

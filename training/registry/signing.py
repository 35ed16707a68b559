"""Sign bundles and records of aliases; scoring checks the signatures by `bundle.signatures`."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from steeldefect.bundle.fetch import Published, find_bundle, open_published
from steeldefect.bundle.signatures import (
    SIGNATURE_BYTES,
    PublicKey,
    bundle_message,
    public_key,
    signature_name,
    signers_of,
)
from steeldefect.errors import SettingsError, StoreError, StoreUnavailableError
from steeldefect.stores import S3Settings, Store

_ENCRYPTED = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")


class Signer:
    """A private key. It is never written or printed."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Hold a private key; see `read_signer`."""
        self._key = key
        self.public: PublicKey = public_key(key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message: 64 bytes, always the same (RFC 8032)."""
        return self._key.sign(message)


def read_signer(path: Path, ask_passphrase: Callable[[], str | None]) -> Signer:
    """Read a private key.

    Args:
        path: PEM file (PKCS8), as `openssl genpkey -algorithm ed25519` writes it.
        ask_passphrase: function that returns the passphrase, or None if there is none; called
            only for an encrypted key.

    Raises:
        SettingsError: the file is missing, other users may read it, it is not an Ed25519 key, or
            the passphrase is missing or wrong.
    """
    content = _read_private(path)
    passphrase = None
    if any(mark in content for mark in _ENCRYPTED):
        passphrase = ask_passphrase()
        if passphrase is None:
            raise SettingsError(f"{path} is encrypted, and no passphrase was given")
    try:
        secret = None if passphrase is None else passphrase.encode()
        key = load_pem_private_key(content, password=secret)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        wrong = "no private key in PEM form" if passphrase is None else "the passphrase is wrong"
        raise SettingsError(
            f"{path}: {wrong} (openssl genpkey -algorithm ed25519 makes a key)"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(
            f"{path}: the key is of another kind than Ed25519 (openssl genpkey -algorithm ed25519 "
            "makes one)"
        )
    return Signer(key)


def sign_bundle(address: str, signer: Signer, s3: S3Settings) -> Published:
    """Check every file of a bundle, and write a signature of its digest beside its manifest.

    Args:
        address: folder, S3 address, or alias. For an alias, the bundle is signed, not the record.
        signer: key that signs.
        s3: settings of the S3 connection.

    Returns:
        The bundle that was signed.

    Raises:
        BundleError: the bundle is missing or altered.
        StoreError: the signature cannot be written.
    """
    published = find_bundle(address, s3)
    open_published(published)
    put_signature(published.store, published.digest, signer)
    return published


def put_signature(home: Store, digest: str, signer: Signer) -> None:
    """Write a key's signature of a bundle. It replaces an old one, which is equal or damaged.

    Args:
        home: folder or prefix of the bundle.
        digest: digest of the bundle.
        signer: key that signs.

    Raises:
        StoreError: the signature cannot be written.
    """
    home.write(signature_name(signer.public.key_id), signer.sign(bundle_message(digest)))


def copy_signatures(source: Store, target: Store) -> None:
    """Copy the signatures of a bundle to its published copy, without a check.

    Args:
        source: folder or prefix of the bundle.
        target: folder or prefix of the copy.

    Raises:
        StoreError: `target` cannot be written.
        StoreUnavailableError: a store does not answer.
    """
    if source.uri == target.uri:
        return
    for name in map(signature_name, _signers_if_listed(source)):
        content = source.read(name)
        if len(content) == SIGNATURE_BYTES:
            target.write(name, content)


def _signers_if_listed(source: Store) -> list[str]:
    """List the ids of the signing keys; empty if the store allows reading but not listing."""
    try:
        return signers_of(source)
    except StoreUnavailableError:
        raise
    except StoreError:
        return []


def _read_private(path: Path) -> bytes:
    """Read a file, and refuse one that other users may access."""
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(f"others may read the private key {path}; run chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None

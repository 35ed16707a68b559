"""Create private keys for tests."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from training.registry.signing import Signer


def new_key(path: Path, passphrase: str | None = None) -> Path:
    """Write a private key as OpenSSL does: PEM, PKCS8, readable only by its owner."""
    hidden = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
    path.chmod(0o600)
    return path


def public_pem(signer: Signer) -> str:
    """Return the public key as OpenSSL writes it."""
    key = signer._key.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def new_signer() -> Signer:
    """Create a key that is in no file."""
    return Signer(Ed25519PrivateKey.generate())

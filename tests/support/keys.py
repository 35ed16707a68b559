"""Private keys for tests, made anew."""

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
    """Write a private key as OpenSSL does: PEM, PKCS8, for the owner's eyes alone."""
    hidden = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
    path.chmod(0o600)
    return path


def public_pem(signer: Signer) -> str:
    """Write the public half of a key as OpenSSL does."""
    key = signer._key.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def new_signer() -> Signer:
    """Make a key that lies nowhere."""
    return Signer(Ed25519PrivateKey.generate())

"""`python -m training sign`: sign a bundle with a private key."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steeldefect.program.command import local_path

if TYPE_CHECKING:
    from training.registry.signing import Signer

PASSPHRASE = "STEELDEFECT_KEY_PASSPHRASE"  # noqa: S105
"""Environment variable with the passphrase of an encrypted key, for runs without a terminal."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("sign", help="sign a bundle with a private key")
    parser.set_defaults(run=run)
    parser.add_argument("bundle", metavar="BUNDLE", help="folder, S3 address or alias")
    parser.add_argument(
        "--key", required=True, type=local_path, metavar="KEY.pem", help="private key, Ed25519"
    )


def run(options: argparse.Namespace) -> None:
    """Sign a bundle and print the setting that makes scoring trust the key."""
    from steeldefect.stores import S3Settings
    from training.registry.signing import sign_bundle

    signer = signer_from(options.key)
    published = sign_bundle(options.bundle, signer, S3Settings())
    print(f"{published.store.uri} ({published.digest[:12]}) is signed; {describe_signer(signer)}")


def signer_from(path: Path) -> Signer:
    """Read a private key. Its passphrase comes from the environment or from the terminal.

    Raises:
        SettingsError: the key cannot be read or used.
    """
    from training.registry.signing import read_signer

    return read_signer(path, _passphrase)


def describe_signer(signer: Signer) -> str:
    """Return a key's id and the setting that makes scoring trust the key."""
    return f"key {signer.public.key_id}, for scoring: trusted_keys: [{signer.public.text}]"


def _passphrase() -> str | None:
    given = os.environ.get(PASSPHRASE)
    if given is None and sys.stdin.isatty():
        return getpass.getpass("passphrase of the key: ")
    return given

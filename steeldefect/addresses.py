"""Read and check addresses: local paths, `file:` URLs and `s3://` addresses.

Every accepted address means one place. An address that Python, boto3 and the Delta library would
understand differently is refused here, before anything is read or scored.
"""

from __future__ import annotations

import locale
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from steeldefect.errors import SettingsError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_S3_SCHEMES = ("s3://", "s3a://", "s3n://")
_FILE = "file:"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ENCODED = re.compile(r"%(?:2f|00)", re.IGNORECASE)  # file names have no slash and no zero byte
_NO_TABLE = re.compile(r"%[0-9A-Fa-f]{2}|[\0-\x1f\x7f-\x9f\u2028\u2029]")
"""What the Delta library decodes twice, or does not accept, in any address."""
_NO_LOCAL_TABLE = re.compile(r"[\\\[\]^|]")  # what it does not accept in local paths
_UTF8 = "set LC_ALL=C.UTF-8 for the whole command (a crontab sets no locale), and start again"


class S3Address(NamedTuple):
    """Bucket and prefix of objects.

    Attributes:
        bucket: name of the bucket.
        prefix: prefix without a slash at its ends; empty for the whole bucket.
    """

    bucket: str
    prefix: str


def has_scheme(text: str) -> bool:
    """Return whether a text begins with a scheme; then it is no folder, even `s3:/bucket`."""
    return _SCHEME.match(text) is not None


def is_s3(address: str) -> bool:
    """Return whether an address is in an object store."""
    return address.startswith(_S3_SCHEMES)


def check_text(address: str) -> None:
    """Raise an error for an address that is not text, or not the text that was typed.

    Raises:
        SettingsError: the address has a zero byte, bytes that are not UTF-8, or the replacement
            characters that Java writes for characters outside its locale.
    """
    if "\0" in address:
        raise SettingsError(f"{address!r} holds a zero byte; no file or object has such a name")
    if not _is_text(address):
        raise SettingsError(
            f"{address!r} is not UTF-8; rename the folder or make a link to it, or, if the name is "
            f"UTF-8, {_UTF8}"
        )
    if "\ufffd" in address or ("?" in address and _java_lost_characters()):
        raise SettingsError(
            f"{address!r} is not what was typed: Java read it in a locale that lacks some of its "
            f"characters; {_UTF8}"
        )


def check_table_address(uri: str) -> None:
    """Raise an error for an address of an output that the Delta library would misread.

    Args:
        uri: address of a store.

    Raises:
        SettingsError: the address has such characters, or an empty part.
    """
    found = _NO_TABLE.search(uri) or (None if is_s3(uri) else _NO_LOCAL_TABLE.search(uri))
    problem = found[0] if found else "//" if "//" in uri.split("://", 1)[-1] else None
    if problem:
        raise SettingsError(
            f"{uri!r}: the Delta library misreads {problem!r} in the address of tables; choose an "
            "--output without it"
        )


def s3_address(address: str) -> S3Address:
    """Split `s3://bucket/prefix`; `s3a://` and `s3n://` mean the same.

    Raises:
        SettingsError: the address has no bucket, has credentials, or has a part that a library
            would drop.
    """
    bucket, _, prefix = address.split("://", 1)[1].partition("/")
    if "@" in bucket or ":" in bucket:
        raise SettingsError("an s3:// address holds no credentials; expected s3://bucket/prefix")
    if not bucket:
        raise SettingsError(f"{address!r}: no bucket; expected s3://bucket/prefix")
    if not _BUCKET.fullmatch(bucket):
        raise SettingsError(f"{address!r}: no bucket is named {bucket!r}")
    parts = prefix.removesuffix("/").split("/") if prefix else []
    if "." in parts or ".." in parts:
        raise SettingsError(f"{address!r}: expected no parts `.` and `..` below the bucket")
    if parts and not (parts[0] and parts[-1]):
        plain = "/".join(part for part in parts if part)
        raise SettingsError(
            f"{address!r}: a slash too many; expected s3://{bucket}/{plain}".rstrip("/")
        )
    return S3Address(bucket, "/".join(parts))


def local_folder(address: str) -> Path:
    """Return a local path or a `file:` URL of this host as a path; `%20` etc. are decoded once.

    Raises:
        SettingsError: the address is neither of these.
    """
    if address.lower().startswith(_FILE):
        return Path(_file_path(address))
    if not address or has_scheme(address.strip()):
        raise SettingsError(
            f"{address!r}: expected a local folder or s3://bucket/prefix (write ./name for a "
            "folder with a colon in its name)"
        )
    try:
        path = Path(address).expanduser()
    except RuntimeError:
        raise SettingsError(
            f"{address!r}: there is no such user; write ./{address} for a folder with that name"
        ) from None
    return _checked_encoding(path)


def absolute(path: Path) -> str:
    """Return a path as an absolute one; `..` after a link is resolved as the system resolves it.

    Other links are not resolved, so an archive behind a link keeps its address when the link
    changes.

    Raises:
        SettingsError: the absolute path is not UTF-8.
    """
    whole = os.path.join(os.getcwd(), path)
    if not _is_text(whole):
        raise SettingsError(f"{whole!r} is not UTF-8; rename the folder or make a link to it")
    parts = [part for part in whole.split("/") if part not in ("", ".")]
    found = ""
    for part in parts:
        if part != "..":
            found = f"{found}/{part}"
            continue
        if os.path.islink(found):
            found = os.path.realpath(found)
        found = found.rpartition("/")[0]
    return found or "/"


def split_file(address: str) -> tuple[str, str]:
    """Split the address of a file into its folder's address and its name.

    Raises:
        SettingsError: the address is a `file:` URL, but not of a file on this host.
    """
    if address.lower().startswith(_FILE):
        address = _file_path(address)
    folder, slash, name = address.rpartition("/")
    return folder or slash or ".", name


def _file_path(url: str) -> str:
    rest = url[len(_FILE) :]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            raise SettingsError(
                f"{url!r} names the host {host}; expected file:///path; mount the folder on this "
                "host first"
            )
        rest = slash + path
    if not rest.startswith("/"):
        raise SettingsError(f"{url!r}: expected file:///path")
    if "?" in rest or "#" in rest:
        raise SettingsError(
            f"{url!r}: in a file: URL, write %3F for `?` and %23 for `#`, or give the plain path"
        )
    if _ENCODED.search(rest):
        raise SettingsError(f"{url!r}: no file's name holds %2F or %00")
    path = os.fsdecode(unquote_to_bytes(rest))
    check_text(path)
    return str(_checked_encoding(Path(path)))


def _checked_encoding(path: Path) -> Path:
    """Return the path; raise an error if its bytes differ between this process and Delta."""
    if not str(path).isascii() and sys.getfilesystemencoding() != "utf-8":
        raise SettingsError(f"{str(path)!r}: names must be UTF-8, but the locale is not; {_UTF8}")
    return path


def _is_text(name: str) -> bool:
    """Return whether a name is Unicode text; Python reads bytes that are not as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _java_lost_characters() -> bool:
    """Return whether `spark-submit` passed the arguments through Java in a locale without UTF-8.

    Java then replaces each byte of a character outside the locale by `?`. The parent's locale is
    checked, because Python replaces the locale C of this process by C.UTF-8 when it starts.
    """
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # only spark-submit sets it
        return False
    try:
        lines = Path(f"/proc/{os.getppid()}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    environment = dict(line.split(b"=", 1) for line in lines if b"=" in line)
    names = (environment.get(name, b"") for name in (b"LC_ALL", b"LC_CTYPE", b"LANG"))
    return not _is_utf8(os.fsdecode(next(filter(None, names), b"C")))


def _is_utf8(name: str) -> bool:
    """Return whether a locale is installed and uses UTF-8."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
        return locale.nl_langinfo(locale.CODESET).upper() == "UTF-8"
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_CTYPE, before)

"""A bundle as one zip for broadcasting, and the copies of bundles on a host."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from steeldefect.bundle.files import (
    MANIFEST_NAME,
    SEAL_NAME,
    Bundle,
    ModelForm,
    read_manifest,
    selected_files,
)
from steeldefect.errors import BundleError


def pack(bundle: Bundle, forms: Iterable[ModelForm]) -> bytes:
    """Return manifest, seal and the files of `forms` as one zip, uncompressed, for broadcasting."""
    buffer = io.BytesIO()
    names = [MANIFEST_NAME, SEAL_NAME, *selected_files(bundle.manifest, forms)]
    with zipfile.ZipFile(buffer, mode="w", compression=zipfile.ZIP_STORED) as archive:
        for name in names:
            archive.write(bundle.folder / name, arcname=name)
    return buffer.getvalue()


def unpack(payload: bytes, folder: Path) -> None:
    """Write the files of a zip of `pack` to `folder` in one step: no process sees half a bundle.

    If another process was faster, its folder is kept. Besides manifest and seal, only files that
    the manifest inside the zip lists are written, each with the size that the manifest states.

    Raises:
        BundleError: the zip is damaged, or holds files that `pack` does not write.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            entries = _checked_entries(archive)
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _unpack(archive, entries, folder)
    except (zipfile.BadZipFile, KeyError, RuntimeError) as error:  # RuntimeError: encrypted
        raise BundleError(f"the packed bundle is damaged ({error}); start the run again") from None


def _checked_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Check the entries of a packed bundle, and return them.

    Raises:
        BundleError: an entry is compressed, comes twice, or differs from the manifest.
        KeyError: the zip has no manifest or no seal.
    """
    entries = archive.infolist()
    sizes = {entry.filename: entry.file_size for entry in entries}
    if len(sizes) < len(entries) or any(map(_may_grow, entries)):
        raise BundleError(
            "the packed bundle has compressed files, or two with one name; start the run again"
        )
    manifest, _ = read_manifest(archive.read(MANIFEST_NAME), archive.read(SEAL_NAME), "packed")
    for name in sizes.keys() - {MANIFEST_NAME, SEAL_NAME}:
        expected = manifest.files.get(name)
        if expected is None or expected.size != sizes[name]:
            raise BundleError(
                f"the packed bundle holds a {name!r} that its manifest does not describe; start "
                "the run again"
            )
    return entries


def _may_grow(entry: zipfile.ZipInfo) -> bool:
    """Return whether a file can be larger than its data in the zip, as in a zip bomb."""
    return entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size


def _unpack(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo], folder: Path) -> None:
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-"))
    try:
        for entry in entries:
            archive.extract(entry, staging)
        try:
            staging.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def host_cache() -> Path:
    """Create the folder for this user's copies of bundles on this host, and return it.

    Raises:
        BundleError: the folder cannot be created, or others may write to it.
    """
    folder = Path(tempfile.gettempdir()) / f"steeldefect-bundles-{os.getuid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.lstat()
    except OSError as error:
        raise BundleError(f"cannot create {folder}: {error.strerror}; set TMPDIR") from None
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise BundleError(
            f"{folder} belongs to another user, or others may write to it; remove it, or set TMPDIR"
        )
    return folder

"""The model bundle: an immutable folder that a digest names.

    bundle.json                     the manifest, with the sha256 of every other file
    bundle.sha256                   the sha256 of bundle.json, in the form of `sha256sum`
    keras/gate.keras, ...           the models as trained: the source of truth
    openvino/gate.xml, gate.bin     the same for executors with a CPU; serves f32 and bf16
    openvino_int8/gate.xml, ...     optional: the same with int8 weights and activations
    selftest.json                   what the Keras models answer to generated pictures
    signatures/<key id>.sig         optional: who vouches for the digest; not in the manifest

The digest of a bundle is the sha256 of its `bundle.json`; as that file holds all other hashes,
one changed byte anywhere changes the digest or is refused. `sha256sum -c bundle.sha256` checks
the manifest by hand.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from steeldefect.bundle.manifest import BundleFile, CpuPrecision, Manifest
from steeldefect.bundle.signatures import SIGNATURES
from steeldefect.errors import BundleError
from steeldefect.pictures.preprocessing import InputSpec

MANIFEST_NAME = "bundle.json"
SEAL_NAME = "bundle.sha256"


class ModelName(str, Enum):
    """The two models of a bundle."""

    GATE = "gate"
    SEGMENTER = "segmenter"


class ModelForm(str, Enum):
    """The forms that a bundle carries of each model; also the names of their folders.

    A bundle may be without the int8 form.
    """

    KERAS = "keras"
    OPENVINO = "openvino"
    OPENVINO_INT8 = "openvino_int8"


MANDATORY_FORMS = (ModelForm.KERAS, ModelForm.OPENVINO)
"""What every bundle holds."""

_SUFFIXES = {
    ModelForm.KERAS: "keras",
    ModelForm.OPENVINO: "xml",
    ModelForm.OPENVINO_INT8: "xml",
}
_REMEDIES = {
    ModelForm.KERAS: "export it anew",
    ModelForm.OPENVINO: "export it anew",
    ModelForm.OPENVINO_INT8: "set precision=auto, or export it anew with an int8 form",
}


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were checked against their hashes.

    Attributes:
        manifest: the contents of `bundle.json`.
        digest: sha256 of `bundle.json` as 64 hex digits; names the bundle in every table.
        folder: where the checked files lie.
    """

    manifest: Manifest
    digest: str
    folder: Path

    @property
    def models(self) -> tuple[ModelName, ...]:
        """The models of this bundle, in the order a picture meets them."""
        if self.manifest.gate is None:
            return (ModelName.SEGMENTER,)
        return (ModelName.GATE, ModelName.SEGMENTER)

    def model_path(self, model: ModelName, form: ModelForm) -> Path:
        """Path of a model's file: `.keras`, or `.xml` beside its `.bin`."""
        return self.folder / form.value / f"{model.value}.{_SUFFIXES[form]}"

    def has(self, form: ModelForm) -> bool:
        """Tell whether the manifest lists anything of a form."""
        return bool(selected_files(self.manifest, [form]))

    def require(self, forms: Iterable[ModelForm]) -> None:
        """Refuse to go on where the manifest lacks a model in one of the forms.

        Raises:
            BundleError: names what is missing.
        """
        for form in forms:
            for model in self.models:
                name = self.model_path(model, form).relative_to(self.folder).as_posix()
                if name not in self.manifest.files:
                    raise BundleError(f"bundle {self.folder}: it has no {name}; {_REMEDIES[form]}")


def input_spec(manifest: Manifest, model: ModelName) -> InputSpec:
    """Tell what a model takes."""
    if model is ModelName.GATE and manifest.gate is not None:
        return manifest.gate.input
    return manifest.segmenter.input


def open_bundle(folder: Path, forms: Collection[ModelForm] | None = None) -> Bundle:
    """Read a bundle from a folder and check it against its own hashes.

    Args:
        folder: holds `bundle.json`.
        forms: the model forms that must be there and are checked; None for those that this
            bundle is meant to have, and every file.

    Raises:
        BundleError: missing, altered, or of a format that this version does not read.
    """
    manifest, digest = read_manifest(
        _read(folder, MANIFEST_NAME), _read(folder, SEAL_NAME), str(folder)
    )
    bundle = Bundle(manifest, digest, folder)
    bundle.require(_meant_forms(bundle) if forms is None else forms)
    for name in selected_files(manifest, forms):
        check_file(name, manifest.files[name], _read(folder, name), str(folder))
    return bundle


def read_manifest(content: bytes, seal: bytes, where: str) -> tuple[Manifest, str]:
    """Parse `bundle.json` after checking it against `bundle.sha256`; gives manifest and digest."""
    digest = hashlib.sha256(content).hexdigest()
    if seal != _seal(digest):
        raise BundleError(
            f"bundle {where}: {MANIFEST_NAME} does not match {SEAL_NAME}: it was altered or is "
            "incomplete; fetch the bundle again or export it anew"
        )
    try:
        return Manifest.model_validate_json(content), digest
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BundleError(f"bundle {where}: {MANIFEST_NAME}: {place}: {first['msg']}") from None


def selected_files(manifest: Manifest, forms: Iterable[ModelForm] | None) -> list[str]:
    """List the files of a bundle that belong to `forms` (all files for None)."""
    if forms is None:
        return list(manifest.files)
    wanted = {form.value for form in forms}
    return [name for name in manifest.files if PurePosixPath(name).parts[0] in wanted]


def check_file(name: str, expected: BundleFile, content: bytes, where: str) -> None:
    """Compare one file with its entry in the manifest.

    Raises:
        BundleError: size or hash differ.
    """
    if len(content) != expected.size or hashlib.sha256(content).hexdigest() != expected.sha256:
        raise BundleError(
            f"bundle {where}: {name} does not match its sha256 in {MANIFEST_NAME}: it was altered "
            "or is incomplete; fetch the bundle again or export it anew"
        )


def describe_files(folder: Path) -> dict[str, BundleFile]:
    """Hash every file below `folder`; the keys are relative paths with forward slashes.

    Manifest, seal and signatures are left out: they state the hashes, or come after them.
    """
    return {
        path.relative_to(folder).as_posix(): BundleFile(
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size=path.stat().st_size
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in (MANIFEST_NAME, SEAL_NAME)
        and path.relative_to(folder).parts[0] != SIGNATURES
    }


def seal_bundle(folder: Path, manifest: Manifest) -> str:
    """Write `bundle.json` and its seal into `folder`; gives the digest.

    The manifest's `files` must be `describe_files(folder)`.
    """
    content = manifest.model_dump_json(indent=2).encode() + b"\n"
    digest = hashlib.sha256(content).hexdigest()
    (folder / MANIFEST_NAME).write_bytes(content)
    (folder / SEAL_NAME).write_bytes(_seal(digest))
    return digest


def pack(bundle: Bundle, forms: Iterable[ModelForm]) -> bytes:
    """Put manifest, seal and the files of `forms` into one zip, uncompressed, for broadcasting."""
    buffer = io.BytesIO()
    names = [MANIFEST_NAME, SEAL_NAME, *selected_files(bundle.manifest, forms)]
    with zipfile.ZipFile(buffer, mode="w", compression=zipfile.ZIP_STORED) as archive:
        for name in names:
            archive.write(bundle.folder / name, arcname=name)
    return buffer.getvalue()


def unpack(payload: bytes, folder: Path) -> None:
    """Unpack `pack`'s zip as `folder`, in one step: no process ever sees half a bundle.

    Where another process was faster, its folder stands. Nothing is written but the files of the
    manifest inside the zip, each at most as large as the manifest says.

    Raises:
        BundleError: the zip is damaged, or holds what `pack` does not write.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            entries = _checked_entries(archive)
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _unpack(archive, entries, folder)
    except (zipfile.BadZipFile, KeyError, RuntimeError) as error:  # RuntimeError: encrypted
        raise BundleError(f"the packed bundle is damaged ({error}); start the run again") from None


def _checked_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List the entries of a packed bundle, once none of them is a surprise.

    Raises:
        BundleError: an entry is compressed, comes twice, or is not as the manifest describes it.
        KeyError: there is no manifest.
    """
    entries = archive.infolist()
    sizes = {entry.filename: entry.file_size for entry in entries}
    if len(sizes) < len(entries) or any(map(_may_grow, entries)):
        raise BundleError(
            "the packed bundle has compressed files, or two of one name; start the run again"
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
    """Tell whether a file can be larger than its place in the zip, which is how bombs are made."""
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
    """Make the folder of this user on this host in which broadcast bundles are unpacked.

    Raises:
        BundleError: it cannot be made, or others may write to it.
    """
    folder = Path(tempfile.gettempdir()) / f"steeldefect-bundles-{os.getuid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.lstat()
    except OSError as error:
        raise BundleError(f"cannot make {folder}: {error.strerror}; set TMPDIR") from None
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise BundleError(
            f"{folder} is somebody else's, or others may write to it; remove it, or set TMPDIR"
        )
    return folder


def _meant_forms(bundle: Bundle) -> tuple[ModelForm, ...]:
    """List the forms of a whole bundle: int8 where it lists such files, or has it as default."""
    compiled = bundle.manifest.compiled
    default = compiled is not None and compiled.default is CpuPrecision.INT8
    if default or bundle.has(ModelForm.OPENVINO_INT8):
        return (*MANDATORY_FORMS, ModelForm.OPENVINO_INT8)
    return MANDATORY_FORMS


def _seal(digest: str) -> bytes:
    return f"{digest}  {MANIFEST_NAME}\n".encode()


def _read(folder: Path, name: str) -> bytes:
    """Read a file of a bundle in a folder.

    Raises:
        BundleError: missing, unreadable, or no file of this folder.
    """
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BundleError(
                f"{path} is a link that leads out of the bundle; copy the bundle with the files "
                "that its links lead to (cp -rL)"
            )
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):  # reading a pipe would never end
            raise BundleError(f"{path} is no regular file; export the bundle anew")
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(
            f"no such file: {path}; a bundle is a folder that `python -m training fit` wrote"
        ) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead round in circles
        reason = error.strerror if isinstance(error, OSError) else "its links lead in circles"
        raise BundleError(f"cannot read {path}: {reason}") from None

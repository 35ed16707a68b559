"""The files of a bundle: an immutable folder that is named by a digest.

    bundle.json                     the manifest, with the sha256 of every other file
    bundle.sha256                   the sha256 of bundle.json, in the form of `sha256sum`
    keras/gate.keras, ...           the models as trained: the source of truth
    openvino/gate.xml, gate.bin     the same for executors with a CPU; serves f32 and bf16
    openvino_int8/gate.xml, ...     optional: the same with int8 weights and activations
    selftest.json                   what the Keras models answer to generated pictures
    signatures/<key id>.sig         optional: signatures of the digest; not in the manifest

If the gate is shared (`Gate.shared`), the gate's files also give features, and the segmenter's take
these: both are parts of one network.

The digest of a bundle is the sha256 of its `bundle.json`. That file holds all other hashes, so one
changed byte anywhere either changes the digest or is refused. `sha256sum -c bundle.sha256` checks
the manifest by hand.
"""

from __future__ import annotations

import hashlib
import stat
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
    """The forms of each model in a bundle; the values are the names of their folders.

    The int8 form is optional.
    """

    KERAS = "keras"
    OPENVINO = "openvino"
    OPENVINO_INT8 = "openvino_int8"


MANDATORY_FORMS = (ModelForm.KERAS, ModelForm.OPENVINO)
"""Forms that every bundle has."""

_SUFFIXES = {
    ModelForm.KERAS: "keras",
    ModelForm.OPENVINO: "xml",
    ModelForm.OPENVINO_INT8: "xml",
}
_REMEDIES = {
    ModelForm.KERAS: "export it again",
    ModelForm.OPENVINO: "export it again",
    ModelForm.OPENVINO_INT8: "set precision=auto, or export it again with an int8 form",
}


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were checked against their hashes.

    Attributes:
        manifest: the contents of `bundle.json`.
        digest: sha256 of `bundle.json` as 64 hex digits; names the bundle in every table.
        folder: folder of the checked files.
    """

    manifest: Manifest
    digest: str
    folder: Path

    @property
    def models(self) -> tuple[ModelName, ...]:
        """The models of this bundle, in the order in which scoring runs them."""
        if self.manifest.gate is None:
            return (ModelName.SEGMENTER,)
        return (ModelName.GATE, ModelName.SEGMENTER)

    def model_path(self, model: ModelName, form: ModelForm) -> Path:
        """Return the path of a model's file: `.keras`, or `.xml` beside its `.bin`."""
        return self.folder / form.value / f"{model.value}.{_SUFFIXES[form]}"

    def shared_gate(self, form: ModelForm) -> Path | None:
        """Return the gate's file if it is shared, because the segmenter's needs it; else None."""
        shares = self.manifest.shares_network
        return self.model_path(ModelName.GATE, form) if shares else None

    def has(self, form: ModelForm) -> bool:
        """Return whether the manifest lists any file of a form."""
        return bool(selected_files(self.manifest, [form]))

    def require(self, forms: Iterable[ModelForm]) -> None:
        """Check that the manifest lists every model in each of the forms.

        Raises:
            BundleError: a model is missing in a form; the message names its file.
        """
        for form in forms:
            for model in self.models:
                name = self.model_path(model, form).relative_to(self.folder).as_posix()
                if name not in self.manifest.files:
                    raise BundleError(f"bundle {self.folder}: it has no {name}; {_REMEDIES[form]}")


def input_spec(manifest: Manifest, model: ModelName) -> InputSpec:
    """Return the input of a model."""
    if model is ModelName.GATE and manifest.gate is not None:
        return manifest.gate.input
    return manifest.segmenter.input


def open_bundle(folder: Path, forms: Collection[ModelForm] | None = None) -> Bundle:
    """Read a bundle from a folder, and check it against its own hashes.

    Args:
        folder: folder that holds `bundle.json`.
        forms: model forms that must be present; only their files are checked. None for all forms
            that this bundle must have; every file is checked.

    Raises:
        BundleError: a file is missing or altered, or this version does not read the format.
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
    """Check `bundle.json` against `bundle.sha256`, and return its manifest and its digest.

    Raises:
        BundleError: the manifest is altered, malformed, or of a format that is not read.
    """
    digest = hashlib.sha256(content).hexdigest()
    if seal != _seal(digest):
        raise BundleError(
            f"bundle {where}: {MANIFEST_NAME} does not match {SEAL_NAME}: it was altered or is "
            "incomplete; fetch the bundle again or export it again"
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
    """Check one file against its entry in the manifest.

    Raises:
        BundleError: size or hash differs.
    """
    if len(content) != expected.size or hashlib.sha256(content).hexdigest() != expected.sha256:
        raise BundleError(
            f"bundle {where}: {name} does not match its sha256 in {MANIFEST_NAME}: it was altered "
            "or is incomplete; fetch the bundle again or export it again"
        )


def describe_files(folder: Path) -> dict[str, BundleFile]:
    """Compute hash and size of every file below `folder`, by relative path with forward slashes.

    Manifest, seal and signatures are left out: they hold the hashes, or are written after them.
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
    """Write `bundle.json` and its seal to `folder`, and return the digest.

    The manifest's `files` must equal `describe_files(folder)`.
    """
    content = manifest.model_dump_json(indent=2).encode() + b"\n"
    digest = hashlib.sha256(content).hexdigest()
    (folder / MANIFEST_NAME).write_bytes(content)
    (folder / SEAL_NAME).write_bytes(_seal(digest))
    return digest


def _meant_forms(bundle: Bundle) -> tuple[ModelForm, ...]:
    """Return the forms that a bundle must have: int8 if it lists such files or may use it."""
    compiled = bundle.manifest.compiled
    usable = compiled is not None and CpuPrecision.INT8 in compiled.usable
    if usable or bundle.has(ModelForm.OPENVINO_INT8):
        return (*MANDATORY_FORMS, ModelForm.OPENVINO_INT8)
    return MANDATORY_FORMS


def _seal(digest: str) -> bytes:
    return f"{digest}  {MANIFEST_NAME}\n".encode()


def _read(folder: Path, name: str) -> bytes:
    """Read a file of a bundle in a folder.

    Raises:
        BundleError: the file is missing, unreadable, or outside the folder.
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
            raise BundleError(f"{path} is not a regular file; export the bundle again")
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(
            f"no such file: {path}; a bundle is a folder that `python -m training fit` wrote"
        ) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: circular links
        reason = error.strerror if isinstance(error, OSError) else "its links lead in circles"
        raise BundleError(f"cannot read {path}: {reason}") from None

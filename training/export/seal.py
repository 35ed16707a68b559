"""Seal staged models as a bundle: write self-test and manifest, check, rename the folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from steeldefect.bundle.files import Bundle, describe_files, open_bundle, seal_bundle
from steeldefect.bundle.manifest import Manifest
from steeldefect.detection.selftest import write_selftest
from training.export.staging import Staged, refuse_existing

_NO_ATTACHMENTS: Mapping[str, str] = MappingProxyType({})


def seal(
    staged: Staged,
    target: Path,
    manifest: Manifest,
    attachments: Mapping[str, str] = _NO_ATTACHMENTS,
) -> Bundle:
    """Write the missing files, check the bundle as scoring does, and rename its folder.

    Args:
        staged: models in all forms that the bundle will have.
        target: folder of the bundle; must not exist.
        manifest: complete manifest; its `files` is ignored.
        attachments: contents of further text files, by name.

    Returns:
        The bundle, opened and checked.

    Raises:
        AlreadyExistsError: `target` exists.
        BundleError: the manifest does not fit the files.
    """
    folder = staged.folder
    for name, text in attachments.items():
        (folder / name).write_text(text, encoding="utf-8")
    compiled = {one: staged.compiled_runtimes(one) for one in staged.precisions}
    write_selftest(folder, manifest, staged.keras_runtimes(), compiled)
    seal_bundle(folder, manifest.model_copy(update={"files": describe_files(folder)}))
    checked = open_bundle(folder)
    refuse_existing(target)
    folder.rename(target)
    return replace(checked, folder=target)

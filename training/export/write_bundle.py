"""Writes a bundle from two Keras models and a manifest that is complete, all or nothing.

A fit takes more steps between the same two; see `training.finish`.
"""

from __future__ import annotations

from pathlib import Path

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import Manifest
from training.export.agreement import check_agreement
from training.export.seal import seal
from training.export.staging import Models, staging


def write_bundle(target: Path, models: Models, manifest: Manifest) -> Bundle:
    """Write a bundle without an int8 form.

    Args:
        target: must not exist.
        models: a gate just where `manifest` has one.
        manifest: of `draft_manifest`, with whatever is known besides; its `files` is ignored.

    Returns:
        The bundle, opened and checked.

    Raises:
        AlreadyExistsError: `target` exists.
        BundleError: models and manifest do not match, or the forms do not agree.
        StoreError: the bundle cannot be written.
    """
    with staging(target, models, manifest) as staged:
        check_agreement(staged)
        return seal(staged, target, manifest)

"""Write a bundle from Keras models and a complete manifest, all or nothing.

A fit stages and seals in the same way, with more steps in between; see `training.finish`.
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
        target: folder of the bundle; must not exist.
        models: models to write; there must be a gate if, and only if, `manifest` has a gate.
        manifest: manifest made by `draft_manifest`, completed as needed; its `files` is ignored.

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

"""What the bundles of stand-ins say of their training: there was none."""

from __future__ import annotations

from steeldefect.bundle.manifest import TrainingRecord


def unfitted() -> TrainingRecord:
    """Return the record of models that were built, not fitted."""
    return TrainingRecord(
        recipe_name="stand-in",
        recipe={},
        seed=0,
        data_fingerprint="none",
        pictures={},
        minutes=0,
    )

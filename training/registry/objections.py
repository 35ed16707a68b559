"""What speaks against promoting a bundle: by itself, and beside the bundle that stands.

The objections:

- it carries no self-test, or no scores of its own on held-out pictures;
- it is no better than an answer of nothing: its positives_dice is 0, or its mean_dice is below
  all_empty_dice on the same pictures;
- it scores worse than the bundle that the alias stands for, on the same held-out pictures: a
  judged metric is lower by more than `TOLERANCE`, or lower at all with a 95% interval that leaves
  out 0 (without this, many small steps down would pass one by one);
- the two were not held out on the same pictures, or were fitted on some of those that they are
  compared on, so that nobody knows (`registry.promotion` adds these two).

Judged are positives_dice, mean_dice, and the share of defective pictures that is not lost:
gate_recall where both gates stop pictures (mode hard), else verdict_recall. On hundreds of pictures
these move by more than the tolerance from fit to fit; so an objection always states the interval,
and whoever overrides it has seen it.
"""

from __future__ import annotations

from steeldefect.analysis.metrics import OVERALL
from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import GateMode, Manifest
from training.registry.comparison import Comparison, Figure
from training.registry.comparison_table import describe

TOLERANCE = 0.005
"""Largest drop of a judged metric tolerated while the 95% interval still contains 0."""


def selftest_objections(bundle: Bundle) -> list[str]:
    """Run a bundle's self-test.

    Raises:
        BundleError: it fails.
    """
    from steeldefect.detection.selftest import SELFTEST_NAME, check_selftest

    if SELFTEST_NAME not in bundle.manifest.files:
        return ["it carries no self-test; export it anew"]
    check_selftest(bundle)
    return []


def own_objections(manifest: Manifest) -> list[str]:
    """Say what a bundle's own held-out scores speak against it."""
    scores = {one.name: one.value for one in manifest.held_out_scores if one.scope == OVERALL}
    positives, mean, empty = (
        scores.get(name) for name in ("positives_dice", "mean_dice", "all_empty_dice")
    )
    if positives is None or mean is None or empty is None:
        return ["it has no scores on held-out pictures with defects"]
    found = []
    if positives <= 0:
        found.append("it outlines no held-out defect (positives_dice 0)")
    if mean < empty:
        found.append(
            f"its mean_dice {mean:.4f} is below the {empty:.4f} that an answer of nothing at all "
            "scores on the same pictures"
        )
    return found


def objections_to(comparison: Comparison, metrics: tuple[str, ...]) -> list[str]:
    """Say in which metrics the second bundle of a comparison scores worse than the first."""
    figures = (comparison.figure(name) for name in metrics)
    worse = [describe(figure) for figure in figures if figure is not None and _is_worse(figure)]
    if not worse:
        return []
    return [
        f"it scores worse than {comparison.first.digest[:12]}, which stands: {', '.join(worse)}"
    ]


def judged_metrics(first: Manifest, second: Manifest) -> tuple[str, ...]:
    """Choose the metrics that two bundles are judged by."""
    stopping = all(
        one.gate is not None and one.gate.mode is GateMode.HARD for one in (first, second)
    )
    return ("positives_dice", "mean_dice", "gate_recall" if stopping else "verdict_recall")


def _is_worse(figure: Figure) -> bool:
    if figure.difference is None:
        return figure.first is not None and figure.second is None
    shown = figure.interval is not None and figure.interval[1] < 0
    return figure.difference < -TOLERANCE or (figure.difference < 0 and shown)

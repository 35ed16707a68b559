"""Find objections to a promotion: of the bundle alone, and against the bundle that stands.

The objections:

- The bundle carries no self-test, or no scores on held-out pictures.
- The bundle is not better than an empty answer: its positives_dice is 0, or its mean_dice is below
  all_empty_dice on the same pictures.
- The bundle scores worse than the bundle that the alias stands for, on the same held-out pictures:
  a judged metric drops by more than `TOLERANCE`, or drops at all and the 95% interval excludes 0.
  (Without the second rule, many small drops would pass one by one.)
- The two bundles were not held out on the same pictures, or were fitted on pictures that they are
  compared on. Their scores then cannot be compared. (`registry.promotion` adds these two.)

The judged metrics are positives_dice, mean_dice and the recall of defective pictures: gate_recall
if both gates are hard, else verdict_recall. On hundreds of pictures these metrics vary by more than
the tolerance from fit to fit. So an objection states the interval, for the person who overrides it.
"""

from __future__ import annotations

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import GateMode, Manifest
from steeldefect.evaluation.metrics import OVERALL
from training.registry.comparison import Comparison, Figure
from training.registry.comparison_table import describe

TOLERANCE = 0.005
"""Largest drop of a judged metric tolerated while the 95% interval still contains 0."""


def selftest_objections(bundle: Bundle) -> list[str]:
    """Run the self-test of a bundle; return an objection if the bundle carries none.

    Raises:
        BundleError: the self-test fails.
    """
    from steeldefect.detection.selftest import SELFTEST_NAME, check_selftest

    if SELFTEST_NAME not in bundle.manifest.files:
        return ["it carries no self-test; export it again"]
    check_selftest(bundle)
    return []


def own_objections(manifest: Manifest) -> list[str]:
    """Return the objections from the bundle's own held-out scores."""
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
            f"its mean_dice {mean:.4f} is below the {empty:.4f} of an empty answer on the same "
            "pictures"
        )
    return found


def objections_to(comparison: Comparison, metrics: tuple[str, ...]) -> list[str]:
    """Return an objection that names the metrics in which the second bundle is worse."""
    figures = (comparison.figure(name) for name in metrics)
    worse = [describe(figure) for figure in figures if figure is not None and _is_worse(figure)]
    if not worse:
        return []
    return [
        f"it scores worse than {comparison.first.digest[:12]}, which stands: {', '.join(worse)}"
    ]


def judged_metrics(first: Manifest, second: Manifest) -> tuple[str, ...]:
    """Return the metrics by which two bundles are judged."""
    stopping = all(
        one.gate is not None and one.gate.mode is GateMode.HARD for one in (first, second)
    )
    return ("positives_dice", "mean_dice", "gate_recall" if stopping else "verdict_recall")


def _is_worse(figure: Figure) -> bool:
    if figure.difference is None:
        return figure.first is not None and figure.second is None
    shown = figure.interval is not None and figure.interval[1] < 0
    return figure.difference < -TOLERANCE or (figure.difference < 0 and shown)

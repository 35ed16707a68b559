"""Say what becomes of a picture: a label, or a reason to skip it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from steeldefect.pictures import run_lengths
from training.pseudo_labels.candidates import Candidate
from training.pseudo_labels.evidence import Limits

GATED, CLEAN, DEFECT = "gated", "clean", "defect"  # verdicts of the table `images`


class Skip(str, Enum):
    """Why a picture does not become a training picture."""

    DOUBTFUL_REGION = "doubtful_region"
    DOUBTFUL_CLEAN = "doubtful_clean"
    UNKNOWN_CLASS = "unknown_class"
    NO_MODELS = "clean_without_models"
    UNREADABLE = "unreadable"
    CHANGED = "changed_since_scored"
    LABELLED = "labelled_already"
    HELD_OUT = "like_held_out"
    REPEATED = "like_one_taken"
    MIRRORS = "mirrors_disagree"


@dataclass(frozen=True)
class Label:
    """The labels of one picture.

    Attributes:
        masks: run lengths by class, int64 (n, 2) each; empty for a clean picture.
        probabilities: mean probability of each mask, by class.
        confidence: mean of these; for a clean picture, 1 - the greatest probability of a defect.
    """

    masks: Mapping[int, run_lengths.Runs]
    probabilities: Mapping[int, float]
    confidence: float

    @classmethod
    def of_defects(
        cls, masks: Mapping[int, run_lengths.Runs], probabilities: Mapping[int, float]
    ) -> Label:
        """Return the label of a picture with defects."""
        return cls(masks, probabilities, sum(probabilities.values()) / len(probabilities))

    @classmethod
    def of_clean(cls, probability: float) -> Label:
        """Return the label of a clean picture, given the greatest probability of a defect."""
        return cls({}, {}, 1 - probability)


def doubt_about(
    candidate: Candidate, limits: Limits, class_ids: Collection[int], *, has_models: bool
) -> Skip | None:
    """Return why a picture is ambiguous by what the tables hold; None if it is not.

    Args:
        candidate: the picture.
        limits: how sure labels must be.
        class_ids: classes that labels may have.
        has_models: whether the models will look at the picture, too. Only they know the greatest
            probability of a segmented picture without a finding.
    """
    if candidate.verdict == DEFECT:
        return _doubt_about_defects(candidate, limits, class_ids)
    if candidate.verdict == GATED:
        return _doubt_about_gated(candidate, limits)
    if not has_models:
        return Skip.NO_MODELS
    odd = candidate.novelty is not None and candidate.novelty >= 1
    quiet = limits.quiet is not None and candidate.rejected == 0 and not odd
    return None if quiet else Skip.DOUBTFUL_CLEAN


def _doubt_about_defects(
    candidate: Candidate, limits: Limits, class_ids: Collection[int]
) -> Skip | None:
    if not set(candidate.masks) <= set(class_ids):
        return Skip.UNKNOWN_CLASS
    classes = {region.class_id for region in candidate.regions}
    sure = (
        candidate.rejected == 0
        and bool(classes)
        and classes == set(candidate.masks)
        and all(limits.supports(*region) for region in candidate.regions)
    )
    return None if sure else Skip.DOUBTFUL_REGION


def _doubt_about_gated(candidate: Candidate, limits: Limits) -> Skip | None:
    hidden = bool(candidate.audit_defects)
    probability = candidate.gate_probability
    sure = probability is not None and limits.supports_gated(probability) and not hidden
    return None if sure else Skip.DOUBTFUL_CLEAN


def label_of(candidate: Candidate) -> Label:
    """Return the labels that the tables state for a picture that is not ambiguous."""
    if not candidate.masks:
        return Label.of_clean(candidate.gate_probability or 0.0)
    masks = {number: run_lengths.parse(one.runs) for number, one in candidate.masks.items()}
    return Label.of_defects(
        masks, {number: one.probability for number, one in candidate.masks.items()}
    )

"""How far to trust a night: what the gate hides, what its probabilities promise, other bundles."""

from __future__ import annotations

from collections.abc import Iterator

from steeldefect.report.answers import Row
from steeldefect.report.facts import Facts
from steeldefect.report.texts import percent_text
from steeldefect.watch.watch import AUDIT, REVIEWS, SHADOW

_EVALUATED = {
    "defect_recall": "defects found, of all true ones",
    "defect_precision": "true ones, of the defects found",
    "positives_dice": "overlap of found and true masks (Dice, pictures with the class)",
    "pooled_dice": "overlap over all pixels (pooled Dice)",
    "verdict_recall": "defective pictures found, of all",
    "verdict_precision": "defective ones, of the pictures with a finding",
    "gate_recall": "defective pictures that pass the gate",
}


def hidden_row(facts: Facts) -> Row | None:
    """Return the estimate of defective pictures behind the gate: by people if they looked."""
    by_people = facts.watched_row("behind_gate_pictures", REVIEWS)
    return by_people or facts.watched_row("behind_gate_pictures", AUDIT)


def evaluation_rows(facts: Facts) -> list[tuple[Row, str]]:
    """Return the metrics of the newest evaluation that a reader needs, with what they say."""
    by_name = {one["name"]: one for one in facts.evaluated.rows if one["value"] is not None}
    return [(by_name[name], text) for name, text in _EVALUATED.items() if name in by_name]


def shadow_digests(facts: Facts) -> list[str]:
    """Return the digests of the bundles that scored beside the night."""
    labels = {str(one["labels"]) for one in facts.watched.rows}
    return sorted(one.removeprefix(SHADOW) for one in labels if one.startswith(SHADOW))


def trust_sentences(facts: Facts) -> list[str]:
    """Return what the tables say of how far the night can be trusted."""
    return [
        *_compared(facts),
        *_gate(facts),
        *_promise(facts),
        *_drifted(facts),
        *_shadows(facts),
        *_labels(facts),
    ]


def _compared(facts: Facts) -> Iterator[str]:
    """Yield what the newest evaluation says, in numbers of a hundred."""
    value = {row["name"]: row["value"] for row in facts.evaluated.rows if row["value"] is not None}
    if {"verdict_recall", "verdict_precision"} <= value.keys():
        yield (
            f"Compared with labels, it found {100 * value['verdict_recall']:.0f} of 100 pictures "
            f"with a defect; of 100 pictures that it reported, "
            f"{100 * value['verdict_precision']:.0f} had one."
        )
    if {"defect_recall", "defect_precision"} <= value.keys():
        yield (
            f"Of 100 single defects, it outlined {100 * value['defect_recall']:.0f}; of 100 "
            f"outlines, {100 * value['defect_precision']:.0f} were right."
        )


def _gate(facts: Facts) -> Iterator[str]:
    found, hidden = facts.found.row, hidden_row(facts)
    if not found["stopped"]:
        yield "The gate stopped no picture: the segmenter has seen all of them."
        return
    if hidden is None or hidden["value"] is None:
        yield (
            f"The gate stopped {found['stopped']:,} pictures, and none of them was audited "
            "(setting audit_share): nobody knows what it hides."
        )
        return
    by = "people" if hidden["labels"] == REVIEWS else "the segmenter"
    yield (
        f"The gate, the first check, stopped {found['stopped']:,} pictures as clean. "
        f"{by.capitalize()} looked at "
        f"{hidden['support']:,} of them all the same. By these, about {hidden['value']:,.0f} of "
        f"the stopped pictures are defective (95% interval {hidden['low']:,.0f} to "
        f"{hidden['high']:,.0f})."
    )


def _promise(facts: Facts) -> Iterator[str]:
    recall = facts.watched_row("expected_gate_recall")
    if recall is None or recall["value"] is None:
        return
    text = (
        f"By its own probabilities, the gate lets {percent_text(recall['value'])} of the defective "
        "pictures through."
    )
    if recall["invalid"]:
        text += f" Do not rely on this: {recall['invalid']}."
    yield text


def _drifted(facts: Facts) -> Iterator[str]:
    if facts.alarms:
        yield (
            "The pictures or the findings differ from those that the bundle was made for. Its "
            "scores need not hold tonight."
        )


def _shadows(facts: Facts) -> Iterator[str]:
    for digest in shadow_digests(facts):
        label = f"{SHADOW}{digest}"
        same = facts.watched_row("verdict_agreement", label)
        differs = facts.watched_row("defective_difference", label)
        if same is None or same["value"] is None:
            continue
        text = (
            f"A second bundle ({digest[:12]}) finds the same classes on "
            f"{percent_text(same['value'])} of {same['support']:,} pictures (95% interval "
            f"{percent_text(same['low'])} to {percent_text(same['high'])})."
        )
        if differs is not None and differs["value"]:
            word = "more" if differs["value"] > 0 else "fewer"
            share = percent_text(abs(differs["value"]))
            text += f" It finds defects on {share} {word} of the pictures."
        yield text


def _labels(facts: Facts) -> Iterator[str]:
    if not facts.evaluated.rows:
        yield "This bundle was never compared with labels in these tables (steeldefect evaluate)."

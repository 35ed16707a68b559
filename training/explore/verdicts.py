"""Defective or clean: what the files state of each picture, contradictions included."""

from __future__ import annotations

from dataclasses import dataclass

from training.explore.source import Source


@dataclass(frozen=True)
class Verdict:
    """What is stated of one picture.

    Attributes:
        labels: every label that a row gives it, in the file's order; usually one.
        masked: whether any row has run lengths for it.
        assumed_clean: without a labels file, pictures without a mask are clean.
    """

    labels: tuple[bool, ...]
    masked: bool
    assumed_clean: bool

    @property
    def contradicts(self) -> bool:
        """Whether it is labelled 0 and 1."""
        return len(set(self.labels)) > 1

    @property
    def defective(self) -> bool | None:
        """The label, or else by the masks; None where nobody says, or two rows say two things."""
        if self.contradicts:
            return None
        if self.labels:
            return self.labels[0]
        if self.masked:
            return True
        return False if self.assumed_clean else None

    @property
    def outlined(self) -> bool:
        """Whether its masks are known: drawn, or none because it is clean."""
        return self.masked or self.defective is False


def read_verdicts(source: Source, masked: set[str]) -> dict[str, Verdict]:
    """Collect what is stated, of every picture that is there or that a file names.

    Without a labels file, the pictures in the folder that have no mask are clean, unless a row
    without picture may mean them.
    """
    stated: dict[str, list[bool]] = {}
    if source.labels is not None:
        for name, label in zip(
            source.labels.rows["ImageId"], source.labels.rows["label"], strict=True
        ):
            labels = stated.setdefault(name, [])
            if label in ("0", "1"):
                labels.append(label == "1")
    named = set() if source.masks is None else set(source.masks.rows["ImageId"])
    assumed_clean = source.labels is None and source.masks is not None
    doubtful = frozenset() if source.masks is None else source.masks.doubtful
    return {
        name: Verdict(
            tuple(stated.get(name, ())), name in masked, assumed_clean and name not in doubtful
        )
        for name in sorted(set(source.pictures) | set(stated) | named)
    }

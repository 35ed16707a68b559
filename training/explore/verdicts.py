"""Read whether each picture is defective or clean, contradictions included."""

from __future__ import annotations

from dataclasses import dataclass

from training.explore.source import Source


@dataclass(frozen=True)
class Verdict:
    """The statements of the label files about one picture.

    Attributes:
        labels: labels of the picture, in the order of the file; usually one.
        masked: whether a row has run lengths for the picture.
        assumed_clean: whether the picture counts as clean without a label and without a mask.
    """

    labels: tuple[bool, ...]
    masked: bool
    assumed_clean: bool

    @property
    def contradicts(self) -> bool:
        """Whether the picture is labelled both 0 and 1."""
        return len(set(self.labels)) > 1

    @property
    def defective(self) -> bool | None:
        """The label; without a label, by the masks. None if unknown or contradictory."""
        if self.contradicts:
            return None
        if self.labels:
            return self.labels[0]
        if self.masked:
            return True
        return False if self.assumed_clean else None

    @property
    def outlined(self) -> bool:
        """Whether the masks are known: drawn, or absent because the picture is clean."""
        return self.masked or self.defective is False


def read_verdicts(source: Source, masked: set[str]) -> dict[str, Verdict]:
    """Collect the statements about every picture in the folder or in a label file.

    Without a labels file, a picture without a mask counts as clean, unless a row with an unknown
    picture name may refer to it.
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

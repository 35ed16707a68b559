"""What is asked for: which answers become labels, and how sure they must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steeldefect.errors import SettingsError

PRECISION = 0.9
MOST = 1000


@dataclass(frozen=True)
class PseudoOrder:
    """An order of pseudo-labelled pictures.

    Attributes:
        tables: address of the tables that hold the answers: a folder or `s3://bucket/prefix`.
        bundle: digest of the bundle that answered, or its first characters.
        data: folder of labelled pictures.
        models: folder of the same bundle: it is measured on the validation part, and looks at
            mirrored copies. None: `least_probability` says how sure a label must be.
        least_probability: least probability of a label, above 0 and below 1; None: it is chosen
            on the validation part.
        precision: share of labels that must be right on the validation part, above 0 and below 1.
        split_file: split of `data`. None: that in the folder `models`, if it is given.
        fold: number of the fold that is the test part, for a split file with folds.
        most: largest number of pictures, at least 1.
        seed: random seed of the choice among pictures, at least 0.

    Raises:
        SettingsError: lists every value that is out of range, or does not fit the others.
    """

    tables: str
    bundle: str
    data: Path
    models: Path | None = None
    least_probability: float | None = None
    precision: float = PRECISION
    split_file: Path | None = None
    fold: int | None = None
    most: int = MOST
    seed: int = 0

    def __post_init__(self) -> None:
        """Check all values."""
        problems = [*self._out_of_range(), *self._not_together()]
        if problems:
            raise SettingsError("pseudo-labels: " + "; ".join(problems))

    def _out_of_range(self) -> Iterator[str]:
        if not self.bundle:
            yield "bundle is the digest of a bundle; received no text"
        for name in ("precision", "least_probability"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                yield f"{name} is above 0 and below 1; received {value!r}"
        for name, low in {"most": 1, "seed": 0}.items():
            if getattr(self, name) < low:
                yield f"{name} is at least {low}; received {getattr(self, name)!r}"

    def _not_together(self) -> Iterator[str]:
        if self.models is None and self.least_probability is None:
            yield (
                "give models (the folder of the bundle), which are measured on the validation "
                "part, or least_probability, which nobody measures"
            )
        if self.models is not None and self.least_probability is not None:
            yield "models choose the least probability themselves; leave out least_probability"
        if self.fold is not None and self.split_file is None:
            yield "fold is one of a split file; give split_file, too"

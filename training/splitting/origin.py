"""The first line of a split file: how the split was made."""

from __future__ import annotations

from dataclasses import dataclass

from training.recipe import NearDuplicates

PREFIX = "# steeldefect split: "

_WORDS = {NearDuplicates.GROUP: "grouped", NearDuplicates.IGNORE: "ignored"}


@dataclass(frozen=True)
class Origin:
    """How a split was made.

    Attributes:
        seed: seed of the split.
        validation: share of the validation part in all pictures.
        test: share of the test part in all pictures; None with folds.
        folds: number of folds; None for train, validation and test.
        near_duplicates: whether near-duplicates were grouped.
        data: fingerprint of the data set when the split was made.
    """

    seed: int
    validation: float
    test: float | None
    folds: int | None
    near_duplicates: NearDuplicates
    data: str

    def line(self) -> str:
        """Return the first line of a split file."""
        held = f"test {self.test}" if self.folds is None else f"folds {self.folds}"
        return (
            f"{PREFIX}seed {self.seed}, validation {self.validation}, {held}, "
            f"near-duplicates {_WORDS[self.near_duplicates]}, data {self.data}"
        )

    @classmethod
    def parse(cls, line: str) -> Origin:
        """Parse the first line of a split file.

        Raises:
            ValueError: the line differs from the form that `line` returns; the message says how.
        """
        if not line.startswith(PREFIX):
            raise ValueError(f"expected `{PREFIX}...`")
        pairs = (pair.partition(" ") for pair in line.removeprefix(PREFIX).split(", "))
        found = {name: value for name, _, value in pairs}
        missing = [
            name for name in ("seed", "validation", "near-duplicates", "data") if name not in found
        ]
        if missing or ("test" in found) == ("folds" in found):
            raise ValueError(f"missing: {', '.join(missing) or 'one of test and folds'}")
        choices = [choice for choice, word in _WORDS.items() if word == found["near-duplicates"]]
        if not choices:
            raise ValueError(f"near-duplicates are {' or '.join(_WORDS.values())}")
        origin = cls(
            seed=int(found["seed"]),
            validation=float(found["validation"]),
            test=float(found["test"]) if "test" in found else None,
            folds=int(found["folds"]) if "folds" in found else None,
            near_duplicates=choices[0],
            data=found["data"],
        )
        if not 0 < origin.validation < 1 or (origin.folds is not None and origin.folds < 2):
            raise ValueError("validation is a share, and folds are two or more")
        return origin

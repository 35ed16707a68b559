"""The kinds of damage to an output, and what a repair does about each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from steeldefect.errors import TableError
from steeldefect.stores import Store
from steeldefect.upkeep.delta_log import LogFault

_NAMED = 3  # problems that one error message lists


class Damage(str, Enum):
    """The kinds of damage to an output, in the order in which they are repaired."""

    CLAIM = "claim"
    RECORD = "record"
    LOG = "log"
    PARTS = "parts"
    FILE = "file"
    TABLE = "table"
    FINDINGS = "findings"
    COUNTS = "counts"
    RUN = "run"
    EVALUATION = "evaluation"


REPAIRS = {
    Damage.CLAIM: "--repair sets it aside, with the waves that it may list; they are scored again",
    Damage.RECORD: "--repair sets it aside, and its pictures are scored again",
    Damage.LOG: "--repair sets damaged objects aside and writes missing entries; pictures that "
    "lose their rows are scored again",
    Damage.PARTS: "--repair drops the wave, and its pictures are scored again",
    Damage.FILE: "--repair takes the file out of the table; pictures that lose their rows are "
    "scored again; repeat evaluations that lose theirs",
    Damage.TABLE: "--repair creates it; pictures that lose their rows are scored again; repeat "
    "evaluations that lose theirs",
    Damage.FINDINGS: "--repair drops the rows of these pictures, and they are scored again",
    Damage.COUNTS: "--repair drops duplicate rows and corrects the counts; missing pictures are "
    "scored again",
    Damage.RUN: "--repair writes its row from the rows of the other tables",
    Damage.EVALUATION: "--repair marks it as failed; evaluate again, or import again",
}
"""What a repair does about each kind of damage."""


@dataclass(frozen=True)
class Problem:
    """One problem of an output.

    Attributes:
        damage: kind of the damage.
        where: name of the table, or key of an object.
        detail: what is wrong, in words.
        subject: key of a claim or wave record, path of a data file, or id of a run; otherwise
            empty.
        fault: fault of the table's log; None for other kinds of damage.
    """

    damage: Damage
    where: str
    detail: str
    subject: str = ""
    fault: LogFault | None = None

    @property
    def repair(self) -> str:
        """What a repair does about the problem."""
        return REPAIRS[self.damage]

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems in the order in which they are repaired."""
    return sorted(problems, key=lambda one: list(Damage).index(one.damage))


def unsound(store: Store, problems: list[Problem]) -> TableError:
    """Create the error that lists the first problems of an output."""
    named = "; ".join(str(one) for one in problems[:_NAMED])
    more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    return TableError(
        f"the tables at {store.uri} are damaged: {named}{more}; repair them with `steeldefect "
        f"maintain --repair --output {store.uri}`"
    )

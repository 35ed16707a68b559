"""Guarantees on the held-out pictures: groups are counted, and a missed one speaks out."""

from __future__ import annotations

import pandas as pd

from steeldefect.bundle.manifest import Gate, Guarantee
from steeldefect.pictures.preprocessing import InputSpec, Scaling
from training.evaluation.held_out_guarantees import with_held_out
from training.evaluation.missed_groups import missed_groups

GATE = Gate(input=InputSpec(height=4, width=4, channels=1, scaling=Scaling.UNIT), threshold=0.3)
PART = Guarantee(
    missed=0.1, confidence=0.9, groups=50, missed_groups=1, needed_groups=22, held=True
)


def table() -> pd.DataFrame:
    """Return `HeldOut.table` of six pictures; g1 has two, e.png nobody drew."""
    columns = ["ImageId", "group", "defective", "gate_probability", "class_id", "tp", "fp", "fn"]
    rows = [
        ("a.png", "g1", 1, 0.9, 1, 5, 0, 1),
        ("b.png", "g1", 1, 0.2, 1, 0, 0, 7),
        ("c.png", "g2", 1, 0.3, 1, 0, 3, 2),
        ("d.png", "g3", 1, 0.8, 1, 1, 0, 0),
        ("e.png", "g4", 1, 0.1, 1, None, None, None),
        ("f.png", "g5", 0, 0.0, 1, 0, 9, 0),
    ]
    made = pd.DataFrame(rows, columns=columns)
    return made.astype(dict.fromkeys(("tp", "fp", "fn"), "Int64"))


def test_gate_and_class_count_groups_with_a_missed_picture() -> None:
    of_class = PART.model_copy(update={"class_id": 1})
    gate, first = with_held_out([PART, of_class], GATE, table())
    # b.png and e.png are below the threshold; c.png lies on it
    assert (gate.held_out_groups, gate.held_out_missed) == (4, 2)
    # b.png and c.png have no true pixel; d.png has one
    assert (first.held_out_groups, first.held_out_missed) == (3, 2)
    assert gate.model_copy(update={"held_out_groups": None, "held_out_missed": None}) == PART


def test_a_class_that_no_picture_shows_counts_nothing() -> None:
    (found,) = with_held_out([PART.model_copy(update={"class_id": 2})], GATE, table())
    assert (found.held_out_groups, found.held_out_missed) == (0, 0)


def test_a_group_counts_once() -> None:
    assert missed_groups(["a", "a", "b"], table()["tp"].iloc[:3].eq(0).to_numpy(bool)) == (2, 2)
    assert missed_groups([], table()["tp"].iloc[:0].eq(0).to_numpy(bool)) == (0, 0)

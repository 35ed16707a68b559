"""Check guarantees on the held-out pictures, which no threshold was chosen on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from steeldefect.bundle.manifest import Gate, Guarantee
from steeldefect.detection.gating import reaches_threshold
from training.evaluation.missed_groups import missed_groups


def with_held_out(
    guarantees: Sequence[Guarantee], gate: Gate | None, table: pd.DataFrame
) -> list[Guarantee]:
    """Return the guarantees with the counts of groups on the held-out pictures.

    Args:
        guarantees: guarantees of the bundle.
        gate: gate of the bundle.
        table: `HeldOut.table`.
    """
    return [one.model_copy(update=_counted(one, gate, table)) for one in guarantees]


def _counted(guarantee: Guarantee, gate: Gate | None, table: pd.DataFrame) -> dict[str, int]:
    if guarantee.class_id is not None:
        groups, missed = _of_class(guarantee.class_id, table)
    elif gate is not None:
        groups, missed = _of_gate(gate, table)
    else:
        return {}
    return {"held_out_groups": groups, "held_out_missed": missed}


def _of_gate(gate: Gate, table: pd.DataFrame) -> tuple[int, int]:
    each = table.drop_duplicates("ImageId")
    defective = each[each["defective"].astype(bool)]
    probability = defective["gate_probability"].to_numpy(np.float32)
    return missed_groups(defective["group"].tolist(), ~reaches_threshold(gate, probability))


def _of_class(class_id: int, table: pd.DataFrame) -> tuple[int, int]:
    known = table[table["class_id"] == class_id].dropna(subset=["tp"])
    shown = known[known["tp"] + known["fn"] > 0]
    return missed_groups(shown["group"].tolist(), (shown["tp"] == 0).to_numpy(bool))

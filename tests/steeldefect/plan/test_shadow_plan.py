"""The part of a plan that a shadow scores."""

from __future__ import annotations

import pyarrow as pa

from steeldefect.plan.shadow import shadow_part, with_shadow
from steeldefect.plan.skipped import PLANNED


def planned(**tries: int) -> pa.Table:
    rows = [{"key": key, "etag": "e", "size": 1, "tries": count} for key, count in tries.items()]
    return pa.Table.from_pylist(rows, PLANNED)


def test_a_shadow_scores_what_it_has_not_dealt_with() -> None:
    todo = with_shadow(planned(a=0, b=2, c=0, d=0), planned(d=3, b=0))
    assert todo["shadow_tries"].to_pylist() == [None, 0, None, 3]
    assert todo["tries"].to_pylist() == [0, 2, 0, 0]
    part = shadow_part(todo.slice(1))  # a wave is a slice
    assert part is not None
    assert part.schema == PLANNED
    assert part.select(["key", "tries"]).to_pylist() == [
        {"key": "b", "tries": 0},
        {"key": "d", "tries": 3},
    ]


def test_without_a_shadow_there_is_no_part() -> None:
    assert shadow_part(planned(a=0)) is None
    nothing = shadow_part(with_shadow(planned(a=0), planned()))
    assert nothing is not None
    assert nothing.num_rows == 0

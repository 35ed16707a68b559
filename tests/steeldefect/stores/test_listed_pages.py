"""The listing of a folder is kept until its turn comes, however large it is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from steeldefect.stores.base import ObjectInfo
from steeldefect.stores.listed_pages import ListedPages


@pytest.mark.parametrize("count", [0, 3, 30_000])  # 30,000 need a file
def test_objects_come_back_in_their_order(count: int) -> None:
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    objects = [
        ObjectInfo(f'line 1/ü "{number}"\n.png', f"{number:032x}", number, moment)
        for number in range(count)
    ]
    pages = [objects[start : start + 1_000] for start in range(0, count, 1_000)]
    assert list(ListedPages(pages).objects()) == objects

"""Waves of about one size, cut while more pictures are still being planned."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from steeldefect.plan.cut import cut, wave_count


def part(*numbers: int) -> pa.Table:
    return pa.table({"number": pa.array(numbers, pa.int64())})


@pytest.mark.parametrize("step", [1, 2, 100])
@pytest.mark.parametrize(
    ("pictures", "size", "waves"),
    [
        *((0, 4, []), (1, 4, [1]), (4, 4, [4]), (5, 4, [2, 3])),
        *((9, 3, [3, 3, 3]), (3, 1, [1, 1, 1]), (7, 3, [3, 2, 2])),
    ],
)
def test_waves_hold_every_picture_once(
    pictures: int, size: int, waves: list[int], step: int
) -> None:
    numbers = list(range(pictures))
    parts = [part(*numbers[place : place + step]) for place in range(0, pictures, step)]
    made = list(cut(parts, lambda: size, lambda: True))
    assert [one for wave in made for one in wave.keys["number"].to_pylist()] == numbers
    assert [wave.last for wave in made] == [False] * (len(waves) - 1) + [True] * bool(waves)
    assert len(made) == wave_count(pictures, size) == len(waves)
    assert [wave.keys.num_rows for wave in made] == waves


def test_a_wave_is_cut_before_everything_is_planned() -> None:
    planned = []

    def parts() -> Iterator[pa.Table]:
        for number in range(10):
            planned.append(number)
            yield part(number)

    waves = cut(parts(), lambda: 2, lambda: True)
    assert next(waves).keys["number"].to_pylist() == [0, 1]
    assert planned == [0, 1, 2, 3]


def test_the_size_may_change_from_wave_to_wave() -> None:
    sizes = [2]
    waves = cut([part(*range(12))], lambda: sizes[-1], lambda: True)
    assert next(waves).keys.num_rows == 2
    sizes.append(4)
    assert [wave.keys.num_rows for wave in waves] == [4, 3, 3]


def test_a_wave_is_not_the_last_one_if_others_follow_the_pictures() -> None:
    assert [wave.last for wave in cut([part(1, 2)], lambda: 1, lambda: False)] == [False, False]

"""The gate: temperature, pictures that pass, added areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steeldefect.bundle.manifest import Gate, GateMode
from steeldefect.detection.gating import CLIP, added_area, logit, passes, reaches_threshold, temper
from steeldefect.pictures.preprocessing import Float32, InputSpec, Scaling

SPEC = InputSpec(height=4, width=4, channels=1, scaling=Scaling.UNIT)
SOFT = Gate(input=SPEC, threshold=0.4, mode=GateMode.SOFT, soft_area=1000)
HARD = Gate(input=SPEC, threshold=0.4, soft_area=1000)

probabilities = arrays.arrays(
    np.float32, st.integers(0, 20), elements=st.floats(0, 1, width=32, allow_subnormal=False)
)


@given(probabilities)
def test_temperature_one_changes_no_bit(probability: Float32) -> None:
    assert temper(probability, 1.0).tobytes() == probability.tobytes()


@given(probabilities, st.floats(0.01, 50))
def test_a_temperature_keeps_the_order_and_the_range(
    probability: Float32, temperature: float
) -> None:
    tempered = temper(np.sort(probability), temperature)
    assert tempered.dtype == np.float32
    assert (np.diff(tempered) >= 0).all()
    assert ((tempered >= 0) & (tempered <= 1)).all()


@given(st.floats(0.001, 0.999), st.floats(0.1, 10))
def test_one_temperature_undoes_its_inverse(probability: float, temperature: float) -> None:
    there = temper(np.array([probability], np.float32), max(temperature, 1 / temperature))
    back = temper(there, min(temperature, 1 / temperature))
    assert back[0] == pytest.approx(probability, abs=1e-5)


def test_a_shift_is_added_to_the_divided_logit() -> None:
    odds = np.exp(np.array([-2.0, 0.0, 3.0]))
    tempered = temper((odds / (1 + odds)).astype(np.float32), 2.0, -1.0)
    expected = 1 / (1 + np.exp(-(np.array([-2.0, 0.0, 3.0]) / 2 - 1)))
    np.testing.assert_allclose(tempered, expected, rtol=1e-5)
    assert (temper(np.array([0.2], np.float32), 1.0, 0.5) > 0.2).all()


def test_a_half_stays_a_half_and_nan_stays_nan() -> None:
    tempered = temper(np.array([0.5, np.nan], np.float32), 3.0)
    assert tempered[0] == 0.5
    assert np.isnan(tempered[1])


def test_logits_end_where_probabilities_are_clipped() -> None:
    ends = logit(np.array([0, 1e-30, 1], np.float32))
    assert ends == pytest.approx([np.log(CLIP), np.log(CLIP), -np.log(CLIP)], rel=1e-6)
    assert ends[0] == pytest.approx(-16.118, abs=1e-3)


@pytest.mark.parametrize(
    ("probability", "area"),
    [(0.0, 1000), (0.1, 750), (0.2, 500), (0.39996, 0), (0.4, 0), (1.0, 0), (np.nan, 0)],
)
def test_areas_are_raised_in_a_straight_line(probability: float, area: int) -> None:
    assert added_area(SOFT, np.array([probability], np.float32)).tolist() == [area]
    assert added_area(HARD, np.array([probability], np.float32)).tolist() == [0]


def test_a_soft_gate_with_threshold_zero_raises_nothing() -> None:
    gate = SOFT.model_copy(update={"threshold": 0.0})
    assert added_area(gate, np.array([0, 0.5], np.float32)).tolist() == [0, 0]


def test_the_threshold_is_reached_from_itself_on_as_float32_rounds_it() -> None:
    gate = HARD.model_copy(update={"threshold": 0.1})
    nearest = np.float32(0.1)  # a little above 0.1
    probability = np.array([np.nextafter(nearest, np.float32(0)), nearest, np.nan], np.float32)
    for one in (gate, gate.model_copy(update={"mode": GateMode.SOFT})):
        assert reaches_threshold(one, probability).tolist() == [False, True, False]


def test_a_hard_gate_stops_what_a_soft_one_lets_pass() -> None:
    probability = np.array([0, 0.39, 0.4, 1, np.nan], np.float32)
    assert passes(HARD, probability).tolist() == [False, False, True, True, False]
    assert passes(SOFT, probability).tolist() == [True, True, True, True, False]

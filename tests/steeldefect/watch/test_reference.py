"""References: what they keep, and that JSON keeps it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watched_plant import kept, plant

from steeldefect.errors import DataError
from steeldefect.watch import Reference, make_reference, profile, reference_from_json
from steeldefect.watch.samples import Sample, take_sample


@pytest.fixture(scope="module")
def reference() -> Reference:
    return make_reference(plant(1), "run 1", as_they_come=True, quantiles=300)


def test_json_keeps_everything(reference: Reference) -> None:
    text = reference.to_json()
    assert reference_from_json(text) == reference
    assert reference_from_json(text).to_json() == text
    stored = json.loads(text)
    assert sorted(stored) == ["as_they_come", "format_version", "name", "profiles"]
    assert stored["profiles"]["classes"] == {"1": "pitting", "2": "patch"}


def test_the_size_does_not_grow_with_the_pictures() -> None:
    small, large = (
        make_reference(plant(1, coils), "run", as_they_come=True, quantiles=50).to_json()
        for coils in (10, 100)
    )
    assert len(large) < 1.2 * len(small) < 60_000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1024, 1024, width=32), min_size=1, max_size=60),
    st.integers(1, 20),
)
def test_quantiles_are_values_and_misplace_no_share_by_more_than_the_resolution(
    values: list[float], limit: int
) -> None:
    whole, short = take_sample(np.array(values), None), take_sample(np.array(values), None, limit)
    assert set(short.values) <= set(whole.values)
    for place in whole.values:
        shares = [float((one.sorted_values <= place).mean()) for one in (whole, short)]
        assert abs(shares[0] - shares[1]) <= short.resolution + 1e-12


def test_missing_values_are_left_out() -> None:
    found = take_sample(np.array([np.nan, 3, np.inf, 1, -np.inf]), None)
    assert (found.n, found.values, found.median) == (2, (1.0, 3.0), 2.0)
    nothing = take_sample(np.array([np.nan]), np.array([0]))
    assert (nothing.n, nothing.values, nothing.median, nothing.clusters) == (0, (), None, None)


BROKEN = [
    ("", "Invalid JSON"),
    ("[]", "valid dictionary|Input should be"),
    ('{"name": "x"}', "profiles: Field required"),
    (("values", [2.0, 1.0]), "ascending"),
    (("values", [1.0] * 5000), "do not fit"),
    (("values", ["much"]), "valid number"),
    (("n", -1), "greater than or equal to 0"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_a_broken_file_is_refused_with_its_problems(
    reference: Reference, change: str | tuple[str, object], message: str
) -> None:
    text = change
    if isinstance(change, tuple):
        stored = json.loads(reference.to_json())
        stored["profiles"]["overall"]["samples"]["gray_mean"][change[0]] = change[1]
        text = json.dumps(stored)
    with pytest.raises(DataError, match=message):
        reference_from_json(str(text))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 9}, "format 9, this version of steeldefect reads 1"),
        ({"colour": "red"}, "colour"),
        ({"name": ""}, "name"),
    ],
)
def test_unknown_versions_and_fields_are_refused(
    reference: Reference, change: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        reference_from_json(json.dumps(json.loads(reference.to_json()) | change))


def test_unknown_quantities_are_refused(reference: Reference) -> None:
    stored = json.loads(reference.to_json())
    stored["profiles"]["overall"]["counts"]["beauty"] = {"count": 1, "n": 2}
    with pytest.raises(DataError, match="unknown quantity 'beauty'"):
        reference_from_json(json.dumps(stored))


def test_a_reference_needs_a_picture() -> None:
    night = plant(1)
    with pytest.raises(DataError, match="has no picture"):
        make_reference(kept(night, night.images["camera"] == "9"), "run", as_they_come=True)


def test_a_reference_keeps_at_most_its_quantiles(reference: Reference) -> None:
    samples = [*reference.profiles.overall.samples.values()]
    assert max(len(one.values) for one in samples) == 300
    exact = profile(plant(1)).overall.samples["gray_mean"]
    assert isinstance(exact, Sample)
    assert (exact.n, len(exact.values), samples[0].n) == (1000, 1000, 1000)

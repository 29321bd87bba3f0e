"""References bin what training saw, and put every later value somewhere."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.errors import ContractError, IntegrityError
from slipway.models.reference import Reference, RiskReference, fit_reference

NUMBERS = st.lists(st.one_of(st.none(), st.floats(), st.integers(-(10**6), 10**6)), min_size=1, max_size=60)
LEVELS = st.lists(st.one_of(st.none(), st.text(max_size=2), st.integers(0, 40)), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(NUMBERS, NUMBERS)
def test_number_bins_are_full_in_training_and_total_later(train, later):
    feature = fit_reference({"x": train}, {"x": "number"}).features[0]
    index = feature.bin(train)
    assert feature.edges == sorted(set(feature.edges))
    assert len(feature.shares) == len(feature.edges) + 2 == len(feature.bins)
    assert np.array_equal(np.bincount(index, minlength=len(feature.shares)) / len(train), feature.shares)
    finite = [value for value in train if value is not None and math.isfinite(value)]
    if finite:
        assert all(share > 0 for share in feature.shares[:-1])
    again = feature.bin(later)
    assert ((again >= 0) & (again < len(feature.shares))).all()
    missing = [value is None or math.isnan(value) for value in later]
    assert ((again == len(feature.shares) - 1) == missing).all()


@settings(max_examples=100, deadline=None)
@given(LEVELS, LEVELS)
def test_category_bins_cover_levels_missing_and_other(train, later):
    feature = fit_reference({"x": train}, {"x": "category"}).features[0]
    assert len(feature.levels) <= 20
    assert len(feature.shares) == len(feature.levels) + 2 == len(feature.bins)
    assert math.isclose(sum(feature.shares), 1.0)
    for value, at in zip(later, feature.bin(later), strict=True):
        name = None if value is None else str(value)
        expected = (
            len(feature.levels)
            if name is None
            else feature.levels.index(name)
            if name in feature.levels
            else len(feature.levels) + 1
        )
        assert at == expected


def test_ten_bins_of_a_smooth_number_hold_a_tenth_each():
    feature = fit_reference({"x": np.arange(1000.0)}, {"x": "number"}).features[0]
    assert len(feature.edges) == 9
    assert feature.shares == [0.1] * 10 + [0.0]
    assert feature.bin([-5.0, 99.5, 99.6, 1e9, None, math.inf]).tolist() == [0, 0, 1, 9, 10, 9]


@pytest.mark.parametrize("atom", [0.0, 9.0])
def test_an_atom_has_a_bin_of_its_own(atom):
    values = [atom] * 90 + [float(value) for value in np.linspace(1, 8, 10)]
    feature = fit_reference({"x": values}, {"x": "number"}).features[0]
    assert 0.9 in feature.shares
    assert len(feature.shares) >= 3


def test_few_distinct_numbers_tie_to_fewer_bins():
    feature = fit_reference({"x": [1, 2, 2, 3]}, {"x": "number"}).features[0]
    assert feature.edges == [1.5, 2.5]
    assert feature.shares == [0.25, 0.5, 0.25, 0.0]
    constant = fit_reference({"x": [7, 7]}, {"x": "number"}).features[0]
    assert (constant.edges, constant.shares, constant.bins) == ([], [1.0, 0.0], ["any value", "missing"])
    empty = fit_reference({"x": [None, None]}, {"x": "number"}).features[0]
    assert empty.shares == [0.0, 1.0]


def test_neighbouring_floats_still_part():
    low = 1.0
    high = math.nextafter(low, 2.0)
    feature = fit_reference({"x": [low, high]}, {"x": "number"}).features[0]
    assert feature.shares == [0.5, 0.5, 0.0]


def test_booleans_are_categories_and_rare_levels_pool():
    feature = fit_reference({"x": [True, False, True, None]}, {"x": "category"}).features[0]
    assert (feature.levels, feature.shares) == (["false", "true"], [0.25, 0.5, 0.25, 0.0])
    many = [f"l{at:02d}" for at in range(30)] + ["l25"] * 5
    pooled = fit_reference({"x": many}, {"x": "category"}).features[0]
    assert len(pooled.levels) == 20
    assert "l25" in pooled.levels
    assert pooled.shares[-1] == 10 / 35
    assert pooled.bins[-2:] == ["missing", "other"]


def test_names_of_bins_are_for_people():
    feature = fit_reference({"x": [1, 2, 2, 3]}, {"x": "number"}).features[0]
    assert feature.bins == ["up to 1.5", "1.5 to 2.5", "over 2.5", "missing"]


def test_json_round_trip():
    reference = fit_reference(
        {"x": [0.1, 0.2, None], "c": ["a", "b", None]}, {"x": "number", "c": "category"}, 250.0
    )
    restored = Reference.from_json(reference.to_json())
    assert restored == reference
    assert restored.features[0].bin([0.15]).tolist() == reference.features[0].bin([0.15]).tolist()
    risk = RiskReference(n=1000, mean=0.05, upper=0.0592347, alpha=0.025, loss_range=1.0)
    assert RiskReference.from_json(risk.to_json()) == risk


def test_what_is_no_reference_is_refused():
    with pytest.raises(IntegrityError, match=r"reference\.json"):
        Reference.from_json(b"{}")
    with pytest.raises(IntegrityError, match=r"risk\.json"):
        RiskReference.from_json(b'{"n":1,"mean":0,"upper":0,"alpha":0.1,"loss_range":0}')
    with pytest.raises(ContractError, match="at least one row"):
        fit_reference({"x": []}, {"x": "number"})
    with pytest.raises(ContractError, match="column 'x', row 1") as caught:
        fit_reference({"x": [1, "secret"]}, {"x": "number"})
    assert "secret" not in caught.value.message

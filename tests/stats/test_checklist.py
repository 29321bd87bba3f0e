"""One list of checks over every sequential statistic of the package, found by introspection."""

import importlib
import inspect
import json
import pickle
import pkgutil
from typing import NamedTuple

import numpy as np
import pytest

import slipway.stats
from slipway.base.errors import DataError, SlipwayError
from slipway.stats.sequential import Sequential


class Example(NamedTuple):
    """Arguments, a stream, extreme legal values and values to refuse."""

    arguments: dict
    draw: object
    extremes: list
    refused: list


def unit(rng, n):
    return rng.choice([0.0, 0.25, 1.0], n) * rng.random(n)


UNIT = (unit, [0.0, 1.0], [-0.1, 1.1, np.nan, np.inf])

EXAMPLES = {
    "PairedComparison": Example(
        {"alpha": 0.05, "margin": 0.02}, lambda rng, n: rng.uniform(-1, 1, n), [-1.0, 1.0], [1.1, np.nan]
    ),
    "MeanShiftCusum": Example({"m": 0.3, "run_length": 100.0}, *UNIT),
    "MeanShiftShiryaevRoberts": Example({"m": 0.3, "run_length": 100.0}, *UNIT),
    "HedgedCapital": Example({"m": 0.3, "alpha": 0.05}, *UNIT),
    "AGrapa": Example({"m": 0.3, "alpha": 0.05, "side": "greater"}, *UNIT),
    "FixedBets": Example({"m": 0.3, "alpha": 0.05, "side": "less"}, *UNIT),
    "EmpiricalBernsteinSequence": Example({"alpha": 0.05}, *UNIT),
    "RunningMeanSequence": Example({"alpha": 0.05}, *UNIT),
    "AsymptoticSequence": Example(
        {"alpha": 0.05, "t_star": 100}, lambda rng, n: rng.normal(size=n), [-1e100, 1e100], [np.nan, np.inf]
    ),
    "BernoulliSequence": Example(
        {"alpha": 0.05, "t_opt": 100}, lambda rng, n: rng.integers(0, 2, n), [0, 1], [2, 0.5, np.nan]
    ),
    "SignTest": Example({"alpha": 0.05}, lambda rng, n: rng.integers(-1, 2, n), [-1, 0, 1], [np.nan, np.inf]),
    "QuantileSequence": Example(
        {"q": 0.9, "alpha": 0.05, "edges": [0.1, 0.5, 0.9]}, unit, [-1e300, 1e300], [np.nan, np.inf]
    ),
    "FiniteBatchTest": Example({"size": 5_000, "m": 0.3, "alpha": 0.05}, *UNIT),
    "ArmComparison": Example(
        {"alpha": 0.05, "floor": 0.3},
        lambda rng, n: np.column_stack([rng.random(n) < 0.4, rng.random(n), np.full(n, 0.4)]).astype(float),
        [[0.0, 1.0, 0.3], [1.0, 1.0, 0.3]],
        [[0.5, 1.0, 0.3], [1.0, 1.1, 0.3], [1.0, 1.0, np.nan]],
    ),
    "LaggedComparison": Example(
        {"alpha": 0.05, "lag": 7}, lambda rng, n: rng.uniform(-1, 1, n), [-1.0, 1.0], [1.1, np.nan]
    ),
    "ClusteredComparison": Example(
        {"alpha": 0.05, "margin": 0.02},
        lambda rng, n: np.column_stack([np.arange(n) // 3, rng.uniform(-1, 1, n)]),
        [[1.0, -1.0], [2.0, 1.0]],
        [[1.5, 0.0], [1.0, 2.0], [1.0, np.nan]],
    ),
    "HarmfulShiftTest": Example({"upper": 0.3}, *UNIT),
    "SimpleJumper": Example({"alpha": 0.05}, *UNIT),
    "ConformalDrift": Example(
        {"run_length": 100.0},
        lambda rng, n: np.column_stack([rng.integers(0, 9, n), rng.random(n)]).astype(float),
        [[-1e300, 0.0], [1e300, 1.0]],
        [[0.0, 1.1], [np.nan, 0.5]],
    ),
    "ELond": Example(
        {"alpha": 0.1}, lambda rng, n: np.exp(rng.normal(0, 3, n)), [0.0, np.inf], [-1.0, np.nan]
    ),
    "LordPlusPlus": Example({"alpha": 0.1}, lambda rng, n: rng.random(n) ** 3, [0.5, 1.0], [-0.1, np.nan]),
    "Lond": Example({"alpha": 0.1}, lambda rng, n: rng.random(n) ** 3, [0.5, 1.0], [-0.1, np.nan]),
    "Addis": Example({"alpha": 0.1}, lambda rng, n: rng.random(n) ** 3, [0.5, 1.0], [-0.1, np.nan]),
    "Saffron": Example({"alpha": 0.1}, lambda rng, n: rng.random(n) ** 3, [0.5, 1.0], [-0.1, np.nan]),
    "PredictionPoweredTest": Example(
        {"m": 0.3, "alpha": 0.05, "floor": 0.2},
        lambda rng, n: np.column_stack([rng.random(n), np.full(n, 0.4), rng.random(n) < 0.4, rng.random(n)]),
        [[0.0, 0.2, 1.0, 1.0], [1.0, 0.2, 1.0, 0.0]],
        [[0.0, 0.1, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 1.0, np.nan]],
    ),
    "BinDrift": Example(
        {"reference_shares": [0.5, 0.3, 0.2], "n_reference": 500, "tolerance": 0.01, "run_length": 1e4},
        lambda rng, n: rng.integers(0, 3, n),
        [0, 2],
        [-1, 3],
    ),
}


def found():
    for module in pkgutil.iter_modules(slipway.stats.__path__, "slipway.stats."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if (
                issubclass(kind, Sequential)
                and kind.__module__ == module.name
                and not inspect.isabstract(kind)
            ):
                yield kind


KINDS = sorted(found(), key=lambda kind: kind.__name__)


def fresh(kind):
    return kind(**EXAMPLES[kind.__name__].arguments)


def stream(kind, n=700, seed=1):
    return EXAMPLES[kind.__name__].draw(np.random.default_rng(seed), n)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def test_every_statistic_has_an_example_and_no_example_is_stale():
    assert {kind.__name__ for kind in KINDS} == set(EXAMPLES)


def test_docstring_states_assumptions_guarantee_source_and_example(kind):
    text = " ".join(inspect.getdoc(kind).split())
    assert ">>>" in text
    assert "Source" in text
    assert "uarantee" in text
    assert "ssum" in text
    for name in kind.parameters:
        assert name in inspect.signature(kind).parameters


def test_any_partition_gives_the_same_bits(kind):
    xs = stream(kind)
    whole, single, parts = fresh(kind), fresh(kind), fresh(kind)
    whole.update_many(xs)
    for x in xs:
        single.update(x)
    for part in np.split(xs, [1, 2, 130, 131, 400, 400]):
        parts.update_many(part)
    assert whole.to_state() == single.to_state()
    assert whole.to_state() == parts.to_state()
    assert whole.n == len(xs)


def test_state_survives_json_and_pickle_and_continues_bit_for_bit(kind):
    xs = stream(kind)
    whole, first = fresh(kind), fresh(kind)
    whole.update_many(xs)
    first.update_many(xs[:333])
    text = json.dumps(first.to_state(), allow_nan=False)
    for copy in (kind.from_state(json.loads(text)), pickle.loads(pickle.dumps(first))):
        assert copy.to_state() == first.to_state()
        copy.update_many(xs[333:500])
        for x in xs[500:]:
            copy.update(x)
        assert copy.to_state() == whole.to_state()


def test_a_new_object_survives_its_state(kind):
    assert kind.from_state(fresh(kind).to_state()).to_state() == fresh(kind).to_state()


def test_empty_input_changes_nothing(kind):
    one = fresh(kind)
    one.update_many(stream(kind)[:50])
    before = one.to_state()
    one.update_many(stream(kind)[:0])
    one.update_many([])
    assert one.to_state() == before


def test_constants_and_extremes_leave_finite_state(kind):
    for value in EXAMPLES[kind.__name__].extremes:
        one = fresh(kind)
        one.update_many([value] * 3_000)
        assert "nan" not in json.dumps(one.to_state(), allow_nan=False)
        readable(one)


def readable(one):
    for name, member in inspect.getmembers(type(one), lambda member: isinstance(member, property)):
        del member
        value = getattr(one, name)
        assert value is None or not np.any(
            np.isnan(np.asarray(value, float) if name != "verdict" else 0.0)
        ), name


def test_properties_can_be_read_before_the_first_label(kind):
    readable(fresh(kind))


def test_refused_values_leave_no_trace(kind):
    for bad in EXAMPLES[kind.__name__].refused:
        one = fresh(kind)
        one.update_many(stream(kind)[:40])
        before = one.to_state()
        with pytest.raises(SlipwayError):
            one.update(bad)
        with pytest.raises(SlipwayError):
            one.update_many([*stream(kind)[:3], bad])
        assert one.to_state() == before


def test_another_shape_is_refused(kind):
    with pytest.raises(DataError):
        fresh(kind).update_many(np.zeros((2, 2, 2)))


def test_a_copy_is_independent(kind):
    one = fresh(kind)
    one.update_many(stream(kind)[:100])
    before = one.to_state()
    kind.from_state(before).update_many(stream(kind)[100:300])
    assert one.to_state() == before

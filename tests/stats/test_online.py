"""Online procedures: the reference implementation's levels to the printed digits, and rates by simulation."""

import numpy as np
import pytest

from slipway.base.errors import DataError
from slipway.stats.online import Addis, ELond, Lond, LordPlusPlus, Saffron

P_VALUES = [
    2.90e-8, 0.06743, 0.01514, 0.08174, 0.00171, 3.60e-5, 0.79149, 0.27201,
    0.28295, 7.59e-8, 0.69274, 0.30443, 0.00136, 0.72342, 0.54757,
]  # fmt: skip

LORD_LEVELS = [
    0.0002675839, 0.0024664457, 0.0005732818, 0.0004872805, 0.0004059066, 0.0003447286, 0.0029745013,
    0.0008450114, 0.0007305648, 0.0006243143, 0.0032185913, 0.0010617227, 0.0009256825, 0.0008019657,
    0.0007059610,
]  # fmt: skip

SAFFRON_LEVELS = [
    0.005468627, 0.010937254, 0.010937254, 0.010937254, 0.010937254, 0.021874508, 0.032811762,
    0.010823845, 0.010823845, 0.010823845, 0.021761099, 0.009265591, 0.009265591, 0.020202846,
    0.009064367,
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "levels", "digits", "rejections"),
    [(LordPlusPlus, LORD_LEVELS, 5e-11, [1, 6, 10]), (Saffron, SAFFRON_LEVELS, 5e-10, [1, 5, 6, 10, 13])],
)
def test_levels_equal_the_reference_implementation(kind, levels, digits, rejections):
    procedure = kind(0.05)
    for p, level in zip(P_VALUES, levels, strict=True):
        procedure.update(p)
        assert procedure.level == pytest.approx(level, abs=digits)
    assert procedure.rejections == rejections


@pytest.mark.parametrize(
    ("kind", "levels", "digits", "rejections"),
    [
        (Lond, [0.0026758385, 0.0011638206], 5e-11, [1, 6, 10]),
        (Addis, [0.002734314, 0.005468627], 5e-10, [1, 5, 6, 10, 13]),
    ],
)
def test_first_levels_and_rejections_equal_the_reference_implementation(kind, levels, digits, rejections):
    procedure = kind(0.05)
    for p, level in zip(P_VALUES, levels, strict=False):
        procedure.update(p)
        assert procedure.level == pytest.approx(level, abs=digits)
    procedure.update_many(P_VALUES[len(levels) :])
    assert procedure.rejections == rejections


@pytest.mark.parametrize("kind", [LordPlusPlus, Saffron, Addis])
def test_false_discovery_rate_with_independent_p_values(kind):
    rng = np.random.default_rng(1)
    shares, power = [], []
    for _ in range(150):
        false = rng.random(200) < 0.7
        ps = np.where(false, rng.random(200), rng.beta(0.1, 8.0, 200))
        procedure = kind(0.1)
        procedure.update_many(ps)
        hits = np.array(procedure.rejections, int) - 1
        shares.append(false[hits].mean() if hits.size else 0.0)
        power.append(1.0 - false[hits].sum() / max(1, hits.size) if hits.size else 0.0)
    assert np.mean(shares) <= 0.1
    assert np.mean(power) > 0.8


def test_e_lond_is_its_formula_and_holds_under_dependence():
    procedure = ELond(0.1)
    procedure.update_many([np.inf, 0.0, 7.0])
    assert procedure.rejections == [1]
    assert procedure.level == pytest.approx(0.1 * 6 / (np.pi * 3) ** 2 * 2)
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(400):
        shared = np.exp(2.0 * rng.normal() - 2.0)
        same = ELond(0.1)
        same.update_many(np.full(30, shared))
        wrong += bool(same.rejections)
    assert wrong / 400 <= 0.1


def test_trap_a_fixed_level_for_each_of_many_looks_floods():
    """Twenty features tested daily at 5 %: about one false alarm a day."""
    rng = np.random.default_rng(3)
    ps = rng.random((30, 20))
    assert (ps <= 0.05).sum(axis=1).mean() == pytest.approx(1.0, abs=0.5)
    procedure = LordPlusPlus(0.05)
    procedure.update_many(ps.ravel())
    assert len(procedure.rejections) <= 1


def test_values_outside_their_range_are_refused():
    for kind, bad in ((LordPlusPlus, 1.1), (Saffron, -0.1), (ELond, -1.0), (ELond, np.nan)):
        with pytest.raises(DataError):
            kind(0.05).update(bad)

"""Boundaries equal the values printed in the unit tests of the confseq library, and are mixtures indeed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from slipway.base.errors import UsageError
from slipway.stats.mixtures import GammaExponentialMixture, GammaPoissonMixture, NormalMixture, tuning

V, ALPHA = 100.0, 0.05


def test_tuning_gives_the_published_rho():
    assert tuning(V, ALPHA) == pytest.approx(12.60056, abs=5e-6)


@pytest.mark.parametrize(
    ("mixture", "log_value", "bound"),
    [
        (NormalMixture(V, ALPHA, sides=2), -0.6510052, 30.35209),
        (NormalMixture(V, ALPHA, sides=1), -0.06502391, 27.66071),
        (GammaExponentialMixture(V, ALPHA, scale=2.0), -0.2490165, 33.02017),
    ],
)
def test_published_values_to_the_printed_digits(mixture, log_value, bound):
    assert mixture.log_value(10.0, V) == pytest.approx(log_value, rel=1e-6)
    assert mixture.bound(V, ALPHA) == pytest.approx(bound, abs=5e-6)


def test_published_values_of_the_gamma_poisson_mixture():
    mixture = GammaPoissonMixture(V, ALPHA, scale=2.0)
    assert mixture.log_value(10.0, V) == pytest.approx(-0.06991219, abs=5e-9)
    assert mixture.bound(V, ALPHA) == pytest.approx(30.1949, abs=5e-5)


@pytest.mark.parametrize(("s", "v"), [(5.0, 10.0), (-3.0, 10.0), (30.0, 1.0)])
def test_gamma_poisson_is_the_mixture_it_claims_to_be(s, v):
    mixture = GammaPoissonMixture(30.0, 0.05, scale=1.5)
    c, k = mixture.scale, mixture.rho / mixture.scale**2

    def part(u, s, v):
        # u = exp(c t) from 1 up, with density u^(k-1) exp(-k u); exp(t s - psi(t) v) in terms of u
        power = (c * s + v) / c**2 + k - 1.0
        return np.exp(power * np.log(u) - (v / c**2 + k) * u + v / c**2)

    top = integrate.quad(part, 1.0, 60.0, args=(s, v), epsabs=0.0, limit=500)[0]
    start = integrate.quad(part, 1.0, 60.0, args=(0.0, 0.0), epsabs=0.0, limit=500)[0]
    assert mixture.log_value(s, v) == pytest.approx(np.log(top / start), abs=1e-6)


def test_compensated_poisson_counts_rarely_cross_the_gamma_poisson_bound():
    rng = np.random.default_rng(5)
    mixture = GammaPoissonMixture(50.0, 0.05, scale=1.0)
    t = np.arange(1.0, 401.0)
    bound = mixture.bound(0.3 * t, 0.05)
    crossed = [np.any(np.cumsum(rng.poisson(0.3, 400)) - 0.3 * t >= bound) for _ in range(1000)]
    assert 0.005 < np.mean(crossed) <= 0.05


def gamma_exponential_by_quadrature(mixture, s, v):
    """The integral over bets l in (0, 1/c) of exp(l s - psi(l) v) against the gamma-exponential density."""
    c, k = mixture.scale, mixture.rho / mixture.scale**2

    def part(u, s, v):
        # u = 1 - c l; psi(l) = (-log(1 - c l) - c l) / c^2
        log = ((1.0 - u) * (c * s + v + mixture.rho)) / c**2 + (v / c**2 + k - 1.0) * np.log(u)
        return np.exp(log - k)

    top = integrate.quad(part, 0.0, 1.0, args=(s, v), epsabs=0.0, limit=200)[0]
    return np.log(top / integrate.quad(part, 0.0, 1.0, args=(0.0, 0.0), epsabs=0.0, limit=200)[0])


@pytest.mark.parametrize(("s", "v"), [(5.0, 10.0), (-3.0, 10.0), (-40.0, 60.0), (-90.0, 60.0), (30.0, 0.0)])
def test_gamma_exponential_is_the_mixture_it_claims_to_be_also_far_below_zero(s, v):
    mixture = GammaExponentialMixture(30.0, 0.05, scale=1.5)
    assert mixture.log_value(s, v) == pytest.approx(gamma_exponential_by_quadrature(mixture, s, v), abs=1e-6)


def test_all_mixtures_start_at_one():
    for mixture in (
        NormalMixture(3.0),
        NormalMixture(3.0, sides=1),
        GammaExponentialMixture(3.0, 0.05, 2.0),
        GammaPoissonMixture(3.0, 0.05, 2.0),
    ):
        assert mixture.log_value(0.0, 0.0) == pytest.approx(0.0, abs=1e-12)


@given(
    v=st.floats(0.0, 1e6),
    alpha=st.floats(1e-8, 0.9),
    v_opt=st.floats(0.1, 1e4),
    scale=st.floats(0.1, 10.0),
)
def test_bound_is_where_the_log_value_reaches_the_level(v, alpha, v_opt, scale):
    for mixture in (
        NormalMixture(v_opt, 0.05),
        NormalMixture(v_opt, 0.05, sides=1),
        GammaExponentialMixture(v_opt, 0.05, scale),
    ):
        u = mixture.bound(v, alpha)
        assert u > 0.0
        assert mixture.log_value(u, v) == pytest.approx(-np.log(alpha), rel=1e-4, abs=1e-6)


def test_numbers_and_arrays_give_the_same_bits():
    mixture = GammaExponentialMixture(5.0, 0.025, scale=2.0)
    rng = np.random.default_rng(3)
    s, v = rng.normal(0.0, 20.0, 500), rng.random(500) * 300.0
    together = mixture.log_value(s, v)
    assert [mixture.log_value(float(a), float(b)) for a, b in zip(s, v, strict=True)] == together.tolist()
    assert mixture.bound(v[:20], 0.05).tolist() == [mixture.bound(float(b), 0.05) for b in v[:20]]


@pytest.mark.parametrize("bad", [{"v_opt": 0.0}, {"v_opt": float("nan")}, {"alpha_opt": 0.5}, {"sides": 3}])
def test_bad_arguments_are_refused(bad):
    with pytest.raises(UsageError):
        NormalMixture(**{"v_opt": 1.0} | bad)
    with pytest.raises(UsageError):
        GammaExponentialMixture(1.0, 0.05, scale=-1.0)

"""Mixtures of fixed bets: the evidence engine of the guards, O(1) per label, without logarithms.

Let z_t >= -1 be centred so that the hypothesis is "the running mean of z is at most 0". For a fixed bet
l in [0, 1) the wealth W_t(l) = prod (1 + l z_i) satisfies, with e_i the conditional mean of z_i,
E[W_t(l) / prod (1 + l e_i)] = 1 and prod (1 + l e_i) <= exp(l sum e_i) <= 1. So the average of W(l) over a
grid of bets is an e-process also when the single means e_i drift and only their running average is <= 0;
bets that change with the data do not offer that. And W_t(l) exp(-l t m) tests "running mean <= m" for all
m at once, which inverts to a confidence sequence.

Sources: Waudby-Smith & Ramdas, JRSSB 2023, arXiv 2010.09686 (mixtures of fixed fractions); the running-mean
argument is that of Choe & Ramdas, arXiv 2110.00115, with 1 + x <= exp(x) in place of a Bernstein bound.
"""

from __future__ import annotations

import math

import numpy as np

from slipway.stats.arguments import BLOCK, Floats
from slipway.stats.sequential import Part

#: Bets as shares of the largest one that cannot lose everything: a geometric grid, rounded. Six, because
#: a seventh costs every label more time than it saves labels.
BETS = (0.02, 0.043, 0.094, 0.2, 0.44, 0.95)

#: Wealth is rescaled at most this often, always at multiples of a count that the construction fixes: at the
#: same labels under any partition.
RESCALE_EVERY = 128

#: Rescaled when its binary exponent leaves +-448. Until the next chance it moves by at most 448 more,
#: which stays within the range of normal floats.
EXPONENT_LIMIT = 448
LOW, HIGH = 2.0**-EXPONENT_LIMIT, 2.0**EXPONENT_LIMIT

#: Evidence is remembered up to here: 2**1000, far beyond any level, short of overflow.
LARGEST_E = 2.0**1000


class BetMixture(Part):
    """Average wealth of six fixed bets on z, its largest value, and the label at which it first sufficed.

    Wealth is kept as float times a power of two: multiplying by powers of two is exact, so neither the
    partition into calls nor the rescaling moves a bit.

    Args:
        threshold: e-value that proves the claim, 1/alpha.
        scale: length r > 0 with z >= -r for every possible z; the bets are ``BETS`` / r.
        reach: largest possible z; None for r.
    """

    memory = ("n", "_wealth", "_exponents", "_scales", "_scaled", "max_e", "proved_at")

    def __init__(self, threshold: float, scale: float, reach: float | None = None) -> None:
        self.threshold = threshold
        self.bets = tuple(bet / scale for bet in BETS)
        self._every = _rescale_every(1.0 if reach is None else reach / scale)
        self.n = 0
        self._wealth = [1.0] * len(BETS)
        self._exponents = [0] * len(BETS)
        self._scales = [1.0] * len(BETS)
        self._scaled = False
        self.max_e = 1.0
        self.proved_at: int | None = None

    @property
    def log_wealth(self) -> Floats:
        """(K,) log wealth of each bet."""
        return np.log(self._wealth) + np.array(self._exponents) * math.log(2.0)

    @property
    def log_e(self) -> float:
        """Log of the current average wealth."""
        logs = self.log_wealth
        top = float(logs.max())
        return top + math.log(float(np.mean(np.exp(logs - top))))

    @property
    def max_log_e(self) -> float:
        """Log of the largest average wealth at any label, capped at log(2**1000)."""
        return math.log(self.max_e)

    def log_e_at(self, m: float) -> float:
        """Log evidence against "the running mean of z is at most m"."""
        logs = self.log_wealth - np.array(self.bets) * (self.n * m)
        top = float(logs.max())
        return top + math.log(float(np.mean(np.exp(logs - top))))

    def lower_limit(self, level: float) -> float:
        """Largest m with ``log_e_at(m)`` >= ``level``: a confidence bound from below for the mean of z."""
        if self.n == 0:
            return -math.inf
        bets = np.array(self.bets) * self.n
        logs = self.log_wealth + math.log(1.0 / len(BETS)) - level
        # log_e_at is convex and falls with m: Newton from a point on the left stays on the left
        m = float(np.max(logs / bets))
        for _ in range(50):
            terms = logs - bets * m
            top = float(terms.max())
            masses = np.exp(terms - top)
            mass = float(masses.sum())
            step = (top + math.log(mass)) * mass / float((bets * masses).sum())
            if not step > 1e-15 * (1.0 + abs(m)):
                break
            m += step
        return m

    def step(self, z: float) -> float:
        """Absorb one centred observation; returns the e-value at this label."""
        # written out: three times as fast as a loop, and this is the cost of a label
        p, q, r, s, t, u = self.bets
        a, b, c, d, e, f = self._wealth
        a *= 1.0 + p * z
        b *= 1.0 + q * z
        c *= 1.0 + r * z
        d *= 1.0 + s * z
        e *= 1.0 + t * z
        f *= 1.0 + u * z
        self._wealth = [a, b, c, d, e, f]
        if self._scaled:
            p, q, r, s, t, u = self._scales
            e_value = (a * p + b * q + c * r + d * s + e * t + f * u) / 6.0
        else:
            e_value = (a + b + c + d + e + f) / 6.0
        self.n = n = self.n + 1
        if e_value > self.max_e:
            self.max_e = min(e_value, LARGEST_E)
            if e_value >= self.threshold and self.proved_at is None:
                self.proved_at = n
        if n % self._every == 0:
            self._rescale()
        return e_value

    def scan(self, zs: Floats) -> Floats:
        """Absorb centred observations in order, exactly as ``step`` would; returns their e-values."""
        es = np.empty_like(zs)
        start, length = 0, BLOCK
        while start < zs.size:
            stop = min(start + length, zs.size)
            if self._take(zs[start:stop], es[start:stop]):
                # slowly back to full length: a stream that once needed shorter stretches mostly goes on so
                start, length = stop, min(BLOCK, length + length // 8 + 1)
            else:
                length = max(self._every, (stop - start) // 2)
        return es

    def _take(self, zs: Floats, es: Floats) -> bool:
        """Absorb a stretch and write its e-values; False, and nothing done, where floats would not
        suffice."""
        wealth = np.empty((len(self.bets), zs.size + 1))
        wealth[:, 0] = self._wealth
        factors = wealth[:, 1:]
        np.multiply(np.array(self.bets)[:, None], zs, out=factors)
        factors += 1.0
        with np.errstate(over="ignore", under="ignore"):
            np.multiply.accumulate(wealth, axis=1, out=wealth)
        # a stretch of self._every labels always stays inside
        if not (wealth.min() > 1.0 / LARGEST_E and wealth.max() < LARGEST_E):
            return False
        top = float(self._mean_of(factors, es).max())
        if top > self.max_e:
            self.max_e = min(top, LARGEST_E)
            if top >= self.threshold and self.proved_at is None:
                self.proved_at = self.n + 1 + int(np.argmax(es >= self.threshold))
        first = self._every - self.n % self._every
        self.n += zs.size
        self._wealth = wealth[:, -1].tolist()
        self._rescale_along(wealth[:, first :: self._every])
        return True

    def _mean_of(self, wealth: Floats, out: Floats) -> Floats:
        """Mean over the bets, row by row: the order of additions of ``step``, which np.sum does not
        promise."""
        if self._scaled:
            with np.errstate(over="ignore", under="ignore"):
                wealth = wealth * np.array(self._scales)[:, None]
        np.add(wealth[0], wealth[1], out=out)
        for row in wealth[2:]:
            out += row
        out /= 6.0
        return out

    def _rescale(self) -> None:
        for k, w in enumerate(self._wealth):
            if not LOW <= w < HIGH:
                self._wealth[k], shift = math.frexp(w)
                self._shift_scale(k, shift)

    def _rescale_along(self, chances: Floats) -> None:
        """Rescale as ``step`` would have, given the unscaled wealth (6, c) at each chance, in order.

        Powers of two are exact: rescaling the last wealth at the end gives the bits of rescaling on the way.
        """
        for k in np.flatnonzero(((chances < LOW) | (chances >= HIGH)).any(axis=1)).tolist():
            shift = 0
            for w in chances[k].tolist():
                scaled = math.ldexp(w, -shift)
                if not LOW <= scaled < HIGH:
                    shift += math.frexp(scaled)[1]
            self._wealth[k] = math.ldexp(self._wealth[k], -shift)
            self._shift_scale(k, shift)

    def _shift_scale(self, k: int, shift: int) -> None:
        self._exponents[k] += shift
        power = self._exponents[k]
        self._scales[k] = math.ldexp(1.0, power) if power < 1024 else math.inf
        self._scaled = True


def _rescale_every(reach: float) -> int:
    """Labels within which wealth moves by at most 2**EXPONENT_LIMIT, a power of two; z is within [-1,
    reach]."""
    swing = max(math.log2(1.0 + BETS[-1] * reach), -math.log2(1.0 - BETS[-1]))
    return 2 ** int(math.log2(max(1.0, min(RESCALE_EVERY, EXPONENT_LIMIT / swing))))

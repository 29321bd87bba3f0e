"""Has the mix of one feature changed? An e-detector over the shares of fixed bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.errors import UsageError
from slipway.stats.arguments import Ints, count, indices, not_negative, within
from slipway.stats.banks import DetectorBank
from slipway.stats.bin_bets import bets_on, exact
from slipway.stats.sequential import Sequential

#: Blocks per vectorised step.
STEP = 256


class BinDrift(Sequential):
    """CUSUM e-detector for a change of any bin's share by more than a tolerance.

    For bin b with reference share p and slack e = tolerance + 3 standard errors of p there are four bets
    that its share exceeds p + e, with factor 1 + l (1[bin = b] - (p + e)) per row, and four that it falls
    below p - e. Their products over a block of rows drive CUSUM components, and ``e_value`` is the mean of
    all of them. Only counts per block matter, so rows of a block may come in any order.

    Where the first ``ordered`` bins lie in the order of a number, a small shift of all its values moves each
    bin a little and the share of values up to an edge much more. So there are the same bets on each share of
    values up to an inner edge, on the one or two outer bins of both ends together (with twice the tolerance:
    both ends may move by it), and on the mean rank, where a value counts as the share of values below its bin
    and half of its bin's, and rows in other bins as one half. Such bins, half-lines, ends, ranks and the
    other bins have equal weight in ``e_value``.

    Assumes that before the change each row falls into bin b with conditional probability between p - e and
    p + e, and likewise for the values up to an edge, below it and above it. Clustered rows (one user, one
    session) break that: take one row per cluster.

    Guarantee: while that holds, the expected number of rows to the first alarm is at least ``run_length``.
    For many features: ``multiplicity.e_bh`` of their ``e_value``s with alpha = 1 / ``threshold`` keeps that
    run length for all features together.

    Args:
        reference_shares: (B,) shares >= 0 that sum to 1 (to 1e-6).
        n_reference: rows behind the shares.
        tolerance: change of a share that does not matter, >= 0; for a number also of the share up to an edge.
        run_length: in rows, more than ``block``.
        block: rows per step.
        ordered: number of leading bins that are in the order of a number; 0 for a category.

    Raises:
        UsageError: an argument outside its range.
        DataError: from ``update`` and ``update_many``: indices outside [0, B); nothing is absorbed.

    Sources: e-detectors of Shin, Ramdas, Rinaldo, arXiv 2203.03532, on the bounded-mean bets of Waudby-Smith
    & Ramdas, arXiv 2010.09686.

    >>> rng = np.random.default_rng(0)
    >>> drift = BinDrift([0.5, 0.3, 0.2], n_reference=10_000, tolerance=0.02, run_length=1e6)
    >>> drift.update_many(rng.choice(3, 20_000, p=[0.5, 0.3, 0.2]))
    >>> drift.alarmed
    False
    >>> drift.update_many(rng.choice(3, 5_000, p=[0.3, 0.3, 0.4]))
    >>> drift.alarmed_at, drift.change_point
    (20200, 20000)
    """

    parameters = ("reference_shares", "n_reference", "tolerance", "run_length", "block", "ordered")
    memory = ("n", "_counts", "_bank")

    def __init__(
        self,
        reference_shares: Sequence[float],
        n_reference: int,
        tolerance: float,
        run_length: float,
        block: int = 50,
        ordered: int = 0,
    ) -> None:
        self.reference_shares = _shares(reference_shares)
        self.n_reference = count("n_reference", n_reference)
        self.tolerance = not_negative("tolerance", tolerance)
        self.block = count("block", block)
        self.run_length = within("run_length", run_length, self.block, math.inf)
        self.ordered = _ordered(ordered, len(self.reference_shares))
        bets = bets_on(np.array(self.reference_shares), self.n_reference, self.tolerance, self.ordered)
        self._bins = bets.bins
        self._logs = exact(bets.logs, self.block)
        self._counts = np.zeros(len(self.reference_shares), np.int64)
        self._bank = DetectorBank(bets.logs.shape[1], self.threshold, weights=bets.weights)
        self.n = 0

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The detector that ``to_state`` described; one written before bins had an order goes on without."""
        if "parameters" in state:
            state = {**state, "parameters": {"ordered": 0, **state["parameters"]}}
        return super().from_state(state)

    @property
    def threshold(self) -> float:
        """Value of ``e_value`` at which the alarm comes: run_length in blocks."""
        return self.run_length / self.block

    @property
    def log_value(self) -> float:
        """Log of ``e_value``."""
        return self._bank.log_value

    @property
    def e_value(self) -> float:
        """Current value of the detector, at the last full block; capped at the largest float."""
        return math.exp(min(self.log_value, 709.0))

    @property
    def alarmed_at(self) -> int | None:
        """Row that completed the alarming block."""
        return None if self._bank.alarmed_at is None else self._bank.alarmed_at * self.block

    @property
    def alarmed(self) -> bool:
        """Whether the detector has alarmed; stays so until a new detector is started."""
        return self._bank.alarmed_at is not None

    @property
    def change_point(self) -> int:
        """Rows before the estimated change, a multiple of ``block``; fixed at the alarm."""
        return self._bank.change_point * self.block

    @property
    def restarts(self) -> Ints:
        """Row numbers, ascending, one of which ``change_point`` is or will be if no bet restarts again."""
        return self._bank.restarts * self.block

    @property
    def leading_bin(self) -> int | None:
        """The single bin on which a bet is now the largest; None where no single bin could alarm."""
        if not self._bins.size:
            return None
        return int(self._bins[int(np.argmax(self._bank.values[: self._bins.size]))])

    def update(self, x: int) -> None:
        """Absorb the bin index of one row."""
        (index,) = indices([x], self._counts.size, "BinDrift")
        self._counts[index] += 1
        self.n += 1
        if self.n % self.block == 0:
            self._close_blocks(self._counts[None, :])

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) bin indices; rows short of a full block wait in the state."""
        rows = indices(xs, self._counts.size, "BinDrift")
        waiting = self.n % self.block
        head = rows[: self.block - waiting]
        self._counts += np.bincount(head, minlength=self._counts.size)
        self.n += rows.size
        if waiting + head.size < self.block:
            return
        self._close_blocks(self._counts[None, :])
        rows = rows[head.size :]
        full = rows.size // self.block
        for start in range(0, full, STEP):
            blocks = min(STEP, full - start)
            part = rows[start * self.block : (start + blocks) * self.block].reshape(blocks, self.block)
            keys = part + self._counts.size * np.arange(blocks)[:, None]
            counts = np.bincount(keys.ravel(), minlength=blocks * self._counts.size)
            self._close_blocks(counts.reshape(blocks, -1))
        self._counts += np.bincount(rows[full * self.block :], minlength=self._counts.size)

    def _close_blocks(self, counts: Ints) -> None:
        """Bet on the (T, B) counts of full blocks, and start the next block empty."""
        increments = counts.astype(np.float64) @ self._logs
        if len(increments) == 1:
            self._bank.step(increments[0])
        else:
            self._bank.scan(increments)
        self._counts = np.zeros_like(self._counts)


def _shares(values: Sequence[float]) -> list[float]:
    shares = [float(share) for share in values]
    if not shares or min(shares) < 0.0 or not abs(math.fsum(shares) - 1.0) < 1e-6:
        raise UsageError(
            expected="shares of at least 0 that sum to 1",
            got=f"{len(shares)} shares with sum {math.fsum(shares):g}",
            where="reference_shares",
        )
    return shares


def _ordered(ordered: int, bins: int) -> int:
    whole = count("ordered", ordered, 0)
    if whole > bins:
        raise UsageError(expected=f"at most the {bins} bins there are", got=f"{whole}", where="ordered")
    return whole

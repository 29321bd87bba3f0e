"""Late labels: which rows may enter a test, when outcomes of one kind arrive later than others.

Defaults, chargebacks and complaints arrive late, good news early: the labels so far are then a biased
sample, and every test fed with them errs. Either wait until whole cohorts have matured, or weight each
row by the known probability that its label is there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.errors import DataError
from slipway.stats.arguments import Floats, column, not_negative, observations


def matured(issued: ArrayLike, now: float, horizon: float) -> np.ndarray:
    """(n,) mask of rows issued at least ``horizon`` before ``now``, in the same unit of time.

    After the horizon a label has come or will never come ("no complaint" is then an outcome). Tests that
    take matured rows only, in the order of ``issued``, are free of the bias of late labels.

    Raises:
        DataError: times that are not finite.

    >>> matured([0.0, 5.0, 9.0], now=10.0, horizon=5.0).tolist()
    [True, True, False]
    """
    times = observations(issued, -np.inf, np.inf, "matured")
    return times <= now - not_negative("horizon", horizon)


def inverse_probability(
    losses: ArrayLike, revealed: ArrayLike, probabilities: ArrayLike, floor: float
) -> Floats:
    """Losses weighted so that their mean is that of all rows: revealed * loss / probability, in [0, 1 /
    floor].

    Assumes that row i is revealed with ``probabilities``[i], known before its loss and at least ``floor``.
    The delay may depend on features that set the probability, but not on the loss itself.

    Args:
        losses: (n,) in [0, 1]; rows not revealed may hold any finite number.
        revealed: (n,) 0/1.
        probabilities: (n,) in [floor, 1].
        floor: in (0, 1].

    Raises:
        DataError: lengths that differ, or values outside their range.

    Source: Horvitz & Thompson, JASA 1952; as bets: Waudby-Smith et al., arXiv 2210.10768.

    >>> inverse_probability([1.0, 0.5], [1, 0], [0.5, 0.25], floor=0.25).tolist()
    [2.0, 0.0]
    """
    where = "inverse_probability"
    xs = observations(losses, -np.inf, np.inf, where)
    seen = observations(revealed, 0.0, 1.0, where)
    ps = column(observations(probabilities, 0.0, 1.0, where), "probabilities", floor, 1.0, where)
    if not xs.size == seen.size == ps.size or not np.all((seen == 0.0) | (seen == 1.0)):
        raise DataError(
            expected="losses, revealed 0/1 and probabilities of one length",
            got=f"{xs.size}, {seen.size} and {ps.size}",
            where=where,
        )
    column(xs[seen == 1.0], "revealed losses", 0.0, 1.0, where)
    return np.where(seen == 1.0, xs / ps, 0.0)

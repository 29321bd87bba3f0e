"""One error budget over successive deployments: every promotion opens a new test."""

from __future__ import annotations

import math

from slipway.stats.arguments import count, within


def deployment_alpha(alpha: float, deployment: int) -> float:
    """Level for the ``deployment``-th test (from 1) so that all of them together err with P <= ``alpha``.

    alpha * 6 / (pi^2 k^2): the levels of an endless series of deployments add up to ``alpha``. Without
    this, twenty deployments at 5 % each promote a not-better model with a probability of up to 64 %; a
    project that prefers one level per deployment must say so in its reports.

    Raises:
        UsageError: alpha outside (0, 1) or deployment < 1.

    >>> [round(deployment_alpha(0.05, k), 5) for k in (1, 2, 10)]
    [0.0304, 0.0076, 0.0003]
    """
    within("alpha", alpha, 0.0, 1.0)
    return alpha * 6.0 / (math.pi * count("deployment", deployment)) ** 2

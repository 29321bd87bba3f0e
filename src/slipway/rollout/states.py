"""Which state of a rollout may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from slipway.base.errors import ConflictError
from slipway.base.vocabulary import State

#: shadow: the challenger scores unseen. live: it answers, the former champion in reverse shadow (bake).
#: settled: the bake is over, or cut short by another
#: deployment, or there was no champion to compare with. The others are ends.
TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        "shadow": frozenset({"live", "refused", "superseded"}),
        "live": frozenset({"settled", "rolled_back"}),
        "settled": frozenset({"rolled_back"}),
        "refused": frozenset(),
        "rolled_back": frozenset(),
        "superseded": frozenset(),
    }
)

#: States in which a second version scores the same rows.
OPEN: frozenset[State] = frozenset({"shadow", "live"})


def check_move(current: State, target: State, where: str) -> State:
    """Return ``target`` when a rollout in ``current`` may go there.

    Args:
        current: state of the rollout now.
        target: state asked for.
        where: the rollout in words, for the error.

    Raises:
        ConflictError: the move is not legal.
    """
    if target not in TRANSITIONS[current]:
        legal = ", ".join(sorted(TRANSITIONS[current])) or "none, it is closed"
        raise ConflictError(
            expected=f"a move that is legal from {current!r} ({legal})",
            got=repr(target),
            where=where,
            next_step="see where it stands with `slipway status`",
        )
    return target

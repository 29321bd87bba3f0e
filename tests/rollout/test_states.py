"""Only legal moves are made."""

import typing

import pytest

from slipway.base.errors import ConflictError
from slipway.base.vocabulary import State
from slipway.rollout.states import OPEN, TRANSITIONS, check_move


def test_every_state_has_a_row_and_targets_are_states():
    states = set(typing.get_args(State))
    assert set(TRANSITIONS) == states
    assert all(targets <= states for targets in TRANSITIONS.values())


def test_open_states_are_the_ones_that_can_still_win_or_lose():
    assert {state for state in TRANSITIONS if TRANSITIONS[state]} >= OPEN


@pytest.mark.parametrize("end", ["refused", "rolled_back", "superseded"])
def test_ends_are_ends(end):
    for target in TRANSITIONS:
        with pytest.raises(ConflictError, match="it is closed"):
            check_move(end, target, "rollout 1")


def test_every_pair_is_allowed_or_refused_by_the_table():
    for current, targets in TRANSITIONS.items():
        for target in TRANSITIONS:
            if target in targets:
                assert check_move(current, target, "rollout 1") == target
            else:
                with pytest.raises(ConflictError, match=f"got '{target}' in rollout 1"):
                    check_move(current, target, "rollout 1")

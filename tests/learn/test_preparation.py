"""The two parts of a table: what the settings say of the split reaches what is fitted and judged."""

import pytest

from slipway.base.errors import ConfigError
from slipway.learn.preparation import prepare


def test_the_gap_of_the_settings_lies_between_the_parts(make_table, make_contract, make_config):
    table, contract = make_table(400), make_contract(time=True)
    plain = prepare(table, make_config(), contract, 0)
    apart = prepare(table, make_config(gap="3d"), contract, 0)
    assert apart.held_out.equals(plain.held_out)
    first, last = str(apart.held_out["day"].min()), str(apart.train["day"].max())
    assert int(first[-2:]) - int(last[-2:]) == 3
    assert apart.problem.matrix.shape[0] == apart.train.height < plain.train.height
    assert apart.table.height == apart.train.height + apart.held_out.height


def test_a_gap_without_times_is_refused(make_table, make_contract, make_config):
    with pytest.raises(ConfigError, match=r"train\.gap"):
        prepare(make_table(), make_config(gap="3d"), make_contract(), 0)

"""Where contracts are put together anew, their rules and row bounds come along."""

import json

import pytest

from slipway.base.config import Config, Data, Project
from slipway.base.errors import ContractError
from slipway.data.contract import Column, Contract, Rule
from slipway.data.project import reconcile
from slipway.gateway.decode import RowDecoder, merge_contracts

CONTRACT = Contract(
    columns=(
        Column(name="amount", type="float"),
        Column(name="income", type="float", min=0, severity={"range": "reject"}),
        Column(name="repaid", type="int", role="target"),
    ),
    min_rows=3,
    max_rows=9,
    rules=(Rule(name="half", expr="amount <= 0.5 * income", severity="reject"),),
)


def test_settings_change_roles_and_nothing_else():
    config = Config(
        project=Project(name="loan", task="binary", target="repaid"),
        data=Data(source="x", exclude=("income",)),
    )
    settled = reconcile(CONTRACT, config)
    assert [column.role for column in settled.columns] == ["feature", "ignore", "target"]
    assert (settled.rules, settled.min_rows, settled.max_rows) == (CONTRACT.rules, 3, 9)


def test_a_request_that_breaks_a_refusing_rule_is_answered_without_its_values():
    shadow = Contract(columns=(Column(name="extra", type="int"), *CONTRACT.columns))
    decoder = RowDecoder(merge_contracts(CONTRACT, [shadow]), strict=True)

    def flags(**row):
        return decoder.decode(json.dumps({"rows": [{"amount": 1}, row]}).encode()).flags

    assert flags(amount=1, income=2, extra=3) == [0, 0]
    assert flags(amount=1, income=None) == [0, 0]
    for row, where in (
        ({"amount": 7171, "income": 3}, "row 1, rule 'half'"),
        ({"amount": 1, "income": -7171}, "row 1, column 'income'"),
    ):
        with pytest.raises(ContractError, match="the contract refuses") as caught:
            flags(**row)
        assert caught.value.where == where
        assert caught.value.http_status == 422
        assert "7171" not in caught.value.message

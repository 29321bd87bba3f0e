"""The numbers of a plan: given on the command line, known to the project, or assumed, and which it was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from slipway.base.config import Monitor, Rollout
from slipway.base.errors import UsageError
from slipway.base.quantities import rows_between_false_alarms
from slipway.cli.plan_numbers import Facts, Known

if TYPE_CHECKING:
    from slipway.cli.plan_alarms import Traffic
    from slipway.cli.plan_rollout import Question

#: Correlation of the losses of two versions on the same rows, while nothing is measured.
USUAL_CORRELATION = 0.9

_EXAMPLE = "for example `slipway plan --delta 0.005 --sd 0.07 --labels-per-day 600`"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says; None where it says nothing."""

    delta: float | None = None
    sd: float | None = None
    loss_sd: float | None = None
    correlation: float | None = None
    alpha: float | None = None
    margin: float | None = None
    max_labels: int | None = None
    bake_labels: int | None = None
    labels_per_day: float | None = None
    rows_per_day: float | None = None
    false_alarms: str | None = None
    risk: float | None = None
    limit: float | None = None
    features: int | None = None
    reference_rows: int | None = None
    tolerance: float | None = None


class Inputs:
    """All numbers of a plan by name, each with its source.

    Args:
        given: the command line.
        facts: the project; None without one.

    Raises:
        UsageError: numbers that contradict each other, or too few of them to answer anything.
        ConfigError: a rate of false alarms that does not read as one.
    """

    def __init__(self, given: Given, facts: Facts | None) -> None:
        self.numbers: dict[str, Known] = dict(_DEFAULTS)
        self.notes: list[str] = []
        self._given = {
            name: float(value)
            for name, value in msgspec.structs.asdict(given).items()
            if value is not None and not isinstance(value, str)
        }
        if facts is not None:
            self.numbers |= facts.numbers
        self.numbers |= {name: Known(value, _option(name)) for name, value in self._given.items()}
        self._settle_spread()
        self._settle_traffic()
        self._settle_difference()
        rate = facts.false_alarms if facts else Monitor().false_alarms
        self._settle_alarms(given.false_alarms, rate)
        if "run_length" not in self.numbers and ("delta" not in self.numbers or "sd" not in self.numbers):
            raise UsageError(
                expected="numbers to plan with, or a project",
                got="neither",
                where="slipway plan",
                next_step=f"give --delta and --sd, or --rows-per-day, {_EXAMPLE}; or pass --project FOLDER",
            )

    def __getitem__(self, name: str) -> float:
        return self.numbers[name].value

    def get(self, name: str) -> float | None:
        """A number that may be unknown."""
        known = self.numbers.get(name)
        return None if known is None else known.value

    def _settle_spread(self) -> None:
        """Two of sd, loss_sd and correlation say the third: sd^2 = 2 loss_sd^2 (1 - correlation)."""
        given, numbers = self._given, self.numbers
        if {"sd", "loss_sd", "correlation"} <= given.keys():
            raise UsageError(
                expected="two of --sd, --loss-sd and --correlation",
                got="all three",
                where="slipway plan",
                next_step="leave one out: it follows from the others",
            )
        rho = self.get("correlation")
        if rho is not None and not -1.0 <= rho < 1.0:
            raise UsageError(
                expected="--correlation from -1 to less than 1", got=f"{rho:g}", where="--correlation"
            )
        if rho is not None and "sd" in given:
            _positive("--sd", given["sd"])
            spread = given["sd"] / math.sqrt(2.0 * (1.0 - rho))
            numbers["loss_sd"] = Known(spread, "--sd and --correlation, equal spreads")
        elif "loss_sd" in numbers and (rho is not None or "sd" not in numbers):
            if rho is None:
                self.numbers["correlation"] = Known(USUAL_CORRELATION, "assumed: nothing is measured yet")
                rho = USUAL_CORRELATION
            spread = _positive("--loss-sd", numbers["loss_sd"].value) * math.sqrt(2.0 * (1.0 - rho))
            numbers["sd"] = Known(spread, "spread of one loss, and the correlation")
        elif "loss_sd" in numbers and "sd" in numbers:
            self._imply_correlation()

    def _imply_correlation(self) -> None:
        sd, loss_sd = self["sd"], _positive("--loss-sd", self["loss_sd"])
        rho = 1.0 - sd**2 / (2.0 * loss_sd**2)
        if rho >= -1.0:
            self.numbers["correlation"] = Known(rho, "both spreads")
        elif {"sd", "loss_sd"} <= self._given.keys():
            raise UsageError(
                expected=f"--sd of at most twice --loss-sd, {2 * loss_sd:g}", got=f"{sd:g}", where="--sd"
            )
        else:
            del self.numbers["loss_sd"]
            self.notes.append("the spread given does not go with the one measured: no A/B figures")

    def _settle_traffic(self) -> None:
        given, numbers = self._given, self.numbers
        for name in ("rows_per_day", "labels_per_day"):
            if name in given:
                _positive(_option(name), given[name])
        if "rows_per_day" in given and "labels_per_day" not in given:
            numbers.pop("labels_per_day", None)
        if "rows_per_day" not in numbers and "labels_per_day" in numbers:
            numbers["rows_per_day"] = Known(self["labels_per_day"], "assumed: every row gets its label")
        if "rows_per_day" in numbers and "labels_per_day" not in numbers:
            share = numbers.pop("label_share", Known(1.0, "assumed: every row gets its label"))
            source = share.source if share.value == 1.0 else f"share with a label in {share.source}"
            numbers["labels_per_day"] = Known(share.value * self["rows_per_day"], source)
        numbers.pop("label_share", None)
        rows, labels = self.get("rows_per_day"), self.get("labels_per_day")
        if rows is not None and labels is not None and labels > rows:
            if "rows_per_day" in given:
                raise UsageError(
                    expected=f"--labels-per-day of at most --rows-per-day, {rows:g}",
                    got=f"{labels:g}",
                    where="--labels-per-day",
                )
            numbers["rows_per_day"] = Known(labels, "as many as labels: fewer is impossible")

    def _settle_difference(self) -> None:
        numbers = self.numbers
        if "delta" in numbers and "sd" not in numbers:
            raise UsageError(
                expected="--sd, the spread of the loss differences, beside --delta",
                got="none",
                where="slipway plan",
                next_step=f"give --sd, or --loss-sd and --correlation, {_EXAMPLE}",
            )
        if "sd" in numbers and "delta" not in numbers:
            if self["margin"] > 0.0:
                numbers["delta"] = Known(self["margin"], "as large as the margin")
            elif "risk" in numbers:
                numbers["delta"] = Known(self["risk"] / 20.0, "assumed: a twentieth of the held-out loss")
            elif self._given.keys() & {"sd", "loss_sd", "correlation"}:
                raise UsageError(
                    expected="--delta, the difference of mean loss that should be found, beside --sd",
                    got="none",
                    where="slipway plan",
                    next_step=_EXAMPLE,
                )

    def _settle_alarms(self, given: str | None, rate: str) -> None:
        numbers = self.numbers
        if "rows_per_day" not in numbers:
            return
        if given is not None or "rows_per_day" in self._given or "run_length" not in numbers:
            where = "monitor.false_alarms" if given is None else "--false-alarms"
            rows = rows_between_false_alarms(given or rate, self["rows_per_day"], where)
            numbers["run_length"] = Known(rows, f"{where} = {given or rate!r}, in rows")
        unsure = "risk" in self._given or "limit" not in numbers
        if "risk" in numbers and "limit" not in self._given and unsure:
            numbers["limit"] = Known(self["risk"], "assumed: the risk is known exactly")

    def question(self) -> Question | None:
        """What to ask about a rollout; None without a difference and its spread.

        Raises:
            UsageError: numbers that are impossible.
        """
        from slipway.cli.plan_rollout import Question

        if "delta" not in self.numbers or "sd" not in self.numbers:
            return None
        return Question(
            delta=self["delta"],
            sd=self["sd"],
            labels_per_day=self.get("labels_per_day"),
            alpha=self["alpha"],
            margin=self["margin"],
            max_labels=int(self["max_labels"]),
            bake_labels=int(self["bake_labels"]),
            loss_sd=self.get("loss_sd"),
        ).check()

    def traffic(self) -> Traffic | None:
        """What to ask about alarms; None without traffic.

        Raises:
            UsageError: numbers that are impossible.
        """
        from slipway.cli.plan_alarms import Traffic

        if "run_length" not in self.numbers:
            return None
        return Traffic(
            rows_per_day=self["rows_per_day"],
            labels_per_day=self["labels_per_day"],
            run_length=self["run_length"],
            features=int(self["features"]),
            reference_rows=int(self["reference_rows"]),
            tolerance=self["tolerance"],
            risk=self.get("risk"),
            limit=self.get("limit"),
            loss_sd=self.get("loss_sd"),
        ).check()


_DEFAULTS = {
    "alpha": Known(Rollout().alpha, "default"),
    "margin": Known(Rollout().margin, "default"),
    "max_labels": Known(Rollout().max_labels, "default"),
    "bake_labels": Known(Rollout().bake_labels, "default"),
    "tolerance": Known(Monitor().tolerance, "default"),
    "features": Known(10, "assumed"),
    "reference_rows": Known(10_000, "assumed"),
}


def _option(name: str) -> str:
    return "--risk-limit" if name == "limit" else f"--{name.replace('_', '-')}"


def _positive(name: str, value: float) -> float:
    if not 0.0 < value < math.inf:
        raise UsageError(expected=f"{name} above 0", got=f"{value:g}", where=name)
    return value

"""All monitors of one champion, from the moment it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slipway.base.config import Monitor
from slipway.base.vocabulary import Value
from slipway.models.reference import Reference, RiskReference
from slipway.monitor.alarm import Alarm
from slipway.monitor.drift import DriftMonitor
from slipway.monitor.risk import Floats, Places, RiskMonitor

#: Traffic where the training table says nothing.
_ROWS_PER_DAY = 10_000.0


class Watch:
    """Risk and drift of one champion; new with every champion.

    Args:
        version: the champion.
        reference: bins of its training features, or None: no drift monitor.
        risk: its held-out risk, or None: no risk monitor.
        settings: how watchful, at which price in false alarms.
        start: place before the first row.
    """

    def __init__(
        self,
        version: str,
        reference: Reference | None,
        risk: RiskReference | None,
        settings: Monitor,
        start: int,
    ) -> None:
        self.version = version
        run_length = settings.run_length(reference.rows_per_day if reference else _ROWS_PER_DAY)
        self.risk: RiskMonitor | None = None
        self.drift: DriftMonitor | None = None
        # a bound at the top of the loss's range leaves nothing to detect
        if risk is not None and risk.upper + settings.risk_tolerance < 1.0:
            self.risk = RiskMonitor(risk, settings.risk_tolerance, run_length, start)
        if reference is not None and reference.features:
            self.drift = DriftMonitor(reference, settings.tolerance, run_length, start)

    @property
    def risk_closed(self) -> bool:
        """Whether labels are of no more use here."""
        return self.risk is None or self.risk.alarmed

    @property
    def features(self) -> tuple[str, ...]:
        """Features watched for drift."""
        return self.drift.features if self.drift else ()

    def absorb_losses(self, losses: Floats, places: Places) -> tuple[int, Alarm] | None:
        """Losses of labelled rows in order of label arrival; see ``RiskMonitor.absorb``."""
        return self.risk.absorb(losses, places) if self.risk else None

    def absorb_rows(self, columns: Mapping[str, Sequence[Value]], places: Places) -> list[tuple[int, Alarm]]:
        """Answered rows in order; see ``DriftMonitor.absorb``."""
        return self.drift.absorb(columns, places) if self.drift else []

    def to_state(self) -> dict[str, Any]:
        """JSON-able; ``from_state`` continues bit for bit."""
        return {
            "risk": self.risk.to_state() if self.risk else None,
            "drift": self.drift.to_state() if self.drift else None,
        }

    @classmethod
    def from_state(
        cls, state: dict[str, Any], version: str, reference: Reference | None, risk: RiskReference | None
    ) -> Watch:
        """Read ``to_state`` back."""
        self = cls.__new__(cls)
        self.version = version
        self.risk = RiskMonitor.from_state(risk, state["risk"]) if state["risk"] and risk else None
        self.drift = (
            DriftMonitor.from_state(reference, state["drift"]) if state["drift"] and reference else None
        )
        return self

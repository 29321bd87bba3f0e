"""The words of the project as types: tasks, arms, states, verdicts."""

from __future__ import annotations

from typing import Literal, NamedTuple

from slipway.base.errors import UsageError

Task = Literal["binary", "multiclass", "regression"]

#: A cell of a row as JSON can carry it; None is a missing value.
Value = str | float | int | bool | None

#: States of a rollout. gated -> shadow -> live (bake) -> settled; refused and rolled_back are ends.
State = Literal["shadow", "live", "settled", "refused", "rolled_back", "superseded"]

#: What judging can say. ``undecided``: the label budget is spent; ``insufficient``: keep collecting.
Outcome = Literal["better", "worse", "equivalent", "undecided", "insufficient"]

#: Who scored a row: the arm that answered, or one that scored unseen.
Arm = Literal["champion", "shadow", "reverse_shadow"]


class VersionName(NamedTuple):
    """``loan@7``: model ``loan``, version 7."""

    model: str
    number: int

    def __str__(self) -> str:
        return f"{self.model}@{self.number}"

    @classmethod
    def parse(cls, text: str) -> VersionName:
        """Read ``model@number``.

        Raises:
            UsageError: the text is not of that form.

        >>> VersionName.parse("loan@7").number
        7
        """
        model, at, number = text.rpartition("@")
        if not (at and model and number.isdecimal() and int(number) > 0):
            raise UsageError(
                expected="a version such as loan@7",
                got=f"{text!r}",
                next_step="list versions with `slipway versions`",
            )
        return cls(model, int(number))

"""Columns that know the answer: what will not be there when the model is asked."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import polars as pl

from slipway.data.profile_facts import ColumnProfile, Finding
from slipway.data.profile_relation import Fixed, Labels, fixed
from slipway.data.profile_sketches import Floats
from slipway.data.profile_view import View, percent

#: A single column this good is rarely honest.
SUSPECT_AUC = 0.95
SUSPECT_EXPLAINED = {"binary": 0.7, "multiclass": 0.6, "regression": 0.9}
#: Ranks of a column among the others that make it stand out.
_STANDS_OUT = 4.0
_STANDS_OUT_LEAST = 0.2
_LATER = 0.9
_MOST_PAIRED = 40
_OUTPUT_NAME = re.compile(r"(^|[^a-z])(y_?)?(pred|proba|predict(ed|ion)?|y_?hat)([^a-z]|$)", re.IGNORECASE)

_AFTER = "it may be written after the outcome is known; if so, exclude it (data.exclude)"


def leakage_findings(view: View) -> list[Finding]:
    """Everything that suggests knowledge of the answer, at most one finding of each rule for a column."""
    if view.labels is None or view.labels.rows.size < 50:
        return []
    sums = _adds_up(view, view.labels)
    alone = _alone(view)
    later, outputs = _later(view), _outputs(view)
    known = {name for finding in (*sums, *alone, *later, *outputs) for name in finding.columns}
    settles = _settles(view, view.labels, known)
    known |= {name for finding in settles for name in finding.columns}
    return [*sums, *alone, *later, *outputs, *settles, *_stands_out(view, known)]


def _told(column: ColumnProfile) -> str:
    relation = column.relation
    assert relation is not None
    if relation.auc is not None:
        return f"AUC {relation.auc:.3f} from this column alone"
    return f"{percent(relation.explained)} of the target explained by this column alone"


def _alone(view: View) -> list[Finding]:
    found: list[Finding] = []
    bound = SUSPECT_EXPLAINED[view.task or "binary"]
    for column in view.others:
        relation = column.relation
        if relation is None:
            continue
        if relation.explained >= bound or (relation.auc or 0.0) >= SUSPECT_AUC:
            found.append(
                Finding(
                    rule="predicts_alone",
                    severity="serious",
                    columns=(column.name,),
                    evidence=_told(column),
                    advice=f"too good for one honest column: {_AFTER}",
                )
            )
    return found


def _stands_out(view: View, known: set[str]) -> list[Finding]:
    strengths = {c.name: c.relation.explained for c in view.others if c.relation is not None}
    if len(strengths) < 5:
        return []
    usual = float(np.median(list(strengths.values())))
    found: list[Finding] = []
    for name, strength in strengths.items():
        if name in known or strength < max(_STANDS_OUT_LEAST, _STANDS_OUT * usual):
            continue
        found.append(
            Finding(
                rule="stands_out",
                severity="check",
                columns=(name,),
                evidence=f"{_told(view.columns[name])}; half of the columns explain less than "
                f"{percent(usual)}",
                advice="make sure that its value is known at the moment of the prediction and not "
                "measured later",
            )
        )
    return found


def _adds_up(view: View, target: Labels) -> list[Finding]:
    """Pairs of number columns whose sum, difference or product is the target in every row."""
    if target.task != "regression":
        return []
    y = target.values[:, 0]
    sample = view.sample.select(
        pl.col(column.name).cast(pl.Float64)
        for column in view.others
        if column.type in ("int", "float") and column.kind not in ("constant", "empty", "id")
    )
    table = sample[target.rows.tolist()] if target.rows.size < sample.height else sample
    # a part of a sum moves with it: the strongest columns are enough
    names = sorted(
        table.columns,
        key=lambda name: -(r.explained if (r := view.columns[name].relation) is not None else 0.0),
    )[:_MOST_PAIRED]
    columns = {name: table[name].to_numpy() for name in names}
    found: list[Finding] = []
    for (one, x), (other, z) in combinations(columns.items(), 2):
        for sign, made in (("+", x + z), ("-", x - z), ("-", z - x), ("*", x * z)):
            if _same(made, y):
                pair = (other, one) if made is not None and sign == "-" and _same(z - x, y) else (one, other)
                found.append(
                    Finding(
                        rule="adds_up_to_target",
                        severity="serious",
                        columns=pair,
                        evidence=f"{pair[0]!r} {sign} {pair[1]!r} equals the target in every row looked at "
                        f"({y.size:,})",
                        advice="they are parts of the answer: exclude both (data.exclude)",
                    )
                )
                break
    return found


def _same(made: Floats, y: Floats) -> bool:
    """Whether two columns agree but for rounding; a glance at the first rows spares most of the work."""
    tolerance = 1e-9 * (1.0 + np.abs(y))
    for part in (slice(0, 64), slice(None)):
        if not bool(np.all(np.abs(made[part] - y[part]) <= tolerance[part])):
            return False
    return bool(np.ptp(y) > 0)


def _settles(view: View, target: Labels, known: set[str]) -> list[Finding]:
    found: list[Finding] = []
    seen: set[int] = set()
    for name, codes in view.codes.items():
        digest = view.scan.columns[name].digest
        if view.columns[name].kind == "id" or name in known or digest in seen:
            continue
        seen.add(digest)
        fact = fixed(codes, target)
        # at the ends of a number or of a time a strong honest column is pure too
        levels = view.columns[name].kind in ("category", "code", "bool")
        if fact is None or not (fact.by_missing or levels or name == view.time):
            continue
        if name == view.time and not fact.by_missing:
            found.append(_one_sided(name, fact))
            continue
        found.append(
            Finding(
                rule="filled_tells" if fact.by_missing else "settles_label",
                severity="serious" if fact.by_missing else "check",
                columns=(name,),
                evidence=("having a value, or none, settles" if fact.by_missing else "some values settle")
                + f" the label nearly: {percent(fact.share)} of the rows, {percent(fact.purity)} of "
                f"them {fact.label!r}",
                advice=f"a rule of the business, or a trace of the outcome: {_AFTER}",
            )
        )
    return found


def _one_sided(time: str, fact: Fixed) -> Finding:
    return Finding(
        rule="one_sided_period",
        severity="serious",
        columns=(time,),
        evidence=f"{percent(fact.share)} of the rows lie in times with (nearly) only {fact.label!r}",
        advice="the rows of those times were chosen by their outcome, or the others have no "
        "outcome yet: leave "
        "the period out",
    )


def _later(view: View) -> list[Finding]:
    """Times that lie after the time of the row."""
    if view.time is None or view.time not in view.times:
        return []
    base = view.times[view.time]
    found: list[Finding] = []
    for name, times in view.times.items():
        if name in (view.time, view.target):
            continue
        both = times.is_not_null() & base.is_not_null()
        n = int(both.sum())
        later = int((times > base).sum())
        if n >= 30 and later >= _LATER * n:
            found.append(
                Finding(
                    rule="after_event",
                    severity="serious",
                    columns=(name,),
                    evidence=f"later than {view.time!r} in {percent(later / n)} of the rows that have both",
                    advice="at the time of the prediction it has not happened yet: exclude it (data.exclude)",
                )
            )
    return found


def _outputs(view: View) -> list[Finding]:
    return [
        Finding(
            rule="model_output",
            severity="serious",
            columns=(column.name,),
            evidence="its name says that it is the output of a model",
            advice="a model that reads another model's answer learns nothing else: exclude it (data.exclude)",
        )
        for column in view.others
        if _OUTPUT_NAME.search(column.name)
    ]

"""What is odd about the columns themselves: numbering, copies, constants, formats, codes, weights."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from itertools import combinations

import numpy as np
import polars as pl

from slipway.data.profile_columns import code_evidence
from slipway.data.profile_facts import SEVERITIES, ColumnProfile, Finding, Severity
from slipway.data.profile_formats import format_findings
from slipway.data.profile_leakage import leakage_findings
from slipway.data.profile_scan import LONG_STILL
from slipway.data.profile_target import target_findings
from slipway.data.profile_view import View, percent

_NEAR_CONSTANT = 0.99
_MOSTLY_MISSING = 0.5
#: A still beginning shorter than this share is chance.
_STILL_SHARE = 0.02
#: A column that comes in blocks changes rarely; one that was switched on changes often.
_CHANGING = 0.05
_NEARLY_SAME = 0.98
_WEIGHT_NAME = re.compile(r"weight|wgt|(^|[^a-z])wt([^a-z]|$)|sampl|expansion|(^|[_-])w$", re.IGNORECASE)
_BODY_WEIGHT = re.compile(r"body|birth|kg|lb|vehicle|gross|net", re.IGNORECASE)


def all_findings(view: View) -> list[Finding]:
    """Every rule over one table, most serious first."""
    found = [finding for rule in _RULES for finding in rule(view)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _one(rule: str, severity: Severity, columns: tuple[str, ...], evidence: str, advice: str) -> Finding:
    return Finding(rule=rule, severity=severity, columns=columns, evidence=evidence, advice=advice)


def _numbering(view: View) -> list[Finding]:
    found: list[Finding] = []
    for column in view.others:
        if column.kind != "id":
            continue
        if view.scan.columns[column.name].counting and column.type == "int" and view.rows > 2:
            found.append(
                _one(
                    "row_number",
                    "serious",
                    (column.name,),
                    "each row has the number of the row before plus one",
                    "it orders the file and will leave the range it was trained on: leave it out",
                )
            )
            continue
        share = column.distinct / max(1, view.rows - column.missing)
        found.append(
            _one(
                "id",
                "check",
                (column.name,),
                f"{percent(min(1.0, share))} of its values are different",
                "an id tells rows apart and teaches nothing; leave it out, or use it as a group (data.group)",
            )
        )
    return found


def _copies(view: View) -> list[Finding]:
    """Columns that are equal in every row."""
    same: dict[tuple[str, int], list[str]] = defaultdict(list)
    for column in view.columns.values():
        if column.kind not in ("empty", "constant"):
            same[(column.type, view.scan.columns[column.name].digest)].append(column.name)
    return [
        _one(
            "copy",
            "serious" if view.target in names else "check",
            tuple(names),
            f"equal in every row ({view.rows:,})",
            "a second copy of the target: exclude it"
            if view.target in names
            else "keep one of them; two equal columns split their importance between them",
        )
        for names in same.values()
        if len(names) > 1
    ]


def _relabelled(view: View) -> list[Finding]:
    """Pairs of columns with few values where each value of one goes with one value of the other."""
    few = [
        column
        for column in view.others
        if column.kind not in ("empty", "constant", "id", "text") and 3 <= column.distinct <= 200
    ]
    seen = {frozenset(pair) for finding in _copies(view) for pair in combinations(finding.columns, 2)}
    found: list[Finding] = []
    for one, other in combinations(few, 2):
        pair = frozenset((one.name, other.name))
        if one.distinct != other.distinct or one.missing != other.missing or pair in seen:
            continue
        if view.sample.select(pl.struct(one.name, other.name).n_unique()).item() <= one.distinct + (
            one.missing > 0
        ):
            found.append(
                _one(
                    "same_levels",
                    "check",
                    (one.name, other.name),
                    f"each of the {one.distinct} values of one goes with one value of the other",
                    "the same fact in two spellings: keep the one that reads better",
                )
            )
    return found


def _nearly_same(view: View) -> list[Finding]:
    """Number columns that move together almost exactly."""
    matrix, names = view.scan.moments.correlations(), view.scan.numeric
    digests = {name: view.scan.columns[name].digest for name in names}
    found: list[Finding] = []
    for i, j in combinations(range(len(names)), 2):
        value = float(matrix[i, j])
        pair = (names[i], names[j])
        unlike = digests[pair[0]] != digests[pair[1]] and view.target not in pair
        ids = any(view.columns[name].kind == "id" for name in pair)
        if unlike and not ids and abs(value) >= _NEARLY_SAME:
            found.append(
                _one(
                    "moves_together",
                    "note",
                    pair,
                    f"correlation {value:+.4f}",
                    "nearly the same fact twice; coefficients and importances of the two cannot "
                    "be told apart",
                )
            )
    return found


def _constants(view: View) -> list[Finding]:
    found: list[Finding] = []
    for column in view.others:
        if column.kind == "empty":
            found.append(_one("empty", "check", (column.name,), "no value in any row", "leave it out"))
        elif column.kind == "constant":
            where = "" if not column.missing else ", or none"
            found.append(
                _one(
                    "constant",
                    "check",
                    (column.name,),
                    f"the same value{where} in every row",
                    "it teaches nothing today, and nothing is known of other values: leave it out",
                )
            )
        elif (top := _top(view, column)) >= _NEAR_CONSTANT:
            found.append(
                _one(
                    "near_constant",
                    "note",
                    (column.name,),
                    f"one value in {percent(top)} of the rows",
                    "what the rest teaches rests on few rows; watch it after deployment",
                )
            )
    return found


def _top(view: View, column: ColumnProfile) -> float:
    """Share of the most frequent value among all rows."""
    counts = view.scan.columns[column.name].counts
    if counts:
        return max(counts.values()) / view.rows
    return 0.0


def _still(view: View) -> list[Finding]:
    """Columns constant over a first part of the table and moving later."""
    found: list[Finding] = []
    for column in view.columns.values():
        kept = view.scan.columns[column.name]
        if not kept.moved or kept.still < max(LONG_STILL, _STILL_SHARE * view.rows):
            continue
        if kept.changes < _CHANGING * kept.watched:
            continue
        what = "missing" if kept.first is None else "the same value"
        found.append(
            _one(
                "still_then_moves",
                "serious",
                (column.name,),
                f"{what} in the first {kept.still:,} rows ({percent(kept.still / view.rows)}), "
                f"changing from row {kept.still:,} on (counted from 0)",
                "something was switched on there: train on the rows after it, or leave the column "
                "out; a contract "
                "learned on the first part alone would call it constant",
            )
        )
    return found


def _missing(view: View) -> list[Finding]:
    found: list[Finding] = []
    for name, cells in view.markers.items():
        total = sum(cells.values())
        texts = ", ".join(f"{marker!r} {n:,} times" for marker, n in sorted(cells.items()))
        found.append(
            _one(
                "missing_marker",
                "note",
                (name,),
                f"read as missing: {texts} ({percent(total / max(1, view.rows))} of the rows)",
                "right when the text means that nothing is known; otherwise change data.missing",
            )
        )
    for column in view.others:
        share = column.missing / max(1, view.rows)
        if _MOSTLY_MISSING <= share < 1:
            found.append(
                _one(
                    "mostly_missing",
                    "check",
                    (column.name,),
                    f"no value in {view.share(column.missing)}",
                    "ask why: a value that appears only for some rows may tell how their story ended",
                )
            )
    for column in view.columns.values():
        infinite = view.scan.columns[column.name].infinite
        if infinite:
            found.append(
                _one(
                    "infinite",
                    "serious",
                    (column.name,),
                    f"infinite in {view.share(infinite)}",
                    "a division by zero upstream, most likely: mend it there; the check refuses such a table",
                )
            )
    return found


def _codes(view: View) -> list[Finding]:
    found: list[Finding] = []
    for column in view.others:
        evidence = code_evidence(view.scan.columns[column.name], view.rows)
        if evidence and column.kind == "code":
            found.append(
                _one(
                    "codes",
                    "check",
                    (column.name,),
                    evidence,
                    'codes have no order: set type = "category" in contract.toml when they count nothing',
                )
            )
    return found


def _weights(view: View) -> list[Finding]:
    found: list[Finding] = []
    for column in view.others:
        numbers = column.numbers
        if numbers is None or column.kind != "number" or numbers.min < 0 or column.distinct < 20:
            continue
        if not _WEIGHT_NAME.search(column.name) or _BODY_WEIGHT.search(column.name):
            continue
        weak = column.relation is None or column.relation.explained < 0.02
        told = "; it tells next to nothing of the target" if weak and column.relation is not None else ""
        found.append(
            _one(
                "weight",
                "check",
                (column.name,),
                f"positive numbers under a name that speaks of weights{told}",
                "a sampling weight says for how many others a row stands; it is no trait of the "
                "row: exclude it "
                "from the features",
            )
        )
    return found


def _duplicates(view: View) -> list[Finding]:
    repeats = view.scan.repeats
    n = repeats.estimate
    if n == 0:
        return _design(view)
    about = "" if repeats.exact else "about "
    return [
        _one(
            "duplicates",
            "check",
            (),
            f"{about}{view.share(n)} repeat an earlier row",
            "where a row is one case, drop the repeats before splitting; otherwise the same row "
            "may sit in training "
            "and in the test",
        )
    ]


def _design(view: View) -> list[Finding]:
    """A table that holds every combination of its values once."""
    others = view.others
    product = np.prod([float(column.distinct) for column in others]) if others else 0.0
    if len(others) < 3 or product != view.rows or any(column.missing for column in others):
        return []
    return [
        _one(
            "full_design",
            "note",
            tuple(column.name for column in others),
            f"all {view.rows:,} combinations of their values, once each",
            "a made table, not a sample: intervals for sampling error mean nothing here",
        )
    ]


def _headers(view: View) -> list[Finding]:
    texts = [view.scan.columns[column.name] for column in view.columns.values() if column.type == "text"]
    rows = min((column.headers for column in texts), default=0)
    if len(texts) < 2 or rows == 0:
        return []
    return [
        _one(
            "repeated_header",
            "serious",
            tuple(column.name for column in texts),
            f"{rows:,} rows hold the names of the columns",
            "several files were put together with their headers: remove those lines; they also "
            "turn numbers to text",
        )
    ]


def _set_aside(view: View) -> list[Finding]:
    if view.set_aside == 0:
        return []
    return [
        _one(
            "set_aside",
            "check",
            (),
            f"{view.set_aside:,} rows of the source could not be read and are not in these figures",
            "`slipway check` writes them to .slipway/quarantine with line and reason: mend the export",
        )
    ]


def _gaps(view: View) -> list[Finding]:
    """Days (or times) that have fewer rows than nearly all others."""
    found: list[Finding] = []
    for column in view.columns.values():
        counts = view.scan.columns[column.name].counts
        if column.kind != "time" or not counts or len(counts) < 20:
            continue
        rows = np.array(list(counts.values()))
        usual = int(np.bincount(rows).argmax())
        short = int((rows < usual).sum())
        if usual > 1 and short and float((rows == usual).mean()) >= 0.8:
            found.append(
                _one(
                    "time_gaps",
                    "note",
                    (column.name,),
                    f"{short:,} of {len(counts):,} times have fewer than the usual {usual} rows; "
                    f"{int((usual - rows[rows < usual]).sum()):,} rows are absent",
                    "lags taken by counting rows shift there; join on the time instead",
                )
            )
    return found


_RULES: tuple[Callable[[View], list[Finding]], ...] = (
    target_findings,
    leakage_findings,
    _numbering,
    _copies,
    _relabelled,
    _still,
    _headers,
    _set_aside,
    _duplicates,
    _constants,
    _missing,
    _codes,
    _weights,
    format_findings,
    _nearly_same,
    _gaps,
)

"""The target: balance, what it means for the metrics, and whether it stays the same along the table."""

from __future__ import annotations

import math

import numpy as np

from slipway.data.profile_facts import Finding, Level, TargetProfile
from slipway.data.profile_relation import Labels
from slipway.data.profile_sketches import Floats
from slipway.data.profile_view import View, percent

STRETCHES = 20
#: Share of the rows that a usual split holds out.
_HELD_OUT = 0.25
#: A class with fewer rows can neither be learned nor judged.
_TINY = 10
_RARE_SHARE = 0.2
_FEW = 200


def describe_target(view: View) -> TargetProfile | None:
    """Facts of the target; None without one or without labels."""
    if view.labels is None or view.target is None or view.task is None or view.labels.rows.size == 0:
        return None
    column = view.scan.columns[view.target]
    labelled = view.rows - column.missing
    stretches, followed = _stretches(view, view.labels)
    if view.task == "regression":
        baseline, meaning = _quantity(view.labels.values[:, 0])
        return TargetProfile(
            name=view.target,
            task=view.task,
            labelled=labelled,
            baseline=baseline,
            meaning=meaning,
            stretches=stretches,
        )
    classes = _classes(view, labelled)
    baseline, meaning = _balance(classes, labelled)
    return TargetProfile(
        name=view.target,
        task=view.task,
        labelled=labelled,
        classes=classes,
        baseline=baseline,
        meaning=meaning,
        stretches=stretches,
        followed=followed,
        repeats=column.repeats / max(1, labelled - 1),
    )


def _classes(view: View, labelled: int) -> tuple[Level, ...]:
    counts = view.scan.columns[view.target or ""].counts
    if counts is None:
        assert view.labels is not None
        shares = view.labels.values.mean(axis=0)
        return tuple(
            Level(name, round(float(share) * labelled))
            for name, share in zip(view.labels.classes, shares, strict=True)
        )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return tuple(Level(_label(value), rows) for value, rows in ordered)


def _label(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _balance(classes: tuple[Level, ...], labelled: int) -> tuple[dict[str, float], tuple[str, ...]]:
    shares = np.array([level.rows for level in classes], dtype=np.float64) / labelled
    entropy = -float((shares * np.log(shares)).sum())
    most, least = classes[0], classes[-1]
    binary = len(classes) == 2
    brier = float(1.0 - (shares**2).sum()) / (2.0 if binary else 1.0)
    baseline = {"accuracy": float(shares[0]), "brier": brier, "log_loss": entropy}
    held = least.rows * _HELD_OUT
    half = 0.98 / math.sqrt(max(1.0, held))
    meaning = [
        f"Always answering {most.value!r} is right in {percent(float(shares[0]))} of the rows, "
        "so an accuracy says something only above that."
    ]
    if shares[-1] < _RARE_SHARE * 2 / len(classes):
        meaning.append(
            f"{least.value!r} has {percent(float(shares[-1]))} of the rows: judge by log loss, Brier score "
            "and precision at a chosen recall. AUC does not see how rare the class is, and accuracy hides it."
        )
    if held < _FEW:
        meaning.append(
            f"A hold-out of a quarter has about {held:.0f} rows of {least.value!r}: its recall is known "
            + (f"to about ± {100 * half:.0f} points at best." if held >= 5 else "to no useful precision.")
        )
    else:
        meaning.append(
            f"A hold-out of a quarter has about {held:,.0f} rows of the rarest class, which pins its recall "
            f"to about ± {100 * half:.1f} points."
        )
    return baseline, tuple(meaning)


def _quantity(values: Floats) -> tuple[dict[str, float], tuple[str, ...]]:
    median, mean = float(np.median(values)), float(values.mean())
    baseline = {
        "mae": float(np.abs(values - median).mean()),
        "rmse": float(np.sqrt(((values - mean) ** 2).mean())),
    }
    meaning = [
        f"Always answering the median is off by {baseline['mae']:.3g} on average (MAE); always answering the "
        f"mean has an RMSE of {baseline['rmse']:.3g}. A model must beat both."
    ]
    skew = float((((values - mean) / (values.std() or 1.0)) ** 3).mean())
    if abs(skew) > 1.0:
        meaning.append(
            f"The values are skewed ({skew:+.1f}): squared errors are ruled by few large rows; "
            "MAE, or a model of the logarithm, is steadier."
        )
    zeros = float((values == 0).mean())
    if zeros > 0.1:
        meaning.append(
            f"{percent(zeros)} of the values are zero: perhaps two questions, whether and how much."
        )
    return baseline, tuple(meaning)


def _followed(target: Labels) -> tuple[Floats, str]:
    """The number that is followed along the table: the quantity, or one class."""
    if target.task == "regression":
        return target.values[:, 0], ""
    # of two classes the rarer one is usually the one that people speak of
    place = 1 if len(target.classes) == 2 else 0
    return target.values[:, place], target.classes[place]


def _ordered(view: View, target: Labels) -> tuple[Floats, str]:
    followed, name = _followed(target)
    if view.time is not None and view.time in view.sample.columns:
        times = view.times.get(view.time, view.sample[view.time]).gather(target.rows)
        return followed[times.arg_sort().to_numpy()], name
    return followed, name


def _stretches(view: View, target: Labels) -> tuple[tuple[float, ...], str]:
    followed, name = _ordered(view, target)
    if followed.size < 10 * STRETCHES:
        return (), name
    return tuple(float(part.mean()) for part in np.array_split(followed, STRETCHES)), name


def target_findings(view: View) -> list[Finding]:
    """Imbalance, classes without rows to speak of, labels that move or repeat, and missing labels."""
    profile = describe_target(view)
    if profile is None or view.labels is None:
        return []
    return [*_class_findings(profile), *_order_findings(view, profile), *_unlabelled(view, profile)]


def _class_findings(profile: TargetProfile) -> list[Finding]:
    if not profile.classes:
        return []
    found: list[Finding] = []
    for level in profile.classes:
        if level.rows < _TINY:
            found.append(
                Finding(
                    rule="tiny_class",
                    severity="serious",
                    columns=(profile.name,),
                    evidence=f"class {level.value!r} has {level.rows} rows",
                    advice="too few to learn it or to judge it: merge it into another class, leave it out, "
                    "or collect more; figures for it are chance",
                )
            )
    usable = [level for level in profile.classes if level.rows >= _TINY] or list(profile.classes)
    rarest = usable[-1]
    share = rarest.rows / profile.labelled
    if share < _RARE_SHARE * 2 / len(usable):
        found.append(
            Finding(
                rule="imbalance",
                severity="serious" if share < 0.01 else "check",
                columns=(profile.name,),
                evidence=f"class {rarest.value!r} has {percent(share)} of the rows; always answering "
                f"{profile.classes[0].value!r} reaches an accuracy of "
                f"{percent(profile.baseline['accuracy'])}",
                advice="judge by log loss, Brier score and precision at a chosen recall, not by accuracy; "
                "choose the threshold by the cost of each mistake instead of resampling",
            )
        )
    return found


def _order_findings(view: View, profile: TargetProfile) -> list[Finding]:
    assert view.labels is not None
    found: list[Finding] = []
    followed, name = _ordered(view, view.labels)
    half = followed.size // 2
    if half >= 100:
        early, late = followed[:half], followed[half:]
        gap = float(late.mean() - early.mean())
        error = math.sqrt(float(early.var() + late.var()) / half) or 1.0
        scale = abs(float(followed.mean())) or 1.0
        if abs(gap) > 6.0 * error and abs(gap) > 0.1 * scale:
            what = f"the share of {name!r}" if name else "the mean"
            found.append(
                Finding(
                    rule="target_moves",
                    severity="check",
                    columns=(profile.name,),
                    evidence=f"{what} is {early.mean():.3g} in the first half of the table and "
                    f"{late.mean():.3g} "
                    "in the second",
                    advice="split by time, expect the live rate to move on, and compare models on "
                    "the newest rows",
                )
            )
    expected = sum((level.rows / profile.labelled) ** 2 for level in profile.classes)
    if profile.repeats is not None and profile.labelled > 500:
        spread = math.sqrt(expected * (1.0 - expected) / profile.labelled) or 1.0
        if profile.repeats > expected + max(0.1, 8.0 * spread):
            found.append(
                Finding(
                    rule="labels_repeat",
                    severity="check",
                    columns=(profile.name,),
                    evidence=f"{percent(profile.repeats)} of the labels equal the one of the row "
                    "before; chance "
                    f"would give {percent(expected)}",
                    advice="neighbouring rows are not independent: split by time, not at random, and compare "
                    "with the rule that repeats the last known label",
                )
            )
    return found


def _unlabelled(view: View, profile: TargetProfile) -> list[Finding]:
    missing = view.rows - profile.labelled
    if not missing:
        return []
    return [
        Finding(
            rule="unlabelled",
            severity="check",
            columns=(profile.name,),
            evidence=f"no label in {view.share(missing)}",
            advice="they cannot train or test; ask why they have none, because the rest may not be typical",
        )
    ]

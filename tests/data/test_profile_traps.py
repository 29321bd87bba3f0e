"""The traps that the README of each shared data set names are found and shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from slipway.base.config import Data
from slipway.data.profile import ProfileOptions, profile_table
from slipway.data.profile_facts import Profile
from slipway.data.profile_source import stream_table


def profiled(path: Path, target: str, *, time: str | None = None, columns: Sequence[str] = ()) -> Profile:
    streamed = stream_table(path, Data(source=str(path), columns=tuple(columns)))
    options = ProfileOptions(target=target, time=time, markers=streamed.markers)
    return profile_table(streamed.frame, path.name, options)


def columns_of(profile: Profile, *rules: str) -> set[str]:
    return {name for one in profile.findings if one.rule in rules for name in one.columns}


def evidence(profile: Profile, rule: str) -> list[str]:
    return [one.evidence for one in profile.findings if one.rule == rule]


def test_adult_has_repeated_rows_question_marks_and_a_weight(
    shared: Path, adult_columns: tuple[str, ...]
) -> None:
    made = profiled(shared / "adult" / "adult.data", "label", columns=adult_columns)
    assert (made.rows, made.duplicates, made.duplicates_exact) == (32_561, 24, True)
    assert columns_of(made, "missing_marker") == {"workclass", "occupation", "native-country"}
    assert "'?' 1,836 times" in evidence(made, "missing_marker")[0]
    assert columns_of(made, "weight") == {"fnlwgt"}
    assert columns_of(made, "same_levels") == {"education", "education-num"}
    assert made.target is not None
    assert [(level.value, level.rows) for level in made.target.classes] == [
        ("<=50K", 24_720),
        (">50K", 7_841),
    ]
    assert not columns_of(made, "predicts_alone", "filled_tells", "after_event")


def test_bike_sharing_leaks_counts_rows_and_grows(shared: Path) -> None:
    made = profiled(shared / "bike_sharing" / "hour.csv", "cnt")
    assert columns_of(made, "adds_up_to_target") == {"casual", "registered"}
    assert columns_of(made, "row_number") == {"instant"}
    assert "165 rows are absent" in evidence(made, "time_gaps")[0]
    assert "144 in the first half" in evidence(made, "target_moves")[0]
    assert columns_of(made, "still_then_moves") == set()
    assert columns_of(made, "codes") == {"season", "weathersit"}


def test_car_loan_holds_the_output_of_a_model_and_a_range_without_width(shared: Path) -> None:
    name = "reference_synthetic_car_loan.parquet"
    made = profiled(shared / "car_loan" / name, "repaid")
    assert columns_of(made, "model_output") == {"y_pred_proba", "y_pred"}
    assert columns_of(made, "predicts_alone") == {"y_pred_proba"}
    assert columns_of(made, "odd_range") == {"salary_range"}
    assert (made.column("timestamp").kind, made.column("timestamp").type) == ("time", "text")
    assert made.duplicates == 0


def compas_columns(path: Path) -> list[str]:
    """The header with a mark on the second of each repeated name, as a person would give it."""
    with path.open(encoding="utf-8") as file:
        names = file.readline().strip().split(",")
    return [name + "_again" * (name in names[:at]) for at, name in enumerate(names)]


def test_compas_tells_the_answer_in_what_was_written_later(shared: Path) -> None:
    path = shared / "compas" / "compas-scores-two-years.csv"
    made = profiled(path, "two_year_recid", time="compas_screening_date", columns=compas_columns(path))
    suspects = columns_of(
        made, "predicts_alone", "filled_tells", "after_event", "settles_label", "stands_out", "empty"
    )
    told = {name for name in compas_columns(path) if name.startswith(("r_", "vr_"))}
    # `start` tells next to nothing of the label by itself (AUC below 0.6)
    told |= {"is_recid", "is_violent_recid", "violent_recid", "event", "end"}
    assert told <= suspects
    copies = [set(one.columns) for one in made.findings if one.rule == "copy"]
    assert {"decile_score", "decile_score_again"} in copies
    assert columns_of(made, "one_sided_period") == {"compas_screening_date"}


def test_elec2_has_columns_still_until_row_17424_and_labels_that_repeat(shared: Path) -> None:
    names = ["date", "day", "period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    folder = shared / "elec2"
    rows = pl.read_csv(folder / "elec2_data.dat", has_header=False, separator=" ", new_columns=names)
    label = pl.read_csv(folder / "elec2_label.dat", has_header=False, new_columns=["label"])
    made = profile_table(
        pl.concat([rows, label], how="horizontal"), "elec2", ProfileOptions(target="label", batch=5_000)
    )
    assert columns_of(made, "still_then_moves") == {"vicprice", "vicdemand", "transfer"}
    assert all("row 17,424 on" in told for told in evidence(made, "still_then_moves"))
    assert made.target is not None
    assert made.target.repeats is not None
    assert round(made.target.repeats, 4) == 0.8533
    assert columns_of(made, "labels_repeat") == {"label"}


def test_nursery_has_a_class_of_two_rows_and_is_a_made_table(shared: Path) -> None:
    made = profiled(shared / "nursery" / "nursery.data", "assessment")
    assert evidence(made, "tiny_class") == ["class 'recommend' has 2 rows"]
    assert len(columns_of(made, "full_design")) == 8
    assert columns_of(made, "settles_label") == {"health"}
    assert columns_of(made, "still_then_moves") == set()
    assert made.duplicates == 0


def test_sms_has_repeated_rows_and_quotes_in_its_texts(shared: Path) -> None:
    made = profiled(shared / "sms_spam" / "SMSSpamCollection", "Label")
    # 403 are equal to the byte, 11 more but for blanks at their ends, which reading strips
    assert (made.rows, made.duplicates) == (5_574, 414)
    assert columns_of(made, "quotes_in_text") == {"SMS"}
    assert made.column("SMS").kind == "text"
    assert made.column("SMS").levels == ()
    assert made.column("SMS").texts is not None
    assert columns_of(made, "imbalance") == {"Label"}


def test_student_has_codes_for_categories_and_late_columns_that_stand_out(shared: Path) -> None:
    made = profiled(shared / "student_dropout" / "students_dropout_academic_success.csv", "target")
    assert columns_of(made, "codes") == {
        "Marital Status",
        "Application mode",
        "Course",
        "Previous qualification",
        "Nacionality",
        "Mother's qualification",
        "Father's qualification",
        "Mother's occupation",
        "Father's occupation",
    }
    assert {"Curricular units 2nd sem (approved)", "Curricular units 2nd sem (grade)"} <= columns_of(
        made, "stands_out"
    )

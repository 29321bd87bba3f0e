"""Accepted cleaning steps: the same in training, in the gates and in the bundle that serves."""

import numpy as np
import polars as pl
import pytest

from slipway.base.errors import ConfigError, IntegrityError
from slipway.data.snapshot import load_snapshot
from slipway.data.steps import Blank, Replace, Rescale, Swap, save_steps, steps_digest
from slipway.learn.training import train
from slipway.models.bundle import load_bundle
from slipway.models.signing import signing_key

STEPS = (
    Replace(column="job", values={"nurze": "nurse", "Clerk ": "clerk"}),
    Rescale(column="age", above=1000.0, factor=0.01, whole=True),
    Blank(column="income", min=-100.0, max=100.0),
)


@pytest.fixture
def dirty(make_table):
    """The table with a few cells gone wrong, among the newest rows too."""
    return make_table(400).with_columns(
        pl.when(pl.int_range(pl.len()) % 40 == 7).then(pl.lit("nurze")).otherwise(pl.col("job")).alias("job"),
        pl.when(pl.int_range(pl.len()) % 40 == 9)
        .then(pl.col("age") * 100)
        .otherwise(pl.col("age"))
        .alias("age"),
    )


def loaded(layout, result):
    return load_bundle(layout.bundles / result.digest, result.digest, [signing_key(layout).public])


def test_the_bundle_serves_with_the_steps_it_was_trained_with(layout, dirty, make_config, make_contract):
    save_steps(layout.root, STEPS)
    contract = make_contract(time=True)
    result = train(layout, make_config(budget="4s", candidates=("linear",)), contract, dirty)
    assert {gate.name: gate.passed for gate in result.gates}["parity"]
    bundle = loaded(layout, result)
    assert bundle.meta.format == 2
    assert bundle.encoder.steps == STEPS
    assert bundle.meta.lineage["cleaning"] == steps_digest(STEPS)
    assert "nurze" not in bundle.encoder.specs[3].levels
    # the snapshot and the references of the monitors keep what came
    assert load_snapshot(layout, result_snapshot(bundle)).equals(dirty)
    (job,) = [feature for feature in bundle.reference.features if feature.name == "job"]
    assert "nurze" in job.levels

    columns = ("income", "age", "member", "job", "joined")
    wrong = [[1.0, 4000, True, "nurze", None], [1e9, 30, False, "Clerk ", "2001-01-15T08:30:00"]]
    right = [[1.0, 40, True, "nurse", None], [None, 30, False, "clerk", "2001-01-15T08:30:00"]]
    assert bundle.predict_rows(wrong, columns) == bundle.predict_rows(right, columns)
    many = bundle.predict_rows(wrong * 20, columns)
    assert np.array(many).tobytes() == np.array(bundle.predict_rows(wrong, columns) * 20).tobytes()
    frame = {name: [row[at] for row in wrong] for at, name in enumerate(columns)}
    assert bundle.predict(frame, 2).tolist() == bundle.predict_rows(wrong, columns)


def result_snapshot(bundle):
    return str(bundle.meta.lineage["snapshot"])


def test_a_bundle_without_its_steps_or_with_strange_ones_is_refused(
    layout, dirty, make_config, make_contract
):
    config = make_config(budget="3s", candidates=("linear",))
    plain = train(layout, config, make_contract(), dirty)
    assert loaded(layout, plain).meta.format == 1
    assert not (layout.bundles / plain.digest / "cleaning.json").exists()
    save_steps(layout.root, STEPS)
    made = train(layout, config, make_contract(), dirty)
    assert made.digest != plain.digest
    path = layout.bundles / made.digest / "cleaning.json"
    assert '"nurze"' in path.read_text()
    path.chmod(0o644)
    path.unlink()
    with pytest.raises(IntegrityError):
        loaded(layout, made)


def test_steps_that_do_not_fit_are_refused_before_anything_is_written(
    layout, dirty, make_config, make_contract
):
    for step in (Blank(column="target", max=1.0), Swap(columns=("age", "job"), ranges=((0, 1), (2, 3)))):
        save_steps(layout.root, (step,))
        with pytest.raises(ConfigError, match=r"cleaning\.toml, step 1"):
            train(layout, make_config(), make_contract(), dirty)
    assert not layout.state.exists()

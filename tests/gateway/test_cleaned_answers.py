"""A version with cleaning steps over real HTTP: mended like its training table, logged as it was sent."""

from __future__ import annotations

import lightgbm
import numpy as np
from served import CONTRACT, ENCODER, Project, make_rows, serve

from slipway.data.steps import Blank, BlankTimes, Replace, Rescale
from slipway.models.bundle import BundleMeta, write_bundle
from slipway.models.encoder import Encoder
from slipway.models.signing import signing_key
from slipway.store.frames import Prediction

STEPS = (
    Blank(column="age", max=150.0),
    Rescale(column="visits", above=5.0, factor=0.5, whole=True),
    Replace(column="job", values={"astronaut": "pilot", "": "clerk"}),
    BlankTimes(column="since", earliest="2000-01-01"),
)


def test_answers_are_those_of_the_mended_columns_bit_for_bit(project: Project):
    encoder = Encoder(ENCODER.specs, STEPS)
    rows = make_rows(1500, 3)
    columns = {name: [row.get(name) for row in rows] for name in encoder.columns}
    matrix = encoder.encode(columns, len(rows))
    assert not np.array_equal(matrix, ENCODER.encode(columns, len(rows)), equal_nan=True)
    labels = np.random.default_rng(0).uniform(size=len(rows)) > 0.5
    booster = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 1},
        lightgbm.Dataset(matrix, labels, categorical_feature=[3]),
        num_boost_round=10,
    )
    expected = np.asarray(booster.predict(matrix)).tolist()
    meta = BundleMeta(name="loan", task="binary", target="repaid", classes=(0, 1), flavour="lightgbm")
    project.digests["loan@4"] = write_bundle(
        project.layout.bundles,
        meta=meta,
        contract=CONTRACT,
        encoder=encoder,
        model=booster.model_to_string().encode(),
        evidence={},
        key=signing_key(project.layout),
    )
    project.publish("loan@4")
    with serve(project, 1) as served:
        client = served.client()
        many = client.predict(*rows[:400]).json["predictions"]
        alone = [client.predict(row).json["predictions"][0] for row in rows[400:500]]
        client.close()
    assert [one["probability"] for one in many + alone] == expected[:500]
    sent = [
        dict(zip(frame.columns, values, strict=True))
        for frame in project.frames()
        if isinstance(frame, Prediction)
        for values in frame.rows
    ]
    assert [row["job"] for row in sent] == [row.get("job") for row in rows[:500]]

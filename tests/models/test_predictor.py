"""Each flavour gives the same bits for one row, many rows, and the library that fitted it."""

import math
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_zoo import ENCODER, booster_outputs, extreme_columns, fit_booster, make_columns

from slipway.base.errors import FaultError, IntegrityError, NotFoundError
from slipway.models.linear import CategoryTerm, LinearModel, NumberTerm, design
from slipway.models.predictor import FLAVOURS, ConstantModel, load_predictor

WIDTH = len(ENCODER.names)


@pytest.fixture(scope="module", params=[0, 2, 3], ids=["regression", "binary", "multiclass"])
def boosted(request):
    booster = fit_booster(request.param)
    predictor = load_predictor(
        "lightgbm", booster.model_to_string().encode(), WIDTH, 3 if request.param == 3 else 1
    )
    return booster, predictor


def linear_model(link="logistic", scores=1, seed=0):
    rng = np.random.default_rng(seed)
    terms = tuple(
        CategoryTerm(column=at, levels=4)
        if at in ENCODER.categorical
        else NumberTerm(
            column=at, impute=rng.normal(), center=rng.normal(), scale=float(10 ** rng.uniform(-3, 3))
        )
        for at in range(WIDTH)
    )
    width = sum(term.width for term in terms)
    return LinearModel(
        link=link,
        terms=terms,
        intercept=tuple(rng.normal(size=scores).tolist()),
        weights=tuple(map(tuple, rng.normal(size=(scores, width)).tolist())),
    )


LINEAR = [("identity", 1), ("logistic", 1), ("softmax", 4)]


def edge_matrix(seed):
    """Random rows, the extremes, and rows of nothing but NaN, infinity or zero."""
    columns = make_columns(300, seed)
    rows = [ENCODER.encode(columns, 300), ENCODER.encode(extreme_columns(), 10)]
    rows += [
        np.full((1, WIDTH), value) for value in (math.nan, math.inf, -math.inf, 0.0, 1e308, -5e-324, 99.0)
    ]
    return np.concatenate(rows)


def test_lightgbm_equals_the_booster_in_process_bit_for_bit(boosted):
    booster, predictor = boosted
    matrix = edge_matrix(1)
    expected = booster_outputs(booster, matrix)
    assert predictor.predict(matrix).tobytes() == expected.tobytes()
    for row, output in zip(matrix, expected, strict=True):
        assert predictor.predict(row[None]).tobytes() == output.tobytes()
        assert np.array(predictor.predict_row(row.tolist())).tobytes() == output.tobytes()
        assert booster_outputs(booster, row[None]).tobytes() == output.tobytes()


def test_lightgbm_is_exact_next_to_its_own_thresholds(boosted):
    booster, predictor = boosted
    thresholds = []
    for tree in booster.dump_model()["tree_info"]:
        pending = [tree["tree_structure"]]
        while pending:
            node = pending.pop()
            if "split_feature" in node:
                if node["decision_type"] == "<=":
                    thresholds.append((node["split_feature"], node["threshold"]))
                pending += [node["left_child"], node["right_child"]]
    assert len(thresholds) > 50
    base = ENCODER.encode(make_columns(1, 5), 1)
    matrix = np.repeat(base, 3 * len(thresholds), axis=0)
    for at, (feature, threshold) in enumerate(thresholds):
        neighbours = (math.nextafter(threshold, -math.inf), threshold, math.nextafter(threshold, math.inf))
        matrix[3 * at : 3 * at + 3, feature] = neighbours
    expected = booster_outputs(booster, matrix)
    assert predictor.predict(matrix).tobytes() == expected.tobytes()
    rows = [predictor.predict_row(row) for row in matrix[:600].tolist()]
    assert np.array(rows).tobytes() == expected[:600].tobytes()


def test_lightgbm_takes_matrices_of_any_layout(boosted):
    _, predictor = boosted
    matrix = edge_matrix(2)
    expected = predictor.predict(matrix)
    assert predictor.predict(np.asfortranarray(matrix)).tobytes() == expected.tobytes()
    assert predictor.predict(np.repeat(matrix, 2, axis=0)[::2]).tobytes() == expected.tobytes()
    assert predictor.predict(matrix[:0]).shape == (0, predictor.outputs)


def test_lightgbm_refuses_rows_of_another_width(boosted):
    _, predictor = boosted
    with pytest.raises(FaultError, match=f"expected {WIDTH} columns, got 3"):
        predictor.predict_row([1.0, 2.0, 3.0])
    with pytest.raises(FaultError, match=f"expected {WIDTH} columns, got 2"):
        predictor.predict(np.zeros((4, 2)))


def test_threads_share_a_booster(boosted):
    _, predictor = boosted
    matrix = edge_matrix(3)
    expected = predictor.predict(matrix)
    rows = matrix.tolist()
    wrong = []

    def score(offset):
        for turn in range(300):
            at = (offset + turn) % len(rows)
            if np.array(predictor.predict_row(rows[at])).tobytes() != expected[at].tobytes():
                wrong.append(at)
            if turn % 50 == 0 and predictor.predict(matrix).tobytes() != expected.tobytes():
                wrong.append("matrix")

    threads = [threading.Thread(target=score, args=(offset,)) for offset in range(0, 200, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_boosters_come_and_go():
    content = fit_booster(2, rows=300, trees=3).model_to_string().encode()
    for _ in range(50):
        predictor = load_predictor("lightgbm", content, WIDTH, 1)
        assert len(predictor.predict_row([0.0] * WIDTH)) == 1


@pytest.mark.parametrize(("link", "scores"), LINEAR)
def test_linear_gives_a_row_the_bits_of_the_matrix(link, scores):
    model = linear_model(link, scores)
    predictor = load_predictor("linear", model.to_json(), WIDTH, scores)
    matrix = edge_matrix(4)
    together = predictor.predict(matrix)
    assert np.isfinite(together).all()
    for at, row in enumerate(matrix):
        assert np.array(predictor.predict_row(row.tolist())).tobytes() == together[at].tobytes()
        assert predictor.predict(row[None]).tobytes() == together[at].tobytes()
    assert predictor.predict(matrix[:0]).shape == (0, scores)


@pytest.mark.parametrize(("link", "scores"), LINEAR)
def test_linear_serves_what_a_fit_on_the_design_gives(link, scores):
    model = linear_model(link, scores)
    matrix = edge_matrix(5)
    table = design(model.terms, matrix)
    assert np.isfinite(table).all()
    raw = table @ np.array(model.weights).T + np.array(model.intercept)
    expected = {
        "identity": lambda z: z,
        "logistic": lambda z: 1 / (1 + np.exp(-z)),
        "softmax": lambda z: (
            np.exp(z - z.max(axis=1, keepdims=True))
            / np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
        ),
    }[link](raw)
    outputs = load_predictor("linear", model.to_json(), WIDTH, scores).predict(matrix)
    assert np.allclose(outputs, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(), min_size=2, max_size=2),
    st.floats(-1e300, 1e300),
    st.floats(1e-300, 1e300),
    st.sampled_from(LINEAR),
)
def test_linear_rows_and_matrices_agree_on_any_number(row, center, scale, form):
    link, scores = form
    terms = (NumberTerm(column=0, impute=0.5, center=center, scale=scale), CategoryTerm(column=1, levels=3))
    weights = np.random.default_rng(0).normal(size=(scores, 7))
    model = LinearModel(
        link=link, terms=terms, intercept=(-0.0,) * scores, weights=tuple(map(tuple, weights.tolist()))
    )
    predictor = load_predictor("linear", model.to_json(), 2, scores)
    outputs = predictor.predict(np.array([row, [0.0, 1.0], row]))
    assert np.isfinite(outputs).all()
    assert outputs[0].tobytes() == outputs[2].tobytes() == np.array(predictor.predict_row(row)).tobytes()


def test_linear_design_places_each_category():
    terms = (CategoryTerm(column=0, levels=2), NumberTerm(column=1, impute=1.0, center=1.0, scale=2.0))
    matrix = np.array([[0.0, 5.0], [1.0, -1e9], [2.0, 1e9], [math.nan, math.nan]])
    assert design(terms, matrix).tolist() == [
        [1, 0, 0, 0, 2, 0],
        [0, 1, 0, 0, -10, 0],
        [0, 0, 1, 0, 10, 0],
        [0, 0, 0, 1, 0, 1],
    ]


def test_constant_answers_the_same():
    predictor = load_predictor("constant", ConstantModel([0.2, 0.8]).to_json(), 3, 2)
    assert predictor.predict(np.full((2, 3), math.nan)).tolist() == [[0.2, 0.8]] * 2
    assert predictor.predict_row([1.0, 2.0, 3.0]) == [0.2, 0.8]
    predictor.predict_row([1.0])[0] = 5.0
    assert predictor.predict_row([1.0, 2.0, 3.0]) == [0.2, 0.8]


LOGISTIC = linear_model()
TEXT = fit_booster(2, rows=300, trees=3).model_to_string().encode()


@pytest.mark.parametrize(
    ("flavour", "content"),
    [
        ("constant", b""),
        ("constant", b'{"outputs": []}'),
        ("constant", b'{"outputs": [null]}'),
        ("constant", b'{"outputs": [0.5], "format": 2}'),
        ("constant", b'{"outputs": [0.5, 0.5]}'),
        ("linear", b"{}"),
        ("linear", b"\xff\xfe"),
        ("linear", LOGISTIC.to_json().replace(b'"logistic"', b'"cubic"')),
        ("linear", LOGISTIC.to_json().replace(b'"column":0,', b'"column":99,')),
        ("linear", LOGISTIC.to_json().replace(b'"intercept":[', b'"intercept":[0.5,')),
        ("linear", LOGISTIC.to_json().replace(b'"weights":[[', b'"weights":[[0.5,')),
        ("linear", linear_model("softmax", 3).to_json().replace(b'"softmax"', b'"logistic"')),
        ("linear", linear_model("softmax", 3).to_json()),
        ("lightgbm", b""),
        ("lightgbm", b"tree\nversion=v4\n"),
        ("lightgbm", TEXT[: len(TEXT) // 2]),
        ("lightgbm", TEXT.replace(b"version=v4", b"version=v4\0")),
        ("lightgbm", TEXT.replace(b"max_feature_idx=18", b"max_feature_idx=17")),
    ],
)
def test_a_broken_model_is_refused(flavour, content):
    with pytest.raises(IntegrityError):
        load_predictor(flavour, content, WIDTH, 1)


def test_an_unknown_flavour_is_refused():
    assert set(FLAVOURS) == {"constant", "linear", "lightgbm"}
    with pytest.raises(NotFoundError, match="constant, lightgbm, linear, got 'pickle'"):
        load_predictor("pickle", b"", 1, 1)


def test_serving_imports_neither_lightgbm_nor_what_it_pulls_in():
    program = f"""
import sys
from slipway.models.predictor import load_predictor
predictor = load_predictor("lightgbm", {TEXT!r}, {WIDTH}, 1)
print(predictor.predict_row([0.0] * {WIDTH})[0].hex())
heavy = {{"lightgbm", "sklearn", "scipy", "pandas", "polars", "sqlalchemy", "pyarrow"}}
print(sorted(heavy & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    value, heavy = found.stdout.split("\n")[:2]
    here = load_predictor("lightgbm", TEXT, WIDTH, 1).predict_row([0.0] * WIDTH)[0]
    assert (value, heavy) == (here.hex(), "[]")
    assert found.stderr == ""

"""A bundle loads from verified bytes only, and answers as the model did in training."""

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from model_zoo import ENCODER, booster_outputs, extreme_columns, fit_booster, make_columns

from slipway.base.errors import ContractError, IntegrityError, NotFoundError
from slipway.base.vocabulary import VersionName
from slipway.data.contract import Column, Contract
from slipway.models.bundle import MANIFEST, SIGNATURE, Bundle, BundleMeta, load_bundle, write_bundle
from slipway.models.encoder import BoolColumn, Encoder
from slipway.models.predictor import ConstantModel
from slipway.models.reference import Reference, RiskReference, fit_reference
from slipway.models.signing import SigningKey, sign_files
from slipway.models.tree import digests_of, read_manifest, read_tree, write_manifest

KEY = SigningKey.generate()
TYPES = {"n": "float", "c": "category", "b": "bool", "t": "datetime"}
CONTRACT = Contract(
    columns=(
        Column(name="when", type="datetime", role="time"),
        *(Column(name=name, type=TYPES[name[0]]) for name in ENCODER.columns),
        Column(name="y", type="int", role="target"),
    )
)
CLASSES = {"binary": ("no", "yes"), "multiclass": (0, 1, 2), "regression": ()}
OUTPUTS = {"binary": 1, "multiclass": 3, "regression": 1}


def write(folder, task="binary", model=None, **changes):
    """Write a bundle of the zoo's encoder; a constant model unless one is given."""
    meta = {
        "name": "loan",
        "task": task,
        "target": "y",
        "classes": CLASSES[task],
        "flavour": "constant" if model is None else "lightgbm",
        "loss_range": 2.0 if task == "regression" else 1.0,
        "lineage": {"snapshot": "ab" * 32, "seed": 7},
    }
    parts = {
        "contract": CONTRACT,
        "encoder": ENCODER,
        "evidence": {"metrics.json": b'{"brier": 0.1}'},
        "model": ConstantModel([0.25] * OUTPUTS[task]).to_json() if model is None else model,
        "key": KEY,
    }
    meta.update({name: value for name, value in changes.items() if name in meta})
    parts.update({name: value for name, value in changes.items() if name in parts})
    return write_bundle(folder, meta=BundleMeta(**meta), **parts)


def load(folder, name, trusted=(KEY.public,)):
    """Load the bundle of that digest."""
    return load_bundle(folder / name, name, trusted)


def load_any(folder, name):
    """Load whatever trusted bundle lies in that directory."""
    return load_bundle(folder / name, None, [KEY.public])


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def served(request, tmp_path_factory):
    """A booster in process and the bundle that serves it."""
    folder = tmp_path_factory.mktemp("bundles")
    booster = fit_booster({"binary": 2, "multiclass": 3, "regression": 0}[request.param])
    digest = write(folder, request.param, booster.model_to_string().encode())
    return booster, load(folder, digest)


def bits(outputs):
    return np.asarray(outputs, dtype=np.float64).tobytes()


def test_predictions_equal_the_booster_in_process_bit_for_bit(served):
    booster, bundle = served
    for columns, n in ((make_columns(200, 3), 200), (extreme_columns(), 10)):
        expected = booster_outputs(booster, ENCODER.encode(columns, n))
        assert bits(bundle.predict(columns, n)) == bits(expected)
        names = ("when", *ENCODER.columns)
        rows = [[None, *(columns[name][at] for name in ENCODER.columns)] for at in range(n)]
        assert bits(bundle.predict_rows(rows, names)) == bits(expected)
        for at, row in enumerate(rows):
            assert bits(bundle.predict_rows([row], names)) == bits(expected[at])
            assert bits(bundle.predict_rows([tuple(row[1:])], ENCODER.columns)) == bits(expected[at])


def test_null_absent_key_and_nan_answer_alike(served):
    booster, bundle = served
    full = make_columns(40, 4)
    for dropped in ENCODER.columns:
        columns = full | {dropped: [None] * 40}
        expected = booster_outputs(booster, ENCODER.encode(columns, 40))
        kept = tuple(name for name in ENCODER.columns if name != dropped)
        assert bits(bundle.predict({name: full[name] for name in kept}, 40)) == bits(expected)
        rows = [[full[name][at] for name in kept] for at in range(40)]
        assert bits(bundle.predict_rows(rows, kept)) == bits(expected)
        assert bits([bundle.predict_rows([row], kept)[0] for row in rows]) == bits(expected)
        if not dropped.startswith("t"):
            assert bits(bundle.predict(full | {dropped: [math.nan] * 40}, 40)) == bits(expected)


def test_every_batch_size_gives_the_same_rows(served):
    _, bundle = served
    columns = make_columns(20, 5)
    rows = [[columns[name][at] for name in ENCODER.columns] for at in range(20)]
    alone = [bundle.predict_rows([row], ENCODER.columns)[0] for row in rows]
    for size in range(21):
        assert bits(bundle.predict_rows(rows[:size], ENCODER.columns)) == bits(alone[:size])
    reordered = ENCODER.columns[::-1]
    assert bits(bundle.predict_rows([row[::-1] for row in rows], reordered)) == bits(alone)
    assert bits(bundle.predict_rows([row[::-1] for row in rows[:2]], reordered)) == bits(alone[:2])


def test_answers_name_the_class():
    def answer(task, output, **meta):
        files = {
            "bundle.json": msgspec.json.encode(
                BundleMeta(name="m", task=task, target="y", flavour="constant", **meta)
            ),
            "contract.toml": b'[columns.b]\ntype = "bool"\n[columns.y]\ntype = "int"\nrole = "target"\n',
            "encoder.json": Encoder([BoolColumn("b")]).to_json(),
            "model.json": ConstantModel(output).to_json(),
        }
        return Bundle(files, "").answer(output)

    assert answer("binary", [0.5], classes=("no", "yes")) == {"prediction": "yes", "probability": 0.5}
    assert answer("binary", [0.4999], classes=(False, True)) == {"prediction": False, "probability": 0.4999}
    assert answer("multiclass", [0.2, 0.4, 0.4], classes=(1, 2, "x")) == {
        "prediction": 2,
        "probabilities": {"1": 0.2, "2": 0.4, "x": 0.4},
    }
    assert answer("regression", [3.5]) == {"prediction": 3.5}


def test_a_loaded_bundle_knows_what_was_written(tmp_path):
    reference = fit_reference({"n0": [1.0, 2.0, None]}, {"n0": "number"}, 40.0)
    risk = RiskReference(n=10, mean=0.1, upper=0.3, alpha=0.025, loss_range=1.0)
    evidence = {"reference.json": reference.to_json(), "risk.json": risk.to_json(), "metrics.json": b"{}"}
    digest = write(tmp_path, evidence=evidence)
    bundle = load_bundle(tmp_path / digest, digest, [KEY.public], VersionName("loan", 7))
    assert (bundle.name, bundle.task, bundle.classes) == ("loan", "binary", ("no", "yes"))
    assert (bundle.digest, bundle.signer, str(bundle.version)) == (digest, KEY.public.fingerprint, "loan@7")
    assert (bundle.contract, bundle.encoder) == (CONTRACT, ENCODER)
    assert bundle.meta.lineage == {"snapshot": "ab" * 32, "seed": 7}
    assert bundle.evidence("metrics.json") == b"{}"
    assert bundle.evidence("card.md") is None
    assert isinstance(bundle.reference, Reference)
    assert (bundle.reference, bundle.risk) == (reference, risk)
    assert bundle.class_index("yes") == 1
    assert bundle.losses(bundle.predict({}, 2), ["yes", "no"]).tolist() == [0.5625, 0.0625]
    without = load(tmp_path, write(tmp_path, evidence={}))
    assert (without.reference, without.risk) == (None, None)


def test_regression_losses_use_the_declared_range(tmp_path):
    bundle = load(tmp_path, write(tmp_path, "regression"))
    assert bundle.losses(bundle.predict({}, 2), [1.25, 9]).tolist() == [0.5, 1.0]


def test_equal_content_is_one_directory_named_by_its_digest(tmp_path):
    digest = write(tmp_path)
    before = (tmp_path / digest / SIGNATURE).read_bytes()
    assert write(tmp_path) == digest
    assert (tmp_path / digest / SIGNATURE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [digest]
    assert hashlib.sha256((tmp_path / digest / MANIFEST).read_bytes()).hexdigest() == digest
    assert write(tmp_path, lineage={"seed": 8}) != digest
    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / digest, moved)
    assert load_bundle(moved, digest, [KEY.public]).digest == digest


def test_the_manifest_reads_with_the_usual_tool(tmp_path):
    folder = tmp_path / write(tmp_path)
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("no sha256sum on this machine")
    found = subprocess.run([tool, "-c", MANIFEST], cwd=folder, capture_output=True, text=True, check=True)
    assert found.stdout.count(": OK") == 5


def drop(name):
    return lambda folder: (folder / name).unlink()


def rewrite(name, content):
    def change(folder):
        (folder / name).unlink()
        (folder / name).write_bytes(content)

    return change


def link(name):
    def change(folder):
        outside = folder.parent / "outside"
        outside.write_bytes((folder / name).read_bytes())
        (folder / name).unlink()
        (folder / name).symlink_to(outside)

    return change


def link_folder(folder):
    (folder / "evidence").rename(folder.parent / "outside")
    (folder / "evidence").symlink_to(folder.parent / "outside")


def swap(folder):
    first, second = folder / "encoder.json", folder / "bundle.json"
    content = first.read_bytes()
    rewrite("encoder.json", second.read_bytes())(folder)
    rewrite("bundle.json", content)(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop("encoder.json"), r"missing: encoder\.json"),
        (drop("evidence/metrics.json"), r"missing: evidence/metrics\.json"),
        (drop(MANIFEST), "a file manifest.sha256, got none"),
        (drop(SIGNATURE), "a file model.sig, got none"),
        (rewrite("model.json", ConstantModel([0.9]).to_json()), r"changed: model\.json"),
        (rewrite(MANIFEST, b""), "the digest"),
        (rewrite(SIGNATURE, b"{}"), "model-signing bundle"),
        (swap, r"changed: bundle\.json, encoder\.json"),
        (lambda folder: (folder / "extra.py").write_text("1"), r"extra: extra\.py"),
        (lambda folder: (folder / "evidence" / "x.json").write_text("1"), r"extra: evidence/x\.json"),
        (lambda folder: (folder / ".git").mkdir(), "file names of letters"),
        (lambda folder: (folder / "a b").write_text("1"), "file names of letters"),
        (lambda folder: (folder / "é").write_text("1"), "file names of letters"),
        (lambda folder: os.mkfifo(folder / "pipe"), "a plain file"),
        (lambda folder: (folder / "a/b/c/d/e/f").mkdir(parents=True), "levels of folders"),
        (link("model.json"), "a plain file"),
        (link(SIGNATURE), "a plain file"),
        (link_folder, "a plain file"),
    ],
)
def test_a_changed_bundle_is_refused(tmp_path, change, words):
    digest = write(tmp_path)
    load(tmp_path, digest)
    change(tmp_path / digest)
    with pytest.raises(IntegrityError, match=words):
        load(tmp_path, digest)


def test_a_linked_or_absent_directory_is_refused(tmp_path):
    digest = write(tmp_path)
    (tmp_path / "alias").symlink_to(tmp_path / digest)
    (tmp_path / "file").write_text("x")
    for name in ("alias", "file"):
        with pytest.raises(IntegrityError, match="expected a directory"):
            load_bundle(tmp_path / name, digest, [KEY.public])
    with pytest.raises(NotFoundError, match="no such directory"):
        load_bundle(tmp_path / "absent", digest, [KEY.public])


def test_another_signed_bundle_in_its_place_is_refused(tmp_path):
    older, newer = write(tmp_path, lineage={"seed": 1}), write(tmp_path, lineage={"seed": 2})
    shutil.rmtree(tmp_path / newer)
    shutil.copytree(tmp_path / older, tmp_path / newer)
    with pytest.raises(IntegrityError, match=f"the digest {newer[:12]}.* got {older[:12]}"):
        load(tmp_path, newer)
    assert load_any(tmp_path, newer).digest == older


def test_an_unknown_signer_is_refused(tmp_path):
    digest = write(tmp_path)
    for trusted in ([], [SigningKey.generate().public]):
        with pytest.raises(IntegrityError, match="trusted keys"):
            load(tmp_path, digest, trusted=trusted)
    assert load(tmp_path, digest, trusted=[SigningKey.generate().public, KEY.public]).digest == digest


def reseal(folder, change):
    """Change a bundle's files, then write a manifest and a signature that agree with them."""
    files = {
        name: content for name, content in read_tree(folder).items() if name not in (MANIFEST, SIGNATURE)
    }
    change(files)
    files[MANIFEST] = files.pop("manifest", None) or write_manifest(digests_of(files))
    shutil.rmtree(folder)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / SIGNATURE).write_bytes(sign_files(digests_of(files), "x", KEY, [SIGNATURE]))


def patch(name, old, new):
    def change(files):
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


def replace(name, content):
    return lambda files: files.update({name: content})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replace("bundle.json", b"{"), r"a bundle of format 1.* in bundle\.json"),
        (patch("bundle.json", b'"format": 1', b'"format": 3'), "a bundle of format 1"),
        (patch("bundle.json", b'"format": 1', b'"format": 2'), "cleaning steps in a bundle of format 2 only"),
        (patch("bundle.json", b'"loan"', b'"loan", "more": 1'), "a bundle of format 1"),
        (patch("bundle.json", b'"binary"', b'"regression"'), "classes for a regression task"),
        (patch("bundle.json", b'"no"', b'"maybe", "no"'), "classes for a binary task"),
        (patch("bundle.json", b'"no"', b'"yes"'), "two that are one"),
        (patch("encoder.json", b'"n0"', b'"n7"'), "features of the contract"),
        (patch("encoder.json", b'"n0"', b'"n1"'), "columns of the encoder"),
        (patch("contract.toml", b'"float"', b'"complex"'), "expected a contract"),
        (replace("contract.toml", b"\xff"), "expected a contract"),
        (replace("model.json", ConstantModel([0.5, 0.5]).to_json()), "a model of"),
        (lambda files: files.pop("model.json"), r"a file model\.json, got none"),
        (lambda files: files.pop("contract.toml"), r"a file contract\.toml, got none"),
        (replace("manifest", b"0" * 64 + b"  ../../outside\n"), "a path inside the bundle"),
        (replace("manifest", b"0" * 64 + b"  /outside\n"), "a path inside the bundle"),
        (replace("manifest", b"0" * 64 + b"  a\n" + b"0" * 64 + b"  a\n"), "a path inside the bundle"),
        (replace("manifest", b"0" * 64 + b"  b\n" + b"0" * 64 + b"  a\n"), "sorted lines"),
        (replace("manifest", b"\xff"), "a path inside the bundle"),
    ],
)
def test_parts_that_do_not_fit_are_refused_though_signed(tmp_path, change, words):
    digest = write(tmp_path)
    reseal(tmp_path / digest, change)
    with pytest.raises(IntegrityError, match=words):
        load_any(tmp_path, digest)


def test_an_unknown_flavour_is_refused_though_signed(tmp_path):
    digest = write(tmp_path)
    reseal(tmp_path / digest, patch("bundle.json", b'"constant"', b'"pickle"'))
    with pytest.raises(NotFoundError, match="a flavour among"):
        load_any(tmp_path, digest)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ConstantModel([0.1, 0.9]).to_json()},
        {"classes": ("only",)},
        {"encoder": Encoder([BoolColumn("stranger")])},
        {"evidence": {"../escape": b"x"}},
        {"evidence": {".hidden": b"x"}},
        {"evidence": {"a b": b"x"}},
    ],
)
def test_what_would_not_load_is_not_written(tmp_path, changes):
    with pytest.raises(IntegrityError):
        write(tmp_path / "bundles", flavour="constant", **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_bundle_is_not_taken_for_the_written_one(tmp_path):
    digest = write(tmp_path)
    drop("encoder.json")(tmp_path / digest)
    with pytest.raises(IntegrityError, match=r"missing: encoder\.json"):
        write(tmp_path)


def test_a_failed_write_leaves_nothing(tmp_path):
    blocked = tmp_path / "bundles"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        write(blocked)
    assert blocked.read_text().startswith("a file")


def test_rows_of_another_length_are_refused(served):
    _, bundle = served
    row = [None] * len(ENCODER.columns)
    for rows in ([row, row[:-1]], [row] * 20 + [[*row, 1]]):
        with pytest.raises(ContractError, match=f"expected {len(row)} values"):
            bundle.predict_rows(rows, ENCODER.columns)
    with pytest.raises(ContractError, match="column 'n0'") as caught:
        bundle.predict_rows([["secret", *row[1:]]], ENCODER.columns)
    assert "secret" not in caught.value.message


def test_a_bundle_of_one_column_takes_rows_in_any_order(tmp_path):
    contract = Contract(columns=(Column(name="b", type="bool"), Column(name="y", type="int", role="target")))
    digest = write(tmp_path, contract=contract, encoder=Encoder([BoolColumn("b")]))
    bundle = load(tmp_path, digest)
    for columns in (("b",), ("x", "b"), ("x",)):
        for n in (1, 20):
            assert bundle.predict_rows([[True] * len(columns)] * n, columns) == [[0.25]] * n


def test_read_manifest_gives_what_was_written():
    digests = digests_of({"a": b"1", "b/c.json": b"2"})
    assert read_manifest(write_manifest(digests)) == digests


def test_loading_imports_no_training_library(tmp_path):
    booster = fit_booster(2, rows=300, trees=3)
    digest = write(tmp_path, model=booster.model_to_string().encode())
    program = """
import json, sys
from pathlib import Path
from slipway.models.bundle import load_bundle
from slipway.models.signing import PublicKey
folder, digest, pem = sys.argv[1:]
bundle = load_bundle(Path(folder) / digest, digest, [PublicKey.from_pem(pem.encode())])
value = bundle.predict_rows([[None, True]], ("n0", "b"))[0][0]
heavy = {"sklearn", "pandas", "polars", "lightgbm", "scipy", "sqlalchemy", "pyarrow", "duckdb", "alembic"}
print(json.dumps([value.hex(), sorted(heavy & set(sys.modules))]))
"""
    arguments = [sys.executable, "-c", program, str(tmp_path), digest, KEY.public.pem.decode()]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True)
    expected = booster_outputs(booster, ENCODER.encode({"b": [True]}, 1))[0, 0]
    assert json.loads(found.stdout) == [float(expected).hex(), []]
    assert found.stderr == ""

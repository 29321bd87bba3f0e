"""The bundle: one directory with all that serving a model version needs, named by its content.

::

    bundle.json       name, task, classes, flavour, lineage
    contract.toml     what each column must look like
    encoder.json      raw columns to matrix
    cleaning.json     what is mended in raw values first, where there is something
    model.json|txt    the model in its flavour's own text format
    evidence/*        metrics, gate verdicts, golden rows, references
    manifest.sha256   digest and path of each file above; its own SHA-256 is the bundle's digest
    model.sig         OpenSSF model signature over all of it
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from slipway.base.errors import ConfigError, ContractError
from slipway.base.files import sync_directory
from slipway.base.vocabulary import Task, Value, VersionName
from slipway.data.contract import Contract, dump_contract, parse_contract
from slipway.data.steps import Steps, steps_from_json, steps_to_json
from slipway.models.encoder import Encoder
from slipway.models.losses import ClassIndex, Label, losses
from slipway.models.predictor import FLAVOURS, Predictor, load_predictor
from slipway.models.reference import Reference, RiskReference
from slipway.models.signing import PublicKey, SigningKey, refuse_difference, sign_files, verify_files
from slipway.models.tree import digests_of, read_manifest, read_tree, untrusted, write_manifest
from slipway.models.values import Column, Floats, to_text

MANIFEST = "manifest.sha256"
SIGNATURE = "model.sig"
_META, _CONTRACT, _ENCODER, _EVIDENCE = "bundle.json", "contract.toml", "encoder.json", "evidence/"
_CLEANING = "cleaning.json"
_REFERENCE, _RISK = "reference.json", "risk.json"
#: Up to here the single-row path, repeated, is faster than building a matrix.
_FEW_ROWS = 16


class BundleMeta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``bundle.json``. No time and no version number: equal training gives equal bytes."""

    #: Name of the model; its version numbers are given by the registry.
    name: str
    task: Task
    target: str
    #: Classes in the order of the outputs; ``classes[1]`` is the positive one of two. Empty for regression.
    classes: tuple[Label, ...] = ()
    flavour: str
    #: Absolute error that counts as loss 1; 1 for classes.
    loss_range: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    #: Snapshot digest, git commit, configuration digest, lock digest, seed.
    lineage: dict[str, str | int | float | bool | None] = {}
    #: 2: with ``cleaning.json``, without which the answers would be others.
    format: Literal[1, 2] = 1

    @property
    def outputs(self) -> int:
        """Numbers per prediction."""
        return len(self.classes) if self.task == "multiclass" else 1


class Bundle:
    """A loaded model version. Threads may share it.

    Attributes:
        meta: ``bundle.json``.
        contract, encoder, predictor: its parts.
        digest: SHA-256 of the manifest.
        version: the version it was loaded as, where the caller said so.
        signer: fingerprint of the key that signed.
    """

    def __init__(
        self, files: Mapping[str, bytes], digest: str, version: VersionName | None = None, signer: str = ""
    ) -> None:
        self.meta = _read_meta(files)
        self.digest = digest
        self.version = version
        self.signer = signer
        self.contract: Contract = _read_contract(files)
        self.encoder = Encoder.from_json(_file(files, _ENCODER), _read_steps(files, self.meta))
        _refuse_strangers(self.encoder, self.contract)
        flavour = FLAVOURS.get(self.meta.flavour)
        self.predictor: Predictor = load_predictor(
            self.meta.flavour,
            _file(files, flavour.file) if flavour else b"",
            len(self.encoder.names),
            self.meta.outputs,
        )
        self._files = files
        self._takers: dict[tuple[str, ...], Callable[[Sequence[Value]], Sequence[Value]]] = {}
        #: Turns one row of outputs into what the client reads.
        self.answer: Callable[[Sequence[float]], dict[str, Any]] = _ANSWERS[self.meta.task](self.meta.classes)
        #: Position of the class that a label names, or None.
        self.class_index = ClassIndex(self.meta.classes)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.meta.name

    @property
    def task(self) -> Task:
        """Kind of the target."""
        return self.meta.task

    @property
    def classes(self) -> tuple[Label, ...]:
        """Classes in the order of the outputs; empty for regression."""
        return self.meta.classes

    def predict(self, columns: Mapping[str, Column], n: int) -> Floats:
        """Outputs of shape (n, outputs) for raw columns; an absent column is missing in every row.

        Raises:
            ContractError: a column of another length, or a cell of a type its column cannot have.
        """
        return self.predictor.predict(self.encoder.encode(columns, n))

    def predict_rows(self, rows: Sequence[Sequence[Value]], columns: tuple[str, ...]) -> list[list[float]]:
        """Outputs per row, the same bits as ``predict``.

        Args:
            rows: values in the order of ``columns``.
            columns: their names; those the encoder does not know are not read, absent ones are missing.

        Raises:
            ContractError: a row of another length, or a cell of a type its column cannot have.
        """
        take = self._takers.get(columns) or self._taker(columns)
        width = len(columns)
        for row in rows:
            if len(row) != width:
                raise ContractError(expected=f"{width} values", got=str(len(row)), where="a row")
        if len(rows) <= _FEW_ROWS:
            encode, predict = self.encoder.encode_row, self.predictor.predict_row
            return [predict(encode(take(row))) for row in rows]
        by_column = zip(*map(take, rows), strict=True)
        return self.predict(dict(zip(self.encoder.columns, by_column, strict=True)), len(rows)).tolist()

    def losses(self, outputs: Floats, labels: Sequence[Value]) -> Floats:
        """Loss per row in [0, 1] by the task's bounded loss.

        Raises:
            ContractError: a label that names no class or is no finite number.
        """
        return losses(self.meta.task, outputs, labels, self.class_index, self.meta.loss_range)

    def evidence(self, name: str) -> bytes | None:
        """A file of ``evidence/``, or None when there is none of that name."""
        return self._files.get(_EVIDENCE + name)

    @cached_property
    def reference(self) -> Reference | None:
        """What training saw of each feature, where the bundle says so."""
        content = self.evidence(_REFERENCE)
        return None if content is None else Reference.from_json(content)

    @cached_property
    def risk(self) -> RiskReference | None:
        """The risk of held-out rows, where the bundle says so."""
        content = self.evidence(_RISK)
        return None if content is None else RiskReference.from_json(content)

    def _taker(self, columns: tuple[str, ...]) -> Callable[[Sequence[Value]], Sequence[Value]]:
        take = _make_taker(self.encoder.columns, columns)
        self._takers[columns] = take
        return take


def write_bundle(
    bundles: Path,
    *,
    meta: BundleMeta,
    contract: Contract,
    encoder: Encoder,
    model: bytes,
    evidence: Mapping[str, bytes],
    key: SigningKey,
) -> str:
    """Write a signed bundle into ``bundles``, whole or not at all; equal content is written once.

    Args:
        bundles: the folder of all bundles.
        meta, contract, encoder: its parts.
        model: the model in its flavour's format.
        evidence: content of ``evidence/`` by file name.
        key: who signs.

    Returns:
        The bundle's digest, which is the name of its directory.

    Raises:
        IntegrityError: the parts do not fit each other, so that loading would fail; or a damaged bundle of
            the same digest is there.
        OSError: the disk is full or not writable.
    """
    steps = encoder.steps
    meta = msgspec.structs.replace(meta, format=2 if steps else 1)
    files = {
        **({_CLEANING: steps_to_json(steps)} if steps else {}),
        _META: msgspec.json.format(msgspec.json.encode(meta), indent=1),
        _CONTRACT: dump_contract(contract).encode(),
        _ENCODER: encoder.to_json(),
        **{_EVIDENCE + name: content for name, content in evidence.items()},
    }
    if meta.flavour in FLAVOURS:
        files[FLAVOURS[meta.flavour].file] = model
    files[MANIFEST] = write_manifest(digests_of(files))
    read_manifest(files[MANIFEST])  # refuses names of evidence that no reader would take
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    Bundle(files, digest)
    if not (bundles / digest).exists():
        files[SIGNATURE] = sign_files(digests_of(files), digest, key, ignored=(SIGNATURE,))
        _place(bundles, digest, files)
    load_bundle(bundles / digest, digest, [key.public])
    return digest


def load_bundle(
    path: Path, digest: str | None, trusted: Sequence[PublicKey], version: VersionName | None = None
) -> Bundle:
    """Read a bundle into memory, verify those bytes, and load from those bytes.

    Args:
        path: its directory.
        digest: what the ledger recorded for the version; None accepts any that a trusted key signed.
        trusted: keys that may have signed.
        version: the version it stands for.

    Raises:
        NotFoundError: no such directory.
        IntegrityError: another digest, an extra, missing or changed file, a link, no trusted signature, or
            parts that do not fit.
    """
    files = read_tree(path)
    manifest = _file(files, MANIFEST)
    found = hashlib.sha256(manifest).hexdigest()
    if digest is not None and found != digest:
        raise untrusted(f"the digest {digest[:12]}... that the ledger recorded", f"{found[:12]}...", MANIFEST)
    signature = _file(files, SIGNATURE)
    digests = {name: value for name, value in digests_of(files).items() if name != SIGNATURE}
    refuse_difference(
        read_manifest(manifest),
        {name: value for name, value in digests.items() if name != MANIFEST},
        MANIFEST,
    )
    signer = verify_files(signature, digests, trusted)
    return Bundle(files, found, version, signer.fingerprint)


def _place(bundles: Path, digest: str, files: Mapping[str, bytes]) -> None:
    temporary = bundles / f".{digest}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        for name, content in files.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            path.chmod(0o444)
        for folder in {(temporary / name).parent for name in files}:
            sync_directory(folder)
        try:
            temporary.rename(bundles / digest)
        except OSError:
            if not (bundles / digest).exists():  # else another process was faster; the caller checks its work
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_directory(bundles)


def _make_taker(
    wanted: tuple[str, ...], given: tuple[str, ...]
) -> Callable[[Sequence[Value]], Sequence[Value]]:
    """A function from a row in the order of ``given`` to one in the order of ``wanted``."""
    if wanted == given:
        return _as_is
    positions = [given.index(name) if name in given else len(given) for name in wanted]
    if len(positions) == 1:
        return lambda row: [(*row, None)[positions[0]]]
    take = itemgetter(*positions)
    if len(given) not in positions:
        return take
    return lambda row: take((*row, None))


def _as_is(row: Sequence[Value]) -> Sequence[Value]:
    return row


def _binary_answer(classes: Sequence[Label]) -> Callable[[Sequence[float]], dict[str, Any]]:
    negative, positive = classes
    return lambda output: {
        "prediction": positive if output[0] >= 0.5 else negative,
        "probability": output[0],
    }


def _multiclass_answer(classes: Sequence[Label]) -> Callable[[Sequence[float]], dict[str, Any]]:
    names = [str(to_text(label)) for label in classes]

    def answer(output: Sequence[float]) -> dict[str, Any]:
        best = max(range(len(output)), key=output.__getitem__)
        return {
            "prediction": classes[best],
            "probabilities": dict(zip(names, output, strict=True)),
        }

    return answer


def _regression_answer(_: Sequence[Label]) -> Callable[[Sequence[float]], dict[str, Any]]:
    return lambda output: {"prediction": output[0]}


_ANSWERS: dict[Task, Callable[[Sequence[Label]], Callable[[Sequence[float]], dict[str, Any]]]] = {
    "binary": _binary_answer,
    "multiclass": _multiclass_answer,
    "regression": _regression_answer,
}
_CLASSES: dict[Task, tuple[int, float]] = {
    "binary": (2, 2),
    "multiclass": (2, math.inf),
    "regression": (0, 0),
}


def _read_meta(files: Mapping[str, bytes]) -> BundleMeta:
    try:
        meta = msgspec.json.decode(_file(files, _META), type=BundleMeta)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise untrusted("a bundle of format 1 or 2", str(error), _META) from None
    least, most = _CLASSES[meta.task]
    if not least <= len(meta.classes) <= most:
        raise untrusted(f"classes for a {meta.task} task", str(len(meta.classes)), _META)
    if min(len(set(map(to_text, meta.classes))), len(set(meta.classes))) != len(meta.classes):
        raise untrusted("classes of different value and text", "two that are one", _META)
    return meta


def _read_contract(files: Mapping[str, bytes]) -> Contract:
    try:
        return parse_contract(_file(files, _CONTRACT).decode())
    except (ConfigError, UnicodeDecodeError) as error:
        raise untrusted("a contract", type(error).__name__, _CONTRACT) from None


def _read_steps(files: Mapping[str, bytes], meta: BundleMeta) -> Steps:
    if (_CLEANING in files) != (meta.format == 2):
        raise untrusted("cleaning steps in a bundle of format 2 only", f"format {meta.format}", _CLEANING)
    try:
        return steps_from_json(files[_CLEANING]) if meta.format == 2 else ()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise untrusted("cleaning steps", type(error).__name__, _CLEANING) from None


def _refuse_strangers(encoder: Encoder, contract: Contract) -> None:
    unknown = set(encoder.columns) - {column.name for column in contract.features}
    if unknown:
        raise untrusted(
            "encoded columns that are features of the contract", f"{len(unknown)} others", _ENCODER
        )


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise untrusted(f"a file {name}", "none", "the bundle")
    return files[name]

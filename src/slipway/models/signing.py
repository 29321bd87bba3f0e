"""Signatures over a set of files in the OpenSSF model-signing format, with ``cryptography`` alone.

One JSON file: a Sigstore bundle that holds a DSSE envelope (https://github.com/secure-systems-lab/dsse)
around an in-toto statement, which lists each file with its SHA-256. The tool ``model_signing verify key``
checks it too. The statement binds names and bytes, not which version they are: the ledger binds the
bundle's digest to a version.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from slipway.base.files import sync_directory
from slipway.base.layout import Layout
from slipway.models.tree import untrusted

_T = TypeVar("_T")
_WHERE = "model.sig"
_KEY_FILE = "signing.pem"
_PUBLIC_SUFFIX = ".pub"
_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE_TYPE = "https://model_signing/signature/v1.0"
#: The hash that the format pairs with each curve.
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class _Key(msgspec.Struct, frozen=True):
    hint: str


class _Material(msgspec.Struct, frozen=True):
    publicKey: _Key  # noqa: N815  (the format's names)
    tlogEntries: tuple[object, ...] = ()  # noqa: N815


class _Signature(msgspec.Struct, frozen=True):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    payload: str
    payloadType: Literal["application/vnd.in-toto+json"]  # noqa: N815
    signatures: Annotated[tuple[_Signature, ...], msgspec.Meta(min_length=1, max_length=1)]


class _SigstoreBundle(msgspec.Struct, frozen=True):
    mediaType: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]  # noqa: N815
    verificationMaterial: _Material  # noqa: N815
    dsseEnvelope: _Envelope  # noqa: N815


class _Subject(msgspec.Struct, frozen=True):
    name: str
    digest: dict[str, str]


class _Serialization(msgspec.Struct, frozen=True):
    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: bool
    ignore_paths: tuple[str, ...] = ()


class _Resource(msgspec.Struct, frozen=True):
    name: str
    algorithm: Literal["sha256"]
    digest: str


class _Predicate(msgspec.Struct, frozen=True):
    serialization: _Serialization
    resources: tuple[_Resource, ...]


class _Statement(msgspec.Struct, frozen=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: Annotated[tuple[_Subject, ...], msgspec.Meta(min_length=1, max_length=1)]
    predicateType: Literal["https://model_signing/signature/v1.0"]  # noqa: N815
    predicate: _Predicate


class PublicKey:
    """A key that may have signed; known by the SHA-256 of its PEM text."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self._key = key
        self.pem = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        #: Hexadecimal SHA-256 of ``pem``, which signatures name.
        self.fingerprint = hashlib.sha256(self.pem).hexdigest()

    @classmethod
    def from_pem(cls, pem: bytes, where: str = "public key") -> PublicKey:
        """Read a key on P-256, P-384 or P-521.

        Raises:
            IntegrityError: not such a key.
        """
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
            raise untrusted("a PEM public key on P-256, P-384 or P-521", "something else", where)
        return cls(key)

    def verifies(self, signature: bytes, content: bytes) -> bool:
        """Whether the signature is this key's over these bytes."""
        try:
            self._key.verify(signature, content, ec.ECDSA(_HASHES[self._key.curve.name]))
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """The private key of an installation, ECDSA on P-256. Its text form shows the fingerprint only."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the system's random generator."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes, where: str = "private key") -> SigningKey:
        """Read an unencrypted key on P-256, P-384 or P-521.

        Raises:
            IntegrityError: not such a key.
        """
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in _HASHES:
            raise untrusted("an unencrypted PEM key on P-256, P-384 or P-521", "something else", where)
        return cls(key)

    def to_pem(self) -> bytes:
        """The secret, unencrypted PKCS #8."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, content: bytes) -> bytes:
        """ECDSA signature in DER."""
        return self._key.sign(content, ec.ECDSA(_HASHES[self._key.curve.name]))

    def __repr__(self) -> str:
        return f"SigningKey({self.public.fingerprint[:12]})"


def signing_key(layout: Layout) -> SigningKey:
    """The installation's key, made on first use: ``keys/signing.pem`` (0600) and ``keys/signing.pub``.

    Processes that race to make it end up with one and the same key.

    Raises:
        IntegrityError: the file holds no such key.
        OSError: it cannot be read or written.
    """
    path = layout.keys / _KEY_FILE
    if not path.exists():
        layout.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create(path, SigningKey.generate().to_pem(), 0o600)
    key = SigningKey.from_pem(path.read_bytes(), path.name)
    public = path.with_suffix(_PUBLIC_SUFFIX)
    if not public.exists():
        _create(public, key.public.pem, 0o644)
    return key


def trusted_keys(layout: Layout) -> list[PublicKey]:
    """Every ``keys/*.pub``: the installation's own key, and those that its owner put there.

    Raises:
        IntegrityError: one of the files is no public key.
    """
    paths = sorted(layout.keys.glob(f"*{_PUBLIC_SUFFIX}"))
    return [PublicKey.from_pem(path.read_bytes(), path.name) for path in paths]


def sign_files(digests: Mapping[str, str], name: str, key: SigningKey, ignored: Iterable[str] = ()) -> bytes:
    """The signature file's content.

    Args:
        digests: hexadecimal SHA-256 by relative path with ``/``.
        name: name of the directory.
        key: who signs.
        ignored: relative paths that are not covered, such as the signature file's own.
    """
    resources = tuple(_Resource(path, "sha256", digests[path]) for path in _ordered(digests))
    statement = _Statement(
        type_=_STATEMENT_TYPE,
        subject=(_Subject(name, {"sha256": _root_digest(resources)}),),
        predicateType=_PREDICATE_TYPE,
        predicate=_Predicate(_Serialization("files", "sha256", False, tuple(ignored)), resources),
    )
    payload = msgspec.json.encode(statement)
    envelope = _Envelope(
        base64.b64encode(payload).decode(),
        _PAYLOAD_TYPE,
        (_Signature(base64.b64encode(key.sign(_authenticated(payload))).decode()),),
    )
    return msgspec.json.encode(
        _SigstoreBundle(_MEDIA_TYPE, _Material(_Key(key.public.fingerprint)), envelope)
    )


def verify_files(content: bytes, digests: Mapping[str, str], trusted: Sequence[PublicKey]) -> PublicKey:
    """Check that a trusted key signed exactly these files.

    Args:
        content: the signature file.
        digests: hexadecimal SHA-256 by relative path, of every file there is but the signature itself.
        trusted: keys that may have signed.

    Returns:
        The key that signed.

    Raises:
        IntegrityError: no such signature; names files that are extra, missing or changed.
    """
    bundle = _decode(content, _SigstoreBundle, "a model-signing bundle")
    hint = bundle.verificationMaterial.publicKey.hint
    key = next((key for key in trusted if key.fingerprint == hint), None)
    if key is None:
        raise untrusted(f"a signature by one of {len(trusted)} trusted keys", "one by another key", _WHERE)
    payload = _unbase64(bundle.dsseEnvelope.payload)
    if not key.verifies(_unbase64(bundle.dsseEnvelope.signatures[0].sig), _authenticated(payload)):
        raise untrusted("a signature of the key that it names", "an invalid one", _WHERE)
    statement = _decode(payload, _Statement, "an in-toto statement of model-signing v1.0")
    resources = statement.predicate.resources
    signed = {resource.name: resource.digest for resource in resources}
    if len(signed) != len(resources) or statement.subject[0].digest.get("sha256") != _root_digest(resources):
        raise untrusted(
            "a statement that agrees with itself", "repeated files or another root digest", _WHERE
        )
    refuse_difference(signed, digests, _WHERE)
    return key


def refuse_difference(signed: Mapping[str, str], found: Mapping[str, str], where: str) -> None:
    """Refuse files that are extra, missing or changed.

    Raises:
        IntegrityError: names them.
    """
    differences = {
        "extra": sorted(found.keys() - signed.keys()),
        "missing": sorted(signed.keys() - found.keys()),
        "changed": sorted(name for name in signed.keys() & found.keys() if signed[name] != found[name]),
    }
    words = [f"{kind}: {', '.join(names[:5])}" for kind, names in differences.items() if names]
    if words:
        raise untrusted("exactly the files that were signed", "; ".join(words), where)


def _authenticated(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding, which binds the type of the payload."""
    return b"DSSEv1 %d %b %d %b" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload), payload)


def _root_digest(resources: Sequence[_Resource]) -> str:
    root = hashlib.sha256()
    for resource in resources:
        try:
            root.update(bytes.fromhex(resource.digest))
        except ValueError:
            raise untrusted("hexadecimal digests", "something else", _WHERE) from None
    return root.hexdigest()


def _ordered(paths: Iterable[str]) -> list[str]:
    """The format's order, that of ``pathlib``: part by part, so that ``a/z`` precedes ``a.txt``."""
    return sorted(paths, key=lambda path: path.split("/"))


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise untrusted("base64", "something else", _WHERE) from None


def _decode(content: bytes, kind: type[_T], expected: str) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise untrusted(expected, str(error), _WHERE) from None


def _create(path: Path, content: bytes, mode: int) -> None:
    """Write a file unless there is one; it appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
    sync_directory(path.parent)

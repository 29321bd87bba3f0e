"""Signatures follow the OpenSSF model-signing format, and only exact files by trusted keys pass."""

import base64
import json
import multiprocessing
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.errors import IntegrityError
from slipway.base.layout import Layout
from slipway.models.signing import (
    PublicKey,
    SigningKey,
    sign_files,
    signing_key,
    trusted_keys,
    verify_files,
)
from slipway.models.tree import digests_of, read_tree

KEY = SigningKey.generate()
FILES = {"a.txt": b"a", "evidence.txt": b"b", "evidence/z.json": b"{}"}
DIGESTS = digests_of(FILES)
#: Signed by ``model_signing sign key`` 1.1.1 of the OpenSSF; the key was thrown away.
FOREIGN = Path(__file__).parent / "signed_by_openssf"


def envelope_of(signature):
    return json.loads(signature)["dsseEnvelope"]


def with_payload(signature, change, key=KEY):
    """The signature with a changed statement, signed anew by ``key``."""
    document = json.loads(signature)
    statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    change(statement)
    payload = json.dumps(statement).encode()
    kind = b"application/vnd.in-toto+json"
    encoded = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(key.sign(encoded)).decode()
    return json.dumps(document).encode()


def test_a_signature_of_the_openssf_tool_verifies():
    files = read_tree(FOREIGN / "model")
    signature = files.pop("model.sig")
    key = PublicKey.from_pem((FOREIGN / "key.pub").read_bytes())
    assert sorted(files) == ["a.txt", "evidence.txt", "evidence/z.json"]
    assert verify_files(signature, digests_of(files), [KEY.public, key]) is key
    with pytest.raises(IntegrityError, match=r"changed: a\.txt"):
        verify_files(signature, digests_of(files | {"a.txt": b"other"}), [key])


def test_a_signature_has_the_form_that_the_openssf_tool_writes():
    foreign = json.loads((FOREIGN / "model" / "model.sig").read_bytes())
    files = {name: content for name, content in read_tree(FOREIGN / "model").items() if name != "model.sig"}
    ours = json.loads(sign_files(digests_of(files), "model", KEY, ["model.sig"]))
    statements = [json.loads(base64.b64decode(each["dsseEnvelope"]["payload"])) for each in (foreign, ours)]
    assert statements[0] == statements[1]
    for document in (foreign, ours):
        del document["dsseEnvelope"]["payload"]
        del document["dsseEnvelope"]["signatures"][0]["sig"]
        del document["verificationMaterial"]["publicKey"]["hint"]
    assert foreign == ours


def test_resources_come_in_the_order_of_path_parts():
    statement = json.loads(base64.b64decode(envelope_of(sign_files(DIGESTS, "m", KEY))["payload"]))
    names = [resource["name"] for resource in statement["predicate"]["resources"]]
    assert names == ["a.txt", "evidence/z.json", "evidence.txt"]


NAMES = st.text(st.sampled_from("ab/."), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=4), max_size=5), NAMES, st.binary(max_size=4))
def test_only_exactly_the_signed_files_pass(files, name, content):
    signature = sign_files(digests_of(files), "m", KEY)
    assert verify_files(signature, digests_of(files), [KEY.public]) is KEY.public
    other = files | {name: content}
    if other != files:
        with pytest.raises(IntegrityError, match="exactly the files that were signed"):
            verify_files(signature, digests_of(other), [KEY.public])
    for missing in files:
        fewer = {path: value for path, value in files.items() if path != missing}
        with pytest.raises(IntegrityError, match="missing: "):
            verify_files(signature, digests_of(fewer), [KEY.public])


def test_another_key_is_not_trusted():
    other = SigningKey.generate()
    signature = sign_files(DIGESTS, "m", other)
    with pytest.raises(IntegrityError, match="one of 1 trusted keys, got one by another key"):
        verify_files(signature, DIGESTS, [KEY.public])
    with pytest.raises(IntegrityError, match="one of 0 trusted keys"):
        verify_files(signature, DIGESTS, [])
    claimed = signature.replace(other.public.fingerprint.encode(), KEY.public.fingerprint.encode())
    with pytest.raises(IntegrityError, match="an invalid one"):
        verify_files(claimed, DIGESTS, [KEY.public])


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()])
def test_the_other_curves_of_the_format_verify(curve):
    key = SigningKey(ec.generate_private_key(curve))
    assert verify_files(sign_files(DIGESTS, "m", key), DIGESTS, [key.public]) is key.public


def _no_change(statement):
    statement["extra"] = "ignored by the format"


def test_an_extended_statement_passes_when_signed():
    signature = with_payload(sign_files(DIGESTS, "m", KEY), _no_change)
    assert verify_files(signature, DIGESTS, [KEY.public]) is KEY.public


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda s: s.update(predicateType="https://model_signing/Digests/v0.1"),
        lambda s: s.update(subject=[]),
        lambda s: s.update(subject=s["subject"] * 2),
        lambda s: s["subject"][0]["digest"].update(sha256="00"),
        lambda s: s["subject"][0].update(digest={}),
        lambda s: s["predicate"]["resources"].append(s["predicate"]["resources"][0]),
        lambda s: s["predicate"]["resources"].reverse(),
        lambda s: s["predicate"]["resources"][0].update(algorithm="md5"),
        lambda s: s["predicate"]["resources"][0].update(digest="zz"),
        lambda s: s["predicate"]["serialization"].update(method="shards"),
        lambda s: s["predicate"]["serialization"].update(hash_type="blake3"),
        lambda s: s.pop("predicate"),
    ],
)
def test_a_statement_of_another_form_is_refused_though_signed(change):
    signature = with_payload(sign_files(DIGESTS, "m", KEY), change)
    with pytest.raises(IntegrityError, match=r"in model\.sig"):
        verify_files(signature, DIGESTS, [KEY.public])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_no_flipped_byte_changes_what_verifies(position, flip):
    original = sign_files(DIGESTS, "m", KEY)
    signature = bytearray(original)
    signature[position % len(signature)] ^= flip
    try:
        verify_files(bytes(signature), DIGESTS, [KEY.public])
    except IntegrityError:
        return
    # What passes changed a byte without meaning: the statement stands (base64's last group has spare bits).
    assert envelope_of(original)["payload"][:-4].encode() in signature


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]", b'{"mediaType": "other"}'])
def test_what_is_no_signature_is_refused(content):
    with pytest.raises(IntegrityError, match="model-signing bundle"):
        verify_files(content, DIGESTS, [KEY.public])


@pytest.mark.parametrize("field", ["payload", "sig"])
def test_broken_base64_is_refused(field):
    document = json.loads(sign_files(DIGESTS, "m", KEY))
    envelope = document["dsseEnvelope"]
    (envelope if field == "payload" else envelope["signatures"][0])[field] = "é!"
    with pytest.raises(IntegrityError, match="base64"):
        verify_files(json.dumps(document).encode(), DIGESTS, [KEY.public])


def test_two_signatures_are_refused():
    document = json.loads(sign_files(DIGESTS, "m", KEY))
    document["dsseEnvelope"]["signatures"] *= 2
    with pytest.raises(IntegrityError):
        verify_files(json.dumps(document).encode(), DIGESTS, [KEY.public])


def test_the_installation_keeps_one_private_key(tmp_path):
    layout = Layout(tmp_path)
    key = signing_key(layout)
    assert signing_key(layout).to_pem() == key.to_pem()
    assert stat.S_IMODE((layout.keys / "signing.pem").stat().st_mode) == 0o600
    assert [trusted.fingerprint for trusted in trusted_keys(layout)] == [key.public.fingerprint]
    assert sorted(path.name for path in layout.keys.iterdir()) == ["signing.pem", "signing.pub"]
    assert "PRIVATE" not in repr(key)
    assert key.public.fingerprint[:12] in repr(key)
    (layout.keys / "colleague.pub").write_bytes(KEY.public.pem)
    assert {trusted.fingerprint for trusted in trusted_keys(layout)} == {
        key.public.fingerprint,
        KEY.public.fingerprint,
    }


def _fingerprint(root):
    return signing_key(Layout(root)).public.fingerprint


def test_processes_that_race_get_one_key(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        fingerprints = pool.map(_fingerprint, [tmp_path] * 6, chunksize=1)
    assert len(set(fingerprints)) == 1
    assert sorted(path.name for path in Layout(tmp_path).keys.iterdir()) == ["signing.pem", "signing.pub"]


def test_a_lost_public_key_is_written_again(tmp_path):
    layout = Layout(tmp_path)
    key = signing_key(layout)
    (layout.keys / "signing.pub").unlink()
    assert signing_key(layout).public.fingerprint == key.public.fingerprint
    assert len(trusted_keys(layout)) == 1


def _pem(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"secret",
        _pem(ed25519.Ed25519PrivateKey.generate()),
        _pem(rsa.generate_private_key(65537, 2048)),
        _pem(ec.generate_private_key(ec.SECP256K1())),
        _pem(ec.generate_private_key(ec.SECP256R1()), b"password"),
    ],
)
def test_a_key_of_another_kind_is_refused(tmp_path, pem):
    layout = Layout(tmp_path)
    layout.keys.mkdir(parents=True)
    (layout.keys / "signing.pem").write_bytes(pem)
    with pytest.raises(IntegrityError, match=r"unencrypted PEM key .* in signing\.pem") as caught:
        signing_key(layout)
    assert "secret" not in caught.value.message
    (layout.keys / "odd.pub").write_bytes(pem)
    with pytest.raises(IntegrityError, match=r"PEM public key .* in odd\.pub"):
        trusted_keys(layout)

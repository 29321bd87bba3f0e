"""Errors, ids, settings and files keep what their docstrings promise."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base import errors
from slipway.base.clock import FixedClock, SystemClock
from slipway.base.config import config_digest, load_config, parse_config
from slipway.base.files import exclusive_lock, is_locked, write_atomic
from slipway.base.ids import PredictionIds, id_bytes, id_text, split_ids
from slipway.base.layout import Layout
from slipway.base.quantities import parse_duration, rows_between_false_alarms
from slipway.base.vocabulary import VersionName

MINIMAL = '[project]\nname = "loan"\ntask = "binary"\ntarget = "repaid"\n[data]\nsource = "loans.csv"\n'


def all_errors() -> list[type[errors.SlipwayError]]:
    found = [errors.SlipwayError]
    for kind in found:
        found += kind.__subclasses__()
    return found


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_says_expected_got_where_next_and_survives_pickling(
    kind: type[errors.SlipwayError],
) -> None:
    error = kind(expected="a number", got="text", where="row 3, column age", next_step="write a number")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == "expected a number, got text in row 3, column age; write a number"
    assert kind.exit_code in (1, 2, 3)
    assert 400 <= kind.http_status <= 503
    assert kind.__name__ in (errors.__doc__ or ""), "the tree at the top of the file names every error"


@given(st.integers(0, 2**47), st.integers(0, 300))
def test_issued_ids_are_unique_version_7_and_recognised(now_ms: int, n: int) -> None:
    ids = PredictionIds(b"k" * 32, "loan")
    issued = split_ids(ids.issue(now_ms * 1000, n))
    assert len(set(issued)) == n
    for one in issued:
        text = id_text(one)
        assert text[14] == "7"
        assert text[19] in "89ab"
        assert id_bytes(text) == one
        assert int.from_bytes(one[:6], "big") == now_ms
        assert ids.issued(one)


def test_an_id_of_another_endpoint_key_or_text_is_not_recognised() -> None:
    one = PredictionIds(b"k" * 32, "loan").issue(1_700_000_000_000_000, 1)
    assert not PredictionIds(b"k" * 32, "lease").issued(one)
    assert not PredictionIds(b"x" * 32, "loan").issued(one)
    assert not PredictionIds(b"k" * 32, "loan").issued(one[:15] + bytes([one[15] ^ 1]))
    assert not PredictionIds(b"k" * 32, "loan").issued(b"short")
    assert id_bytes("no uuid") is None


def test_the_smallest_settings_file_is_enough_and_defaults_are_filled() -> None:
    config = parse_config(MINIMAL)
    assert config.serve.workers == 2
    assert config.train.budget_seconds == 60.0
    assert config.objective == "brier"
    assert config_digest(config) == config_digest(parse_config("# a comment\n" + MINIMAL))
    assert config_digest(config) != config_digest(parse_config(MINIMAL + "[train]\nseed = 1\n"))


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("[serve]\nport = 'http'\n", ["int", "serve.port"]),
        ("[serve]\nlog_level = 3\n", ["log_level", "serve"]),
        ("[train]\nbudget = 'long'\n", ["duration", "train.budget"]),
        ("[train]\ngap = '3 moons'\n", ["duration", "train.gap"]),
        ("[rollout]\nalpha = 2.0\n", ["rollout.alpha"]),
        ("[monitor]\nfalse_alarms = 'never'\n", ["1 per 90d", "monitor.false_alarms"]),
        ("[monitor\n", ["TOML"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(addition: str, words: list[str]) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        parse_config(MINIMAL + addition)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_settings_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="slipway init"):
        load_config(tmp_path / "slipway.toml")


def test_durations_and_alarm_rates() -> None:
    assert parse_duration("1.5h", "x") == 5400.0
    assert rows_between_false_alarms("1 per 50000 rows", 1.0, "x") == 50_000
    assert rows_between_false_alarms("1 per 2w", 1000.0, "x") == 14_000
    with pytest.raises(errors.ConfigError, match="100 rows"):
        rows_between_false_alarms("1 per 1h", 24.0, "x")


def test_versions_read_as_they_are_written() -> None:
    assert str(VersionName.parse("loan@12")) == "loan@12"
    for wrong in ("loan", "loan@", "loan@0", "@1", "loan@x"):
        with pytest.raises(errors.UsageError):
            VersionName.parse(wrong)


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_atomic(path, b"old")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from slipway.base.files import write_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "write_atomic(Path(sys.argv[1]), b'n' * 1000)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    assert b"File too large" in ended.stderr
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]


def test_a_lock_is_held_once_and_freed_by_leaving(tmp_path: Path) -> None:
    with (
        exclusive_lock(tmp_path / "lock", "controller"),
        pytest.raises(errors.ConflictError, match="one controller"),
        exclusive_lock(tmp_path / "lock", "controller"),
    ):
        pass
    assert not is_locked(tmp_path / "lock")
    assert not is_locked(tmp_path / "none")
    with exclusive_lock(tmp_path / "lock", "controller"):
        assert is_locked(tmp_path / "lock")


def test_a_failpoint_kills_at_the_counted_pass_and_only_there() -> None:
    code = (
        "from slipway.base.failpoint import failpoint\n"
        "for i in range(3): print(i, flush=True); failpoint('step')"
    )
    run = [sys.executable, "-c", code]
    killed = subprocess.run(
        run,
        env={"SLIPWAY_FAILPOINT": "step:2", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (killed.returncode, killed.stdout) == (-9, "0\n1\n")
    other = subprocess.run(
        run,
        env={"SLIPWAY_FAILPOINT": "else:1", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (other.returncode, other.stdout) == (0, "0\n1\n2\n")


def test_the_project_is_found_from_a_folder_inside(tmp_path: Path) -> None:
    (tmp_path / "slipway.toml").write_text(MINIMAL)
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    assert Layout.find(inside).root == tmp_path.resolve()
    layout = Layout(tmp_path)
    layout.create()
    assert layout.keys.stat().st_mode & 0o077 == 0
    with pytest.raises(errors.NotFoundError, match="slipway init"):
        Layout.find(Path("/"))


def test_clocks() -> None:
    assert SystemClock().now_us() > 1_600_000_000_000_000
    clock = FixedClock(5)
    clock.value += 1
    assert clock.now_us() == 6

"""The documentation is true: whatever a user can type or set appears in it, and what it shows runs."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import msgspec
import pytest
import typer

from slipway.base import config, errors
from slipway.cli.app import app
from slipway.data.contract import Column

ROOT = Path(__file__).resolve().parents[2]
DOCS = {
    path.name: path.read_text(encoding="utf-8")
    for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
}


def commands(group: typing.Any, prefix: str = "") -> dict[str, typing.Any]:
    """Every verb by its whole name; a group such as ``data`` stands for the verbs in it."""
    found: dict[str, typing.Any] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= commands(command, f"{prefix}{name} ")
        else:
            found[prefix + name] = command
    return found


COMMANDS = commands(typer.main.get_command(app))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_documented_and_its_help_has_an_example(name: str) -> None:
    assert f"`slipway {name}" in DOCS["commands.md"]
    help_text = COMMANDS[name].help
    assert f"Example: `slipway {name}" in help_text, "each verb's help ends with an example"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)


def test_no_command_is_documented_that_does_not_exist() -> None:
    for page, text in DOCS.items():
        for verb in re.findall(r"^slipway (\w+)|`slipway (\w+)", text, flags=re.MULTILINE):
            name = verb[0] or verb[1]
            known = {verb.split()[0] for verb in COMMANDS} | {"COMMAND"}
            assert name in known, f"{page} mentions `slipway {name}`"


def settings() -> list[str]:
    found: list[str] = []
    for section in msgspec.structs.fields(config.Config):
        if section.name == "gates":
            continue
        found += [f"{section.name}.{key.name}" for key in msgspec.structs.fields(section.type)]
    return found


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCS["configuration.md"]


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {*settings(), "gates.<metric>"}
    for name in re.findall(
        r"`((?:project|data|train|serve|rollout|monitor|retrain)\.[a-z_<>]+)`", DOCS["configuration.md"]
    ):
        assert name in known


@pytest.mark.parametrize(
    "key", [field.name for field in msgspec.structs.fields(Column) if field.name != "name"]
)
def test_every_contract_key_is_documented(key: str) -> None:
    assert f"`{key}`" in DOCS["configuration.md"]


@pytest.mark.parametrize("gate", ["beats_baseline", "not_worse_than_live", "valid_outputs", "parity"])
def test_every_gate_is_documented(gate: str) -> None:
    source = "".join(path.read_text() for path in (ROOT / "src/slipway/learn").glob("*.py"))
    assert f'name="{gate}"' in source
    assert f"`{gate}`" in DOCS["configuration.md"]


def test_every_gate_of_the_code_is_in_the_list_above() -> None:
    source = (ROOT / "src/slipway/learn/gates.py").read_text()
    assert set(re.findall(r'name="(\w+)"', source)) == {
        "beats_baseline",
        "not_worse_than_live",
        "valid_outputs",
        "parity",
    }


@pytest.mark.parametrize("kind", errors.SlipwayError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_kind_of_error_is_documented(kind: type[errors.SlipwayError]) -> None:
    assert f"`{kind.code}`" in DOCS["errors.md"]
    for special in kind.__subclasses__():
        assert f"`{special.code}`" in DOCS["errors.md"]


def test_links_between_pages_lead_somewhere() -> None:
    for page, text in DOCS.items():
        base = ROOT if page == "README.md" else ROOT / "docs"
        for target in re.findall(r"\]\(([^)#:]+\.(?:md|json|svg|png|toml))\)", text):
            assert (base / target).exists(), f"{page} links to {target}"


def test_the_documentation_names_no_path_of_a_machine() -> None:
    for page, text in DOCS.items():
        assert not re.search(r"/(?:root|home|tmp|usr/local|opt)/\w", text.replace("/tmp/loans", "")), page

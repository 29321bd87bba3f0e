"""The house keeps its order: imports go down, no cycles, modules and functions stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "slipway"
MODULES = sorted(SOURCE.rglob("*.py"))

#: Packages that each layer may import, itself aside. cli stands on top; control and gateway are strangers.
BELOW = {
    "base": set[str](),
    "stats": {"base"},
    "store": {"base", "stats"},
    "data": {"base", "stats", "store"},
    "models": {"base", "stats", "store", "data"},
    "learn": {"base", "stats", "store", "data", "models"},
    "monitor": {"base", "stats", "store", "data", "models", "learn"},
    "rollout": {"base", "stats", "store", "data", "models", "learn"},
    "gateway": {"base", "stats", "store", "data", "models", "learn", "monitor", "rollout"},
    "control": {"base", "stats", "store", "data", "models", "learn", "monitor", "rollout"},
    "cli": {"base", "stats", "store", "data", "models", "learn", "monitor", "rollout", "gateway", "control"},
    "": {"cli"},
}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    parts = module.split(".")
    top = parts[1] if len(parts) > 1 else ""
    return top if top in BELOW else ""


def imports_of(path: Path) -> set[str]:
    """Every slipway module that a file imports, inside functions too."""
    known = {module_name(other) for other in MODULES}
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            base = node.module or ""
            found |= {
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names
            }
    return {name for name in found if name == "slipway" or name.startswith("slipway.")}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_go_down_only(path: Path) -> None:
    package = package_of(module_name(path))
    for name in imports_of(path):
        other = package_of(name)
        if name == "slipway" or other == package:
            continue
        assert other in BELOW[package], f"{module_name(path)} (layer {package}) imports {name} from above"


def test_no_module_is_part_of_an_import_cycle() -> None:
    graph = {module_name(path): imports_of(path) - {module_name(path)} for path in MODULES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, "import cycle: " + " -> ".join((*trail, name))
        if name in done:
            return
        for other in graph.get(name, set()):
            visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_modules_stay_under_500_lines_and_functions_under_60(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500, f"{path.name} is too long: split it by noun"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            lines = (node.end_lineno or 0) - node.lineno + 1 - len(docstring.splitlines())
            assert lines <= 60, f"{path.name}:{node.lineno} {node.name} has {lines} lines"


def test_the_layers_named_here_are_the_packages_that_exist() -> None:
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert packages == set(BELOW) - {""}


def test_the_statistics_know_no_clock_file_random_generator_or_logger() -> None:
    for path in (SOURCE / "stats").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                top = name.split(".")[0]
                assert top not in {
                    "time",
                    "datetime",
                    "os",
                    "pathlib",
                    "io",
                    "random",
                    "logging",
                    "sqlite3",
                }, path

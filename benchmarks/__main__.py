"""Run benchmarks by name: `python -m benchmarks [NAME ...]`; without a name all of them, one after another.

A benchmark is a package with a `__main__.py`, or else a module with a `main()` that takes no argument. A name
stands for all benchmarks below it: `controller` runs every module of that package. `--list` prints the names.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def _has_main(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.FunctionDef) and node.name == "main" and not node.args.args for node in tree.body
    )


def names(folder: Path = HERE) -> list[str]:
    """Dotted names of the benchmarks below ``folder``, sorted."""
    found: list[str] = []
    for package in sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isidentifier()):
        if (package / "__main__.py").is_file():
            found.append(package.name)
            continue
        modules = (path for path in package.glob("*.py") if path.name != "__init__.py" and _has_main(path))
        found += [f"{package.name}.{path.stem}" for path in modules]
    return sorted(found)


def chosen(wanted: list[str], known: list[str]) -> list[str]:
    """The benchmarks that ``wanted`` stands for.

    Raises:
        SystemExit: a name that stands for nothing.
    """
    for name in wanted:
        if not any(other == name or other.startswith(f"{name}.") for other in known):
            raise SystemExit(f"no benchmark {name!r}; there are: {', '.join(known)}")
    return [
        other
        for other in known
        if not wanted or any(other == name or other.startswith(f"{name}.") for name in wanted)
    ]


def _run(name: str) -> int:
    print(f"== {name}", flush=True)
    started = time.perf_counter()
    path = os.pathsep.join(filter(None, [str(HERE.parent / "src"), os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"],
        cwd=HERE.parent,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    print(f"== {name}: exit {ended.returncode} after {time.perf_counter() - started:.0f} s", flush=True)
    return ended.returncode


def main() -> None:
    known = names()
    if "--list" in sys.argv[1:]:
        print("\n".join(known))
        return
    # each in its own process: a benchmark's imports and settings must not reach the next one's figures
    failed = [name for name in chosen(sys.argv[1:], known) if _run(name)]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

"""The arrows of the design: who may import whom, read from the sources of all three packages."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pop3aio

# The folder of the packages that are tested: the checkout, or the place where a wheel was installed.
ROOT = Path(pop3aio.__file__).parents[1]

# The pure part of the standard library that the core rests on; no I/O, no clock, no threads.
PURE = {
    "__future__", "abc", "base64", "binascii", "collections", "contextlib", "dataclasses", "enum", "functools", "gc",
    "hashlib", "hmac", "itertools", "json", "re", "secrets", "stringprep", "types", "typing", "unicodedata",
}  # fmt: skip


# The walls inside pop3aio: what each room may import of pop3aio beside itself. A room that is not listed is free.
FACE = {"_client", "_errors"}
ROOMS = {
    "_wire": {"_errors"},
    "_session": {"_wire", "_errors", "_options"},
    "_login": {"_session", "_errors"},
    "_fetch": FACE,
    "_record": {"_wire", "_errors"},
    "_errors.py": set(),
    "_options.py": {"_wire", "_errors"},
}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each imported module, and whether that waits for a call or is for a type checker only."""
    tree = ast.parse(path.read_text("utf-8"), str(path))
    lazy = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node in lazy
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute here"
            yield node.module or "", node in lazy
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert name not in ("import_module", "__import__"), f"{path}: an import that cannot be seen"


def allowed(path: Path, module: str, lazy: bool) -> bool:
    parts = path.relative_to(ROOT).parts
    package = module.partition(".")[0]
    stdlib = package in sys.stdlib_module_names
    if parts[0] == "pop3core":
        return package in PURE or package == "pop3core"
    if parts[0] == "maildir":
        return stdlib or package in ("maildir", "aiofiles")
    assert parts[0] == "pop3aio"
    if package == "pop3aio":
        return within_walls(parts[1], module)
    if stdlib or package == "pop3core":
        return True
    if package == "rich":
        return parts[1] == "_cli"
    if package == "idna":
        return lazy
    if package == "trustme":
        return parts[1] == "testing" and lazy
    if package == "pytest":
        return parts[1] == "testing"
    return package == "maildir" and parts[1] in ("_cli", "__main__.py")


def within_walls(room: str, module: str) -> bool:
    """Tell whether a module of pop3aio that stands in `room` may import `module`."""
    if room not in ROOMS:
        return True
    names = module.split(".")
    return len(names) > 1 and (names[1] == room or names[1] in ROOMS[room])


SOURCES = sorted(path for name in ("pop3core", "pop3aio", "maildir") for path in (ROOT / name).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows(path: Path) -> None:
    for module, lazy in imports(path):
        assert allowed(path, module, lazy), f"{path.relative_to(ROOT)} imports {module}"


def test_sources_were_found() -> None:
    assert len([path for path in SOURCES if path.parent.name == "pop3core"]) >= 10


@pytest.mark.parametrize(
    ("file", "module", "lazy"),
    [
        ("pop3core/_connection.py", "asyncio", False),
        ("pop3core/_connection.py", "time", True),
        ("pop3core/_connection.py", "pop3aio", False),
        ("pop3core/_connection.py", "logging", False),
        ("maildir/_maildir.py", "pop3core", False),
        ("maildir/_maildir.py", "pop3aio", True),
        ("maildir/_maildir.py", "rich", False),
        ("pop3aio/_fetch/_fetch.py", "maildir", True),
        ("pop3aio/_fetch/_fetch.py", "pop3aio", False),
        ("pop3aio/_fetch/_fetch.py", "pop3aio._session._queue", True),
        ("pop3aio/_login/_order.py", "pop3aio._fetch._journal", False),
        ("pop3aio/_session/_queue.py", "pop3aio._login._order", False),
        ("pop3aio/_session/_queue.py", "pop3aio._client", False),
        ("pop3aio/_wire/_stream.py", "pop3aio._session._queue", False),
        ("pop3aio/_client.py", "rich", True),
        ("pop3aio/_client.py", "aiofiles", False),
        ("pop3aio/testing/_certificates.py", "trustme", False),
        ("pop3aio/testing/_server.py", "maildir", False),
    ],
)
def test_what_is_no_arrow(file: str, module: str, lazy: bool) -> None:
    assert not allowed(ROOT / file, module, lazy)

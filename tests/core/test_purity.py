"""Importing the core brings in nothing that does I/O, waits, or looks at a clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pop3core

FORBIDDEN = {
    "asyncio", "selectors", "select", "_socket", "socket", "_ssl", "ssl", "threading", "concurrent", "logging",
    "multiprocessing", "subprocess", "signal", "queue", "datetime", "random", "secrets", "hashlib", "email",
    "urllib", "http", "poplib", "pop3aio", "maildir", "aiofiles",
}  # fmt: skip

LOADED = """
import sys
sys.path.insert(0, {root!r})
before = set(sys.modules)
import pop3core
print("\\n".join(sorted(set(sys.modules) - before)))
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)


def test_modules_loaded() -> None:
    root = str(Path(pop3core.__file__).parents[1])
    loaded = set(python("-I", "-S", "-c", LOADED.format(root=root)).stdout.split())
    assert "pop3core._connection" in loaded
    packages = {name.partition(".")[0] for name in loaded}
    assert not packages & FORBIDDEN
    assert "time" not in loaded


def test_import_time_lists_no_io() -> None:
    root = str(Path(pop3core.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {root!r}); import pop3core"
    report = python("-X", "importtime", "-I", "-S", "-c", code).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in report.splitlines()}
    assert "pop3core" in imported
    assert not imported & FORBIDDEN

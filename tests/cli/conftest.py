"""Fixtures of the command's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from .support import Cli


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Run the command in this process."""
    yield Cli(capsys, monkeypatch)
    sys.stdin.close()

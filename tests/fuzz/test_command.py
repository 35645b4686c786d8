"""The command that fuzzes: what it says where it cannot be guided, and what it leaves when it finds something."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from . import __main__ as command
from . import target
from .corpus import load, unpack


def test_inputs_are_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[bytes] = []
    monkeypatch.setattr(target, "fuzz_one", played.append)
    unpack(tmp_path)
    assert command.main([str(path) for path in tmp_path.iterdir()]) == 0
    assert sorted(played) == sorted(load().values())


def test_a_finding_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = set(load().values())

    def fuzz_one(data: bytes) -> None:
        assert data in known

    monkeypatch.setattr(target, "fuzz_one", fuzz_one)
    with pytest.raises(AssertionError):
        command.main(["--unguided", "--seconds", "600", "--seed", "7", "--found", str(tmp_path)])
    assert (tmp_path / "crash").read_bytes() not in known
    said = capsys.readouterr().err
    assert "seed 7" in said
    assert str(tmp_path / "crash") in said


@pytest.mark.parametrize(("in_ci", "code"), [(True, 2), (False, 0)])
def test_without_atheris(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    in_ci: bool,
    code: int,
) -> None:
    real = importlib.util.find_spec

    def find_spec(name: str, *rest: Any) -> Any:
        return None if name == "atheris" else real(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setenv("CI", "true")
    if not in_ci:
        monkeypatch.delenv("CI")
    assert command.main(["--seconds", "0", "--found", str(tmp_path)]) == code
    assert "NOT GUIDED BY COVERAGE" in capsys.readouterr().err

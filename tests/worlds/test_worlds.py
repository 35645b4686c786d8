"""Worlds in which everything fails at times: `fetch` and `collect` keep every promise. `__main__` is the long form."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from .mutants import MUTANTS
from .world import run_world

WORLDS = 300
TOGETHER = 25
# A mutant must be found within so many worlds.
REACH = 100


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd listings are an everyday thing here."""
    monkeypatch.setattr(logging.getLogger("pop3aio"), "level", logging.CRITICAL)


@pytest.mark.parametrize("first", range(0, WORLDS, TOGETHER))
def test_every_promise_is_kept(tmp_path: Path, first: int) -> None:
    found = []
    for seed in range(first, first + TOGETHER):
        folder = tmp_path / str(seed)
        folder.mkdir()
        _, broken = run_world(seed, folder)
        found += [f"{error}; once more: python -m tests.worlds --seed {seed}" for error in broken[:1]]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", MUTANTS)
def test_each_safety_is_needed(tmp_path: Path, name: str) -> None:
    """Without it, one of the worlds finds what is broken; `MUTANTS` says what, and from which world on."""
    mutant = MUTANTS[name]
    with mutant.applied():
        for seed in range(mutant.first, mutant.first + REACH):
            folder = tmp_path / str(seed)
            folder.mkdir()
            _, broken = run_world(seed, folder)
            if any(error.promise == mutant.breaks for error in broken):
                return
    pytest.fail(f"without {name} no world has a broken promise of the kind {mutant.breaks!r}")

"""The servers of the campaigns."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from pop3aio.testing import Server
from tests.cli.conftest import cli
from tests.kit.dovecot import Dovecot, require_dovecot

from .world import DovecotDrop, EmbeddedDrop, Maildrop

__all__ = ("MakeMaildrop", "cli", "dovecot", "maildrop")

MakeMaildrop = Callable[[], Maildrop]


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeMaildrop]:
    """Return what makes empty maildrops on a Dovecot."""
    require_dovecot()
    users = {f"user{number}": "password" for number in range(8)}
    with Dovecot(tmp_path_factory.mktemp("dovecot"), users=users) as running:
        numbers = itertools.count()
        yield lambda: DovecotDrop(running, f"user{next(numbers)}")


@pytest.fixture
async def maildrop() -> AsyncIterator[Maildrop]:
    """Return an empty maildrop on the embedded server."""
    async with Server() as server:
        yield EmbeddedDrop(server)

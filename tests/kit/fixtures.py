"""Fixtures that several folders of tests share. A folder's conftest.py imports those that its tests need."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest

from pop3aio.testing import Certificates, make_certificates
from tests.kit.leaks import Leaks

__all__ = ("certificates", "no_leaks")


@pytest.fixture(autouse=True)
async def no_leaks() -> AsyncIterator[Leaks]:
    """Fail a test that leaves a task, a socket, or an exception that no code looked at.

    A folder whose conftest.py imports this fixture has it around each of its tests.
    """
    leaks = Leaks()
    yield leaks
    gc.collect()
    assert not await leaks.settled()


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    """An authority, and a server's certificate for localhost and its addresses."""
    return make_certificates()

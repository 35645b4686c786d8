"""What the tests here share with those of the adapter: a look for leaks, and certificates."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest

from pop3aio.testing import Certificates, make_certificates
from tests.kit.leaks import Leaks


@pytest.fixture(autouse=True)
async def no_leaks() -> AsyncIterator[None]:
    """Nothing may be left of a test: no task, no socket, no exception that nobody looked at."""
    leaks = Leaks()
    yield
    gc.collect()
    await leaks.settle(rounds=20)
    assert not leaks.found()


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    """An authority, and a server's certificate for localhost."""
    return make_certificates()

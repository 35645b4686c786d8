"""The limits are tried like all else of the adapter: nothing may be left."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest

from pop3aio.testing import Certificates, make_certificates
from tests.kit.leaks import Leaks


@pytest.fixture(autouse=True)
async def no_leaks() -> AsyncIterator[None]:
    leaks = Leaks()
    yield
    gc.collect()
    assert not await leaks.settle(rounds=40)


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    """An authority, and a server's certificate for localhost."""
    return make_certificates()

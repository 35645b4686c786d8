"""What all tests of the adapter share: a limit, a look for leaks, and certificates."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pop3aio.testing import Certificates, make_certificates
from tests.kit.leaks import Leaks

# Only a net: a test that meets it has found a hang.
LIMIT = 20.0

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and isinstance(item, pytest.Function):
            item.obj = _limited(item.obj) if inspect.iscoroutinefunction(item.obj) else item.obj


def _limited(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def limited(**arguments: Any) -> None:
        async with asyncio.timeout(LIMIT):
            await test(**arguments)

    return limited


@pytest.fixture(autouse=True)
async def no_leaks() -> AsyncIterator[Leaks]:
    """Nothing may be left of a test: no task, no socket, no exception that nobody looked at."""
    leaks = Leaks()
    yield leaks
    gc.collect()
    for _ in range(100):
        if not leaks.found():
            break
        await asyncio.sleep(0.01)
    assert not leaks.found()


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    """An authority, and a server's certificate for localhost."""
    return make_certificates()

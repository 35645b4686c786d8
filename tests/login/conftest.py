"""What all tests of the login share: a limit, a look for leaks, and certificates."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
from collections.abc import Awaitable, Callable
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
        if (
            item.path.parent == HERE
            and isinstance(item, pytest.Function)
            and inspect.iscoroutinefunction(item.obj)
        ):
            item.obj = _watched(item.obj)


def pytest_collection_finish() -> None:
    # What was imported needs not be looked through after every test.
    gc.freeze()


def _watched(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def watched(**arguments: Any) -> None:
        leaks = Leaks()
        async with asyncio.timeout(LIMIT):
            await test(**arguments)
        gc.collect()
        for _ in range(100):
            if not leaks.found():
                break
            await asyncio.sleep(0.01)
        assert not leaks.found()

    return watched


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    """An authority, and a server's certificate for localhost and its addresses."""
    return make_certificates()

"""What holds for every test: asyncio's debug mode, usual signals, a time limit, the fixtures of pop3aio's plugin."""

from __future__ import annotations

import gc
import os
import signal

import pytest

from tests.kit.pace import FACTOR, stretched

# Before any loop exists.
os.environ["PYTHONASYNCIODEBUG"] = "1"

# A job in the background (`nohup bash tests/run &`) begins with these signals ignored, and its children would inherit
# that: a test that sends a child SIGINT would wait for ever. A handler is not inherited, so a child has the default.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler)

pytest_plugins = ["pytester", "pop3aio.testing.pytest_plugin"]

# Only a net, far above what any test takes: a test that meets it has found a hang. It fails by its name.
LIMIT = 120.0


def pytest_report_header() -> str:
    """Say how much the time limits are stretched."""
    return f"time limits: {FACTOR:.1f} times as long as on an idle machine"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its time limit; a soak has none."""
    for item in items:
        if item.get_closest_marker("soak") is None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(stretched(LIMIT)))


def pytest_collection_finish() -> None:
    """Leave what was imported out of each later search for garbage."""
    gc.freeze()

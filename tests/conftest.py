"""What every test shares: asyncio's debug mode, switched on before any loop exists, and the fixtures of the kit."""

from __future__ import annotations

import os

os.environ["PYTHONASYNCIODEBUG"] = "1"

pytest_plugins = ["pytester", "pop3aio.testing.pytest_plugin"]

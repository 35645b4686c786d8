"""What every test shares: asyncio's debug mode, switched on before any loop exists."""

from __future__ import annotations

import os

os.environ["PYTHONASYNCIODEBUG"] = "1"

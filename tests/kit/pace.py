"""How slow this machine is just now: the factor by which a test's real time limits are stretched.

A test that waits in real time has two kinds of limits. A *net* ends a hang: `tests/conftest.py` gives one to each
test. A *limit under test* is part of what the test asserts ("the handshake ends after 0.2 s"); a loaded machine can
meet such a limit before the peer has done its part. Both are multiplied by `FACTOR`.

`POP3AIO_TESTS_TIME_FACTOR` sets the factor. Without it, the factor is measured once for each process: a fixed piece of
work takes as much longer by the wall clock than by the processor's clock as the machine is loaded.
"""

from __future__ import annotations

import os
import time

__all__ = ("FACTOR", "stretched")

# So much processor time is spent on measuring. It is longer than a scheduler's time slice.
_SAMPLE = 0.03


def _measured() -> float:
    started = time.perf_counter()
    spent_before = time.process_time()
    while (spent := time.process_time() - spent_before) < _SAMPLE:
        pass
    return max(1.0, (time.perf_counter() - started) / spent)


FACTOR = float(os.environ.get("POP3AIO_TESTS_TIME_FACTOR") or 0) or _measured()


def stretched(seconds: float) -> float:
    """Return the seconds that this machine needs for what takes `seconds` on an idle machine."""
    return seconds * FACTOR

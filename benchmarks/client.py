"""One measurement in a process of its own: ``python -m benchmarks.client MODULE:FUNCTION JOB`` prints a Sample.

What a client imports and prepares is done before the clock starts. The clock runs from before the connection is
opened until QUIT is answered; a Maildir is counted after it has stopped. For an external program it includes the
program's start.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.jobs import Job, Sample
from benchmarks.programs import Program

__all__ = ("main", "measure")


def measure(function: str, job: Job) -> Sample:
    """Run one client and return what it took; raises what the client raises."""
    module, _, name = function.partition(":")
    run, octets = getattr(importlib.import_module(f"benchmarks.{module}"), name)(job)
    _reset_peak()
    idle = _memory("VmRSS")
    external = module == "programs"
    cpu = _cpu(external)
    wall = time.perf_counter()
    result = run()
    wall = time.perf_counter() - wall
    cpu = _cpu(external) - cpu
    peak = result.peak if isinstance(result, Program) else _memory("VmHWM")
    return Sample(wall, cpu, octets(result), 0.0 if external else idle, peak)


def _cpu(children: bool) -> float:
    """Return user and system time so far, in seconds: ours, or that of children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _reset_peak() -> None:
    # What the imports needed is not what the work needs. Elsewhere than on Linux the peak is that of the process.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _memory(field: str) -> float:
    """Return a figure of our memory, in MB.

    Not ru_maxrss where there is a choice: across fork and exec that begins with the parent's.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def main(arguments: list[str]) -> None:
    """Print the Sample as JSON on the last line of the output."""
    function, text = arguments
    job = Job.from_json(text)
    if job.durability == "full":
        os.sync()
    try:
        sample = measure(function, job)
    except Exception as error:
        sample = Sample(error=f"{type(error).__name__}: {error}")
    print(json.dumps(asdict(sample)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

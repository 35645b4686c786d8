"""What the samples amount to: medians, ratios, tables, JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.jobs import Job
from benchmarks.runner import Measured
from benchmarks.workloads import Workload

__all__ = ("Line", "Result", "as_json", "machine", "result", "table")


@dataclass(frozen=True)
class Line:
    """A row of a table. Times in seconds, `rate` in MB (10**6 octets) and `units` in messages or entries, both per
    second of wall time; `cpu_each` in microseconds; memory in MB. Ratios say how many times faster than the other, by
    medians: `wall_ratio` and `cpu_ratio` than the workload's baseline, which is poplib for most. `floor_cpu` is the CPU
    time over that of the floor, a BufferedProtocol. None where the other was not measured.
    """

    label: str
    tool: str
    version: str
    problem: str
    runs: int = 0
    octets: int = 0
    wall: float = 0.0
    wall_best: float = 0.0
    cpu: float = 0.0
    cpu_best: float = 0.0
    rate: float = 0.0
    units: float = 0.0
    cpu_each: float = 0.0
    peak: float = 0.0
    above_idle: float | None = None
    wall_ratio: float | None = None
    cpu_ratio: float | None = None
    curl_ratio: float | None = None
    mpop_ratio: float | None = None
    floor_cpu: float | None = None


@dataclass(frozen=True)
class Result:
    """All that came of one workload: the lines of its table, and the samples behind them."""

    workload: Workload
    lines: list[Line]
    measured: list[Measured]


def result(workload: Workload, measured: list[Measured], job: Job) -> Result:
    """Compute the lines of a workload's table."""
    units = workload.mail.count if workload.known else job.count * job.mailboxes
    walls = {entry.row.label: median(s.wall for s in entry.samples) for entry in measured if _well(entry)}
    cpus = {entry.row.label: median(s.cpu for s in entry.samples) for entry in measured if _well(entry)}
    lines = [_line(entry, units, walls, cpus, workload.baseline) for entry in measured]
    return Result(workload, lines, measured)


def _well(entry: Measured) -> bool:
    return bool(entry.samples) and not entry.error


def _line(
    entry: Measured, units: int, walls: dict[str, float], cpus: dict[str, float], baseline: str
) -> Line:
    row = entry.row
    if not _well(entry):
        return Line(row.label, row.tool, entry.version, entry.missing or entry.error)
    wall, cpu = walls[row.label], cpus[row.label]
    octets = entry.samples[0].octets
    idle = max(sample.idle for sample in entry.samples)
    peak = max(sample.peak for sample in entry.samples)
    above = max(sample.peak - sample.idle for sample in entry.samples) if idle else None
    floor = _of(cpus, "floor: BufferedProtocol")
    return Line(
        row.label,
        row.tool,
        entry.version,
        "",
        runs=len(entry.samples),
        octets=octets,
        wall=wall,
        wall_best=min(sample.wall for sample in entry.samples),
        cpu=cpu,
        cpu_best=min(sample.cpu for sample in entry.samples),
        rate=octets / wall / 1e6,
        units=units / wall,
        cpu_each=cpu / units * 1e6,
        peak=peak,
        above_idle=above,
        wall_ratio=_ratio(_of(walls, baseline), wall),
        cpu_ratio=_ratio(_of(cpus, baseline), cpu),
        curl_ratio=_ratio(_of(walls, "curl"), wall),
        mpop_ratio=_ratio(_of(walls, "mpop"), wall),
        floor_cpu=cpu / floor if floor else None,
    )


def _of(values: dict[str, float], label: str) -> float | None:
    return next((value for name, value in values.items() if name.startswith(label)), None)


def _ratio(other: float | None, own: float) -> float | None:
    return other / own if other is not None and own else None


def table(found: Result) -> str:
    """Return a workload's table in Markdown; a column that nobody has a figure for is left out."""
    unit = "entries" if found.workload.unit == "entry" else "messages"
    columns: list[tuple[str, list[str]]] = [
        ("client", [line.label for line in found.lines]),
        ("version", [line.version or "-" for line in found.lines]),
        ("runs", [str(line.runs) for line in found.lines]),
        ("wall s, median / best", [f"{line.wall:.3f} / {line.wall_best:.3f}" for line in found.lines]),
        ("CPU s", [f"{line.cpu:.3f}" for line in found.lines]),
        ("MB/s", [f"{line.rate:.1f}" for line in found.lines]),
        (f"{unit}/s", [f"{line.units:.0f}" for line in found.lines]),
        ("CPU us each", [f"{line.cpu_each:.1f}" for line in found.lines]),
        ("peak MB (above idle)", [_memory(line) for line in found.lines]),
    ]
    for title, field in (
        (f"x {found.workload.baseline}, wall", "wall_ratio"),
        (f"x {found.workload.baseline}, CPU", "cpu_ratio"),
        ("x curl, wall", "curl_ratio"),
        ("x mpop, wall", "mpop_ratio"),
        ("CPU / floor", "floor_cpu"),
    ):
        values: list[float | None] = [getattr(line, field) for line in found.lines]
        if any(value is not None for value in values):
            columns.append((title, ["" if value is None else f"{value:.2f}" for value in values]))
    heads = [title for title, _ in columns]
    rows = [heads, ["---"] * len(heads)]
    for index, line in enumerate(found.lines):
        if line.problem:
            rows.append([line.label, line.version or "-", line.problem, *[""] * (len(heads) - 3)])
        else:
            rows.append([values[index] for _, values in columns])
    body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"### {found.workload.name}: {found.workload.title}\n\n{body}\n"


def _memory(line: Line) -> str:
    above = "" if line.above_idle is None else f" (+{line.above_idle:.0f})"
    return f"{line.peak:.0f}{above}"


def machine() -> dict[str, Any]:
    """Return what there is to say of the machine, without its name."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else (0.0, 0.0, 0.0)
    return {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "kernel": ".".join(platform.release().split("-")[0].split(".")[:2]),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load": [round(value, 2) for value in load],
    }


def as_json(before: dict[str, Any], found: Iterable[Result]) -> dict[str, Any]:
    """Return everything, samples included, for `json.dump`."""
    return {
        "machine": before,
        "workloads": [
            {
                "name": entry.workload.name,
                "title": entry.workload.title,
                "growth": entry.workload.growth,
                "size": entry.workload.size,
                "rows": [
                    {**asdict(line), "samples": [asdict(sample) for sample in measured.samples]}
                    for line, measured in zip(entry.lines, entry.measured, strict=True)
                ],
            }
            for entry in found
        ],
    }

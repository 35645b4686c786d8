"""The charts: how many times faster than poplib, and how the cost of one message grows with their number.

Both are drawn from what `report.as_json` makes, so that a run can be drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import Any, TypeAlias

__all__ = ("growth", "ratios")

_Workload: TypeAlias = dict[str, Any]
_Row: TypeAlias = dict[str, Any]

_INK, _GREY, _GRID = "#24292f", "#6e7781", "#d8dee4"
_COLOURS = {
    "pop3aio": "#0969da",
    "curl": "#bf8700",
    "mpop": "#8250df",
    "Twisted": "#6e7781",
    "fetchmail": "#cf222e",
}
_CURVES = {"pop3aio": ("pop3aio", "#0969da"), "python": ("standard library", "#6e7781")}
_FONT = "font-family='Helvetica, Arial, sans-serif'"

_NAMES = {
    "w1": "10 000 messages of 4 KiB",
    "w1m": "the same into a Maildir",
    "w1f": "the same, synced to a disk",
    "w2": "200 messages of 5 MB",
    "w2m": "the same into a Maildir",
    "w3": "one message of 1 GB",
    "w4": "500 messages, 50 ms away",
    "w5": "500 mailboxes at once",
    "w6": "200 messages of 5 MB, TLS",
    "w7": "listing 200 000 messages",
}


def _text(x: float, y: float, text: str, *, size: int = 12, fill: str = _INK, anchor: str = "start") -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' font-size='{size}'"
    return f"<text {place} fill='{fill}' text-anchor='{anchor}'>{escape(text)}</text>"


def _rule(x1: float, y1: float, x2: float, y2: float, colour: str = _GRID) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"


def _legend(entries: Iterable[tuple[str, str]]) -> list[str]:
    parts, at = [], 16.0
    for name, colour in entries:
        parts.append(f"<rect x='{at}' y='36' width='10' height='10' rx='2' fill='{colour}'/>")
        parts.append(_text(at + 15, 45, name, fill=_GREY))
        at += 30 + 7 * len(name)
    return parts


def _document(width: int, height: int, parts: Iterable[str]) -> str:
    size = f"viewBox='0 0 {width} {height}' width='{width}' height='{height}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} {_FONT}>"
    return "\n".join([head, "<rect width='100%' height='100%' fill='white'/>", *parts, "</svg>"]) + "\n"


def _bars(workload: _Workload) -> list[_Row]:
    """Return for each tool that was compared its first row: pop3aio's without uvloop."""
    bars: dict[str, _Row] = {}
    for row in workload["rows"]:
        if row["tool"] in _COLOURS and row["wall_ratio"]:
            bars.setdefault(row["tool"], row)
    return [bars[tool] for tool in _COLOURS if tool in bars]


def ratios(workloads: Iterable[_Workload]) -> str:
    """Return an SVG with a group of bars for each workload: speed by wall time, on a logarithmic scale."""
    groups = [(workload["name"], _bars(workload)) for workload in workloads if workload["name"] in _NAMES]
    groups = [(name, bars) for name, bars in groups if bars]
    speeds = [row["wall_ratio"] for _, bars in groups for row in bars]
    low, high = math.log2(min([0.25, *speeds])), math.log2(max([2.0, *speeds]) * 1.5)
    left, right, top = 200, 700, 64

    def x(ratio: float) -> float:
        return left + (math.log2(ratio) - low) / (high - low) * (right - left)

    tools = {row["tool"] for _, bars in groups for row in bars}
    parts = [
        _text(
            16, 24, "How many times as fast as poplib (wall time, medians of one run; logarithmic)", size=14
        )
    ]
    parts += _legend((tool, colour) for tool, colour in _COLOURS.items() if tool in tools)
    bodies: list[str] = []
    y: float = top
    for name, bars in groups:
        bodies.append(_text(left - 12, y + 7 * len(bars) + 3, _NAMES[name], anchor="end"))
        for row in bars:
            ratio = row["wall_ratio"]
            start, end = sorted((x(1.0), x(ratio)))
            bodies.append(
                f"<rect x='{start:.1f}' y='{y:.1f}' width='{max(end - start, 1):.1f}' height='11' rx='2' "
                f"fill='{_COLOURS[row['tool']]}'/>"
            )
            label = f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"
            bodies.append(_text(max(end, x(1.0)) + 5, y + 9.5, label, size=10))
            y += 14
        y += 12
    for power in range(math.ceil(low), math.floor(high) + 1):
        label = f"{2**power}" if power >= 0 else f"1/{2**-power}"
        parts.append(_rule(x(2.0**power), top - 6, x(2.0**power), y - 4, _GRID if power else _GREY))
        parts.append(_text(x(2.0**power), y + 10, label, size=10, fill=_GREY, anchor="middle"))
    return _document(720, int(y) + 24, parts + bodies)


def growth(workloads: Iterable[_Workload]) -> str:
    """Return an SVG with one panel for each quantity that grows: microseconds of wall time for one message."""
    panels: dict[str, list[_Workload]] = {}
    for workload in workloads:
        if workload["growth"]:
            panels.setdefault(workload["growth"], []).append(workload)
    title = "Microseconds of wall time for one message as their number grows (flat is linear)"
    parts = [_text(16, 24, title, size=14), *_legend(_CURVES.values())]
    for number, (name, points) in enumerate(panels.items()):
        parts += _panel(16 + number * 240, name, points)
    return _document(16 + 240 * max(1, len(panels)), 280, parts)


def _panel(left: float, title: str, workloads: list[_Workload]) -> list[str]:
    top, bottom, right = 92.0, 236.0, left + 212
    curves: dict[str, list[tuple[int, float]]] = {}
    for workload in workloads:
        for row in workload["rows"]:
            if row["units"] and row["tool"] in _CURVES:
                curves.setdefault(row["tool"], []).append((workload["size"], 1e6 / row["units"]))
    if not curves:
        return []
    sizes = sorted({size for points in curves.values() for size, _ in points})
    step = _round_step(max(cost for points in curves.values() for _, cost in points) / 4)
    gap = (right - left - 72) / max(1, len(sizes) - 1)
    x = {size: left + 46 + index * gap for index, size in enumerate(sizes)}
    parts = [_text(left, top - 16, title)]
    for mark in range(5):
        y = bottom - mark / 4 * (bottom - top)
        parts.append(_rule(left + 30, y, right, y))
        parts.append(_text(left + 26, y + 3, f"{step * mark:g}", size=10, fill=_GREY, anchor="end"))
    for size in sizes:
        label = f"{size:,}".replace(",", " ")
        parts.append(_text(x[size], bottom + 16, label, size=10, fill=_GREY, anchor="middle"))
    for tool, points in curves.items():
        colour = _CURVES[tool][1]
        places = [(x[size], bottom - cost / (4 * step) * (bottom - top)) for size, cost in points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts += [f"<circle cx='{px:.1f}' cy='{py:.1f}' r='3' fill='{colour}'/>" for px, py in places]
    return parts


def _round_step(step: float) -> float:
    """Return the next number above `step` that reads well."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(
        factor * power for factor in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0) if factor * power >= step
    )

"""``python -m benchmarks``: measures pop3aio and its peers side by side, and prints a table for each workload."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.chart import growth, ratios
from benchmarks.report import Result, as_json, machine, result, table
from benchmarks.runner import run
from benchmarks.workloads import Workload, workloads

__all__ = ("main",)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="rounds (default: %(default)s)")
    parser.add_argument(
        "--only",
        metavar="W1,W2",
        help="these workloads; growth, parser and w9 stand for all that begin so",
    )
    parser.add_argument("--quick", action="store_true", help="a twentieth of the size, for a look")
    parser.add_argument("--count", type=int, metavar="N", help="so many messages in every mailbox")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write everything, each sample included")
    parser.add_argument(
        "--svg", metavar="FILE", type=Path, help="draw the ratios, and the growth into FILE-growth"
    )
    parser.add_argument(
        "--disk", metavar="DIRECTORY", help="where a disk is (default: the directory for temporary files)"
    )
    parser.add_argument(
        "--draw", metavar="FILE", type=Path, help="draw what --json wrote, and measure nothing"
    )
    parser.add_argument("--list", action="store_true", help="name the workloads and stop")
    return parser.parse_args(arguments)


def _chosen(only: str | None, quick: bool, count: int | None) -> list[Workload]:
    found = workloads(quick, count)
    if only is None:
        return found
    names = only.lower().split(",")
    chosen = [
        workload
        for workload in found
        if workload.name in names
        or workload.name.partition("-")[0] in names
        or (workload.growth and "growth" in names)
    ]
    known = {workload.name for workload in chosen} | {w.name.partition("-")[0] for w in chosen} | {"growth"}
    if unknown := set(names) - known:
        sys.exit(f"there is no workload {', '.join(sorted(unknown))}; --list names them")
    return chosen


def main(arguments: list[str] | None = None) -> None:
    """Run what was asked for, print the tables as they come, write the files at the end."""
    options = _arguments(arguments)
    if options.draw is not None:
        _draw(
            options.svg or options.draw.with_suffix(".svg"), json.loads(options.draw.read_text())["workloads"]
        )
        return
    chosen = _chosen(options.only, options.quick, options.count)
    if options.list:
        for workload in chosen:
            print(f"{workload.name:14} {workload.title}")
        return
    before = machine()
    print(
        f"{before['cores']} cores, {before['system']} {before['kernel']}, {before['python']}, "
        f"load {before['load'][0]}\n",
        flush=True,
    )
    results: list[Result] = []
    for workload in chosen:
        measured, job = run(workload, options.runs, options.disk, _tell)
        results.append(result(workload, measured, job))
        print(table(results[-1]), flush=True)
        # After each one, so that a run which is broken off leaves what it has.
        if options.json is not None:
            options.json.write_text(json.dumps(as_json(before, results), indent=1))
    if options.svg is not None:
        _draw(options.svg, as_json(before, results)["workloads"])


def _draw(target: Path, found: list[dict[str, Any]]) -> None:
    target.write_text(ratios(found))
    if any(workload["growth"] for workload in found):
        target.with_name(f"{target.stem}-growth{target.suffix}").write_text(growth(found))


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

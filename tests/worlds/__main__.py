"""The long form: ``python -m tests.worlds --worlds 20000``; one world again: ``python -m tests.worlds --seed 17``."""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from .world import run_world


def one(seed: int) -> tuple[int, int, int, list[tuple[str, str]]]:
    """Run one world; return its number, its runs, its messages, and what was broken."""
    with tempfile.TemporaryDirectory() as folder:
        world, broken = run_world(seed, Path(folder))
    return seed, world.runs, len(world.model.all), [(error.promise, str(error)) for error in broken]


def show(seed: int) -> bool:
    """Run one world and tell all of it; return whether every promise was kept."""
    with tempfile.TemporaryDirectory() as folder:
        world, broken = run_world(seed, Path(folder))
    print(
        f"store {type(world.store).__name__}, {world.policy}, limit {world.limit}, collect {world.collects}, "
        f"{world.habits}"
    )
    print(*world.model.all, sep="\n")
    print(*world.log, sep="\n")
    print(*map(str, broken), sep="\n")
    print(f"{len(broken)} promises broken")
    return not broken


def main(arguments: argparse.Namespace) -> bool:
    """Run worlds and print what was found; return whether every promise was kept."""
    logging.getLogger("pop3aio").setLevel(logging.CRITICAL)
    if arguments.worlds is None:
        return show(arguments.seed)
    start = time.monotonic()
    runs = messages = 0
    found: Counter[str] = Counter()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for seed, ran, mails, broken in pool.map(
            one, range(arguments.seed, arguments.seed + arguments.worlds), chunksize=20
        ):
            runs, messages = runs + ran, messages + mails
            # The first of each kind.
            for promise, text in dict(reversed(broken)).items():
                found[promise] += 1
                print(f"seed {seed}: {text}", flush=True)
    print(
        f"\n{arguments.worlds} worlds, {runs} runs, {messages} messages, {time.monotonic() - start:.0f} s: "
        f"{found.total()} broken promises {dict(found)}"
    )
    return not found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tests.worlds", description="Let worlds happen, and check them."
    )
    parser.add_argument("--worlds", type=int, help="how many; without it, the one of --seed is told in full")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first")
    parser.add_argument("--jobs", type=int, default=2)
    raise SystemExit(0 if main(parser.parse_args()) else 1)

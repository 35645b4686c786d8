"""The long form: ``python -m tests.crash --kills 300 --messages 20000 --server both``."""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from pop3aio.testing import Server
from tests.kit.dovecot import Dovecot

from .kills import Campaign
from .victim import STEPS
from .world import DovecotDrop, EmbeddedDrop, Findings, Maildrop

CAMPAIGN = 10
"""Kills in one campaign, about."""


async def campaign(
    maildrop: Maildrop, folder: Path, *, seed: int, kills: int, messages: int, keep: bool
) -> Findings:
    """Fetch so many messages into a new Maildir, with so many kills on the way."""
    chance = random.Random(seed)
    async with Campaign(maildrop, folder, seed=seed, keep=keep) as one:
        for _ in range(kills):
            one.send(-(-messages // kills))
            # Half of them from outside, half at a step, and where it is not reached somewhere else.
            inside = chance.random() < 0.5 and await one.killed_at(
                chance.choice(STEPS), chance.choice((1, 1, 1, 2, 5))
            )
            while not inside and not await one.killed_at_random():
                one.send(1)
        return await one.complete()


def maildrops(server: Server | None, dovecot: Dovecot | None) -> Iterator[Maildrop]:
    """Yield new maildrops, on the servers in turn."""
    number = 0
    while True:
        if server is not None:
            yield EmbeddedDrop(server)
        if dovecot is not None:
            yield DovecotDrop(dovecot, f"user{number}")
            number += 1


async def main(arguments: argparse.Namespace) -> bool:
    """Run campaigns and print what was found; return whether every promise was kept."""
    count = max(2, round(arguments.kills / CAMPAIGN))
    start = time.monotonic()
    total = Findings()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder)))
        server = dovecot = None
        if arguments.server != "dovecot":
            server = await stack.enter_async_context(Server())
        if arguments.server != "embedded":
            users = {f"user{number}": "password" for number in range(count)}
            dovecot = stack.enter_context(Dovecot(folder, users=users))
        drops = maildrops(server, dovecot)
        for number in range(count):
            found = await campaign(
                next(drops),
                folder / str(number),
                seed=arguments.seed + number,
                kills=-(-arguments.kills // count),
                messages=-(-arguments.messages // count),
                # Each server sees both policies.
                keep=number // 2 % 2 == 1,
            )
            total += found
            print(f"seed {arguments.seed + number}: {found}", flush=True)
    print(
        f"\n{total}\n{total.swept} files were left in tmp/ and cleaned up; {time.monotonic() - start:.0f} s\n"
    )
    for phase, kills in total.phases.most_common():
        print(f"{kills:5} {phase}")
    return total.clean


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Kill the command, and count.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--server", choices=("embedded", "dovecot", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", help="where the Maildirs go while it runs (default: the system's)")
    raise SystemExit(0 if asyncio.run(main(parser.parse_args())) else 1)

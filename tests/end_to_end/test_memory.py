"""A message of any size passes through in a few megabytes of memory."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from pathlib import Path

import pytest

from pop3aio.testing import GeneratedMessage, Server

MIB = 1 << 20

# A process of its own, so that its peak is nobody else's. The small message makes the idle state a warm one.
PROGRAM = textwrap.dedent(
    """
    import asyncio, resource, sys
    import pop3aio
    from maildir import Maildir

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    async def main(port, folder):
        async with Maildir(folder) as box, pop3aio.connect("127.0.0.1", int(port), tls="none") as client:
            await client.login("user", "password", allow_insecure=True)
            idle = 0
            async for message in client.retrieve([1, 2]):
                delivered = await box.deliver(message)
                idle = idle or peak()
        print(delivered.virtual_octets, peak() - idle)

    asyncio.run(main(*sys.argv[1:]))
    """
)


@pytest.mark.parametrize("octets", [128 * MIB, pytest.param(1024 * MIB, marks=pytest.mark.soak)])
async def test_a_huge_message_streams_into_a_maildir(tmp_path: Path, octets: int) -> None:
    small, huge = GeneratedMessage(MIB), GeneratedMessage(octets)
    async with Server([small, huge]) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(server.port), str(tmp_path / "box"), stdout=asyncio.subprocess.PIPE
        )  # fmt: skip
        output, _ = await process.communicate()
    delivered, growth = map(int, output.split())
    assert delivered == octets
    assert growth < 16 * MIB

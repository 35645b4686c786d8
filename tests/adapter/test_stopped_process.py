"""A process that is stopped for longer than its time-outs (a laptop's lid, SIGSTOP) finds its answers in the socket."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap

from tests.kit.script import Peer, Script, admit

TIMEOUT = 0.5

CLIENT = textwrap.dedent("""
    import asyncio, sys
    import pop3aio

    async def main():
        client = await pop3aio.connect("127.0.0.1", int(sys.argv[1]), tls="none")
        await client.login("user", "secret", allow_insecure=True)
        client.timeout = float(sys.argv[2])
        print((await client.stat()).count, len(await client.retr(1)))
        client.abort()

    asyncio.run(main())
""")


async def test_what_came_while_the_process_was_stopped_counts() -> None:
    async def play(peer: Peer) -> None:
        await admit(peer)
        for command, answers in (
            (b"STAT", [b"+OK 1", b" 2\r\n"]),
            (b"RETR 1", [b"+OK\r\n", b"x" * 300_000, b"\r\n.\r\n"]),
        ):
            await peer.expect(command)
            os.kill(child.pid, signal.SIGSTOP)
            for answer in answers:
                peer.send(answer)
            await asyncio.sleep(TIMEOUT * 2)
            os.kill(child.pid, signal.SIGCONT)

    async with Script(play) as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, str(server.port), str(TIMEOUT), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await child.communicate()
        assert output.split() == [b"1", b"300002"]
        assert child.returncode == 0

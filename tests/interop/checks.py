"""The suite: what is done with every server, and what is seen."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import tempfile
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import pop3aio
from pop3aio import AuthenticationError, CommandError, POP3Error
from pop3aio.testing._messages import wire_chunks

from .findings import MARK, Findings, session
from .messages import large, messages, sizes, tops
from .server import APOP_USER, PASSWORD, RealServer

__all__ = ("CHECKS", "examine")

ROOT = Path(__file__).parents[2]

# By password, as SASL names them.
_MECHANISMS = (
    *("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"),
    *("CRAM-MD5", "PLAIN", "LOGIN"),
)


async def _uids(server: RealServer, user: str) -> list[str | None]:
    async with session(server, user) as client:
        return [uid for _, uid in await client.uidl()]


async def tls(server: RealServer, found: Findings) -> str:
    """Implicit TLS and STLS."""
    seen = []
    for way in server.ways:
        if way == "none":
            continue
        async with session(server, "plain", way) as client:
            label = "implicit" if way == "implicit" else "STLS"
            seen.append(f"{label}: {client.tls_version}")
    return ", ".join(seen) or "none"


async def login(server: RealServer, found: Findings) -> str:
    """Every mechanism that is offered, and APOP where there are secrets for it."""
    async with server.connect() as client:
        known = client.capabilities
    offered = [] if known is None else [name for name in _MECHANISMS if name in known.sasl]
    if known is None or "USER" in known:
        offered.append("USER")
    if server.apop:
        offered.append("APOP")
    done = []
    for mechanism in offered:
        user = APOP_USER if mechanism == "APOP" else "plain"
        context = server.certificates.client_context()
        if mechanism.endswith("-PLUS"):
            # Of TLS 1.3 Python has no channel binding to give.
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            async with server.connect(ssl_context=context) as client:
                await client.login(user, PASSWORD, mechanism=mechanism, allow_insecure=not client.secure)
                await client.stat()
            done.append(mechanism)
        except POP3Error as error:
            found.expect(f"login {mechanism}", False, error)
    return ", ".join(done)


async def wrong_password(server: RealServer, found: Findings) -> str:
    """A password that is wrong is an AuthenticationError."""
    client = await server.connect()
    try:
        await client.login("plain", f"not {PASSWORD}", mechanism="USER", allow_insecure=not client.secure)
    except AuthenticationError as error:
        return "refused" if error.code is None else f"refused, [{error.code}]"
    finally:
        client.abort()
        await client._stream.close(0)
    raise AssertionError("a wrong password was taken")


async def listing(server: RealServer, found: Findings) -> str:
    """STAT, LIST and UIDL agree, all and one by one, and there is nothing beyond."""
    count = len(server.mailboxes["plain"])
    async with session(server, "plain") as client:
        stat = await client.stat()
        scans = await client.list()
        uids = await client.uidl()
        found.expect(
            "STAT", (stat.count, stat.octets) == (count, sum(octets for _, octets in scans)), (stat, scans)
        )
        found.expect("LIST", [number for number, _ in scans] == list(range(1, count + 1)), scans)
        found.expect("UIDL", [number for number, _ in uids] == list(range(1, count + 1)), uids)
        found.expect("unique-ids are unique", len({uid for _, uid in uids}) == count, uids)
        for number in range(1, count + 1):
            found.expect("LIST n", await client.list(number) == scans[number - 1])
            found.expect("UIDL n", await client.uidl(number) == uids[number - 1])
        for missing in (client.list, client.uidl, client.retr):
            with suppress(CommandError):
                await missing(count + 1)
                found.expect("no such message", False, missing.__name__)
    found.expect("unique-ids persist", [uid for _, uid in uids] == await _uids(server, "plain"))
    return "agree"


async def pipelining(server: RealServer, found: Findings) -> str:
    """What comes with all commands in flight at once, offered or not, is what comes one by one."""
    answers = []
    async with session(server, "many") as client:
        offered = (await client.capa(refresh=True)).pipelining
        # mailutils changes the messages when it is asked for unique-ids.
        numbers = [number for number, _ in await client.uidl()]
        sizes = dict(await client.list())
        for window in (1, 256):
            client.window = window
            async with client.retrieve(numbers, sizes=sizes) as retrieval:
                bodies = [await message async for message in retrieval]
            singles = await asyncio.gather(*(client.uidl(number) for number in numbers))
            answers.append((bodies, singles))
    found.expect("pipelining", answers[0] == answers[1])
    found.expect("all of many", len(answers[0][0]) == len(server.mailboxes["many"]))
    return "offered" if offered else "not offered, works"


async def concurrency(server: RealServer, found: Findings) -> str:
    """Tasks that share a session get each their own answers."""
    async with session(server, "plain") as client:
        numbers = [number for number, _ in await client.list()]

        async def ask(number: int) -> tuple[object, ...]:
            return (
                await client.list(number),
                await client.retr(number),
                await client.top(number, 1),
                await client.uidl(number),
            )

        one_by_one = [await ask(number) for number in numbers]
        together = await asyncio.gather(*(ask(number) for number in numbers * 3))
    found.expect("concurrent callers", together == one_by_one * 3)
    return "each its own"


async def deletion(server: RealServer, found: Findings) -> str:
    """RSET takes marks back; what is marked at QUIT is gone, and only that."""
    before = await _uids(server, "deletion")
    async with session(server, "deletion") as client:
        found.expect("DELE", not await client.delete([1, 2, 3]))
        await client.rset()
        found.expect("RSET", (await client.stat()).count == len(before))
        found.expect("DELE", not await client.delete(range(2, len(before) + 1, 2)))
        with suppress(CommandError):
            await client.retr(2)
            found.expect("RETR of a deleted message", False)
    after = await _uids(server, "deletion")
    found.expect("deletion", after == before[::2], (before, after))
    return "at QUIT"


async def drop(server: RealServer, found: Findings) -> str:
    """Without QUIT nothing is deleted."""
    before = await _uids(server, "drop")
    async with session(server, "drop") as client:
        await client.delete(range(1, len(before) + 1))
        client.abort()
    after = await _uids(server, "drop")
    found.expect("drop", after == before, (before, after))
    return "nothing deleted"


async def second_session(server: RealServer, found: Findings) -> str:
    """fetch takes everything once, and what is deleted is gone."""
    count = len(server.mailboxes["session"])
    keys: list[str] = []

    async def deliver(message: AsyncIterable[bytes], key: str) -> None:
        async for _ in message:
            pass
        keys.append(key)

    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.sqlite"
        for new, delete in ((count, pop3aio.Keep()), (0, pop3aio.Keep()), (0, pop3aio.Delete())):
            async with session(server, "session") as client:
                report = await pop3aio.fetch(client, deliver, journal=journal, delete=delete)
            found.expect("fetch", not report.failed, report.failed)
            found.expect("fetch", (report.listed, report.fetched) == (count, new), report)
        found.expect("fetch deletes", (report.deleted, report.commit) == (count, "committed"), report)
    found.expect("fetch", len(set(keys)) == len(keys) == count, keys)
    found.expect("fetch deletes", await _uids(server, "session") == [])
    return "nothing twice"


async def command_line(server: RealServer, found: Findings) -> str:
    """`pop3aio fetch --delete` in a process of its own, twice."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ca.pem").write_bytes(server.certificates.ca_pem)
        secure = ("--ca-file", folder / "ca.pem") if server.ways[0] != "none" else ("--insecure-plaintext",)
        arguments = ("fetch", server.url("command"), folder / "mail", "--delete", *secure)
        for count in (len(server.mailboxes["command"]), 0):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pop3aio", *arguments),
                env=os.environ | {"POP3AIO_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate()
            found.expect("command", process.returncode == 0, said.decode())
            word = f"fetched:  {count} messages" if count else "nothing new among 0"
            found.expect("command", word in said.decode(), said.decode())
        files = [path.read_bytes() for path in (folder / "mail" / "new").iterdir()]
    sent = {sha256(_stored(message)).digest() for message in server.mailboxes["command"]}
    got = {sha256(file).digest() for file in files}
    found.expect("command: the files", got == sent, f"{len(got - sent)} of {len(files)} differ")
    return "done"


def _stored(message: bytes) -> bytes:
    return b"".join(wire_chunks(message)).replace(b"\r\n", b"\n")


Check: TypeAlias = Callable[[RealServer, Findings], Awaitable[str]]

CHECKS: dict[str, Check] = {
    "TLS": tls,
    "login": login,
    "wrong password": wrong_password,
    "listings": listing,
    "byte for byte": messages,
    "sizes in LIST": sizes,
    "TOP": tops,
    "pipelining": pipelining,
    "many callers": concurrency,
    "deletion": deletion,
    "drop": drop,
    "second session": second_session,
    "50 MB": large,
    "command line": command_line,
}


async def examine(server: RealServer) -> Findings:
    """Run every check; what goes wrong in one is a deviation and keeps none of the others from running."""
    found = Findings(server.name, server.version)
    for name, check in CHECKS.items():
        before = len(found.deviations)
        try:
            found.cells[name] = await check(server, found)
            if len(found.deviations) > before:
                found.cells[name] += MARK
        except Exception as error:
            found.cells[name] = "failed"
            found.expect(name, False, f"{type(error).__name__}: {error}")
    return found

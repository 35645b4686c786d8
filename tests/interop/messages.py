"""What becomes of the messages themselves."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

from pop3aio import POP3Error
from pop3aio._record._format import Received, Sent, read_events
from pop3aio._record._recorder import Recorder
from pop3aio.testing._messages import top, wire_chunks

from .findings import MARK, Findings, session
from .mail import AWKWARD
from .server import RealServer

__all__ = ("large", "messages", "sizes", "tops")


async def messages(server: RealServer, found: Findings) -> str:
    """Each awkward message is what was put in, with CRLF behind it; if not, it is what came over the wire."""
    user = "awkward"
    names = [name for number, (name, _) in enumerate(AWKWARD, 1) if (user, number) not in server.refused]
    for (who, number), why in server.refused.items():
        found.expect(f"message {AWKWARD[number - 1][0]}", who != user, f"not taken: {why}")
    sent = dict(AWKWARD)
    waiting = list(enumerate(names, 1))
    same = exact = 0
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "recording"
        recorder = Recorder(recording, mail=True)
        while waiting:
            number, name = waiting[0]
            try:
                async with session(server, user, timeout=5, record=recorder) as client:
                    scans = dict(await client.list())
                    for number, name in list(waiting):
                        data = await client.retr(number)
                        # Were anything left of it, this would find out.
                        await client.noop()
                        if data == b"".join(wire_chunks(sent[name])):
                            same += 1
                        else:
                            found.expect(f"message {name}", False, _difference(sent[name], data))
                            found.changed[name] = data
                        exact += scans[number] == len(data)
                        found.expect(
                            f"size of {name}", scans[number] == len(data), (scans[number], len(data))
                        )
                        del waiting[0]
                    # Some write into the mailbox at QUIT which messages were fetched.
                    client.abort()
            except POP3Error as error:
                found.expect(f"message {name}", False, f"{type(error).__name__}: {error}")
                del waiting[0]
        _compare_with_the_wire(recording, found, names)
    found.sizes = f"{exact} of {len(AWKWARD)}"
    return f"{same} of {len(AWKWARD)}"


def _compare_with_the_wire(recording: Path, found: Findings, names: list[str]) -> None:
    """Make sure that it was not the client that changed a message."""
    with recording.open(encoding="ascii", newline="\n") as file:
        events = [event for _, event in read_events(file)]
    for place, event in enumerate(events):
        if not isinstance(event, Sent) or not event.data.startswith(b"RETR "):
            continue
        name = names[int(event.data[5:]) - 1]
        if name not in found.changed:
            continue
        answer = takewhile(lambda event: isinstance(event, Received), events[place + 1 :])
        octets = b"".join(event.data for event in answer if isinstance(event, Received))
        lines = octets.split(b"\r\n")[1:]
        plain = b"\r\n".join(line.removeprefix(b".") for line in [*lines[: lines.index(b".")], b""])
        got = found.changed[name]
        found.expect(f"the client's {name}", plain == got, _difference(plain, got))


async def sizes(server: RealServer, found: Findings) -> str:
    """The sizes in LIST are the octets that came: counted above."""
    return found.sizes + (MARK if any(what.startswith("size of ") for what in found.deviations) else "")


def _difference(sent: bytes, got: bytes) -> str:
    """Return the first place where two messages differ."""
    place = next(
        (i for i, (a, b) in enumerate(zip(sent, got, strict=False)) if a != b), min(len(sent), len(got))
    )
    return f"at {place} of {len(sent)}: {sent[place:][:40]!r} came as {got[place:][:40]!r}, {len(got)} octets"


async def tops(server: RealServer, found: Findings) -> str:
    """TOP is the beginning of what RETR gives."""
    async with session(server, "plain") as client:
        for number, _ in await client.list():
            whole = await client.retr(number)
            for lines in (0, 1, 3, 1000):
                want = b"".join(top((whole,), lines))
                got = await client.top(number, lines)
                found.expect("TOP", got == want, (number, lines, want[-80:], got[-80:]))
    return "as RETR"


async def large(server: RealServer, found: Findings) -> str:
    """50 MB in chunks, octet for octet."""
    (message,) = server.mailboxes["large"]
    digest = sha256()
    octets = 0
    async with session(server, "large") as client, client.retr(1) as body:
        async for chunk in body:
            digest.update(chunk)
            octets += len(chunk)
    found.expect("50 MB", digest.digest() == sha256(message).digest(), octets)
    return "whole"

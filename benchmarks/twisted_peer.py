"""Twisted's POP3 client."""

# Twisted is not always there, and where it is it is typed in parts.
# mypy: disable-error-code="import-not-found, no-untyped-call, misc", no-warn-unused-ignores

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import defer, ssl
from twisted.internet import reactor as _reactor
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.mail.pop3 import AdvancedPOP3Client

from benchmarks.jobs import PASSWORD, USER, Job, Work, simple

__all__ = ("listing", "mailboxes", "retrieve")

# A module that stands in for an object, in the eyes of a type checker.
reactor: Any = _reactor


class _Client(AdvancedPOP3Client):
    allowInsecureLogin = True  # noqa: N815 - Twisted's name

    def __init__(self) -> None:
        self.ready: defer.Deferred[None] = defer.Deferred()

    def serverGreeting(self, greeting: bytes) -> None:  # noqa: N802 - Twisted's name
        self.ready.callback(None)


def _endpoint(job: Job) -> Any:
    if not job.authority:
        return HostnameEndpoint(reactor, b"127.0.0.1", job.port)
    authority = ssl.Certificate.loadPEM(Path(job.authority).read_bytes())
    options = ssl.optionsForClientTLS("localhost", trustRoot=authority)
    endpoint: Any = HostnameEndpoint(reactor, b"localhost", job.port)
    return wrapClientTLS(options, endpoint)


async def _login(job: Job) -> Any:
    client: Any = await connectProtocol(_endpoint(job), _Client())
    await client.ready
    await client.login(USER.encode(), PASSWORD.encode())
    return client


async def _retrieve(job: Job) -> int:
    client = await _login(job)
    total = 0

    def count(line: bytes) -> None:
        nonlocal total
        total += len(line) + 2

    for index in range(job.count):
        await client.retrieve(index, count)
    await client.quit()
    return total


def _run(main: Callable[[], Any]) -> int:
    results: list[Any] = []

    def stop(result: Any) -> None:
        results.append(result)
        reactor.stop()

    def start() -> None:
        defer.ensureDeferred(main()).addBoth(stop)

    reactor.callWhenRunning(start)
    reactor.run()
    if not isinstance(results[0], int):
        raise RuntimeError(str(results[0]))
    return results[0]


def retrieve(job: Job) -> Work:
    """Every message, line by line, as Twisted gives it."""
    return simple(lambda: _run(lambda: _retrieve(job)))


def mailboxes(job: Job) -> Work:
    """Many sessions at once."""

    async def main() -> int:
        sessions = [defer.ensureDeferred(_retrieve(job)) for _ in range(job.mailboxes)]
        totals: list[int] = await defer.gatherResults(sessions)
        return sum(totals)

    return simple(lambda: _run(main))


def listing(job: Job) -> Work:
    """UIDL and LIST, as dictionaries."""

    async def main() -> int:
        client = await _login(job)
        uids: dict[int, bytes] = dict(enumerate(await client.listUID(), 1))
        sizes: dict[int, int] = dict(enumerate(await client.listSize(), 1))
        await client.quit()
        return sum(sizes.values()) + sum(map(len, uids.values()))

    return simple(lambda: _run(main))

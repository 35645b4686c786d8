"""``pop3aio check``: whether a server is all right, step by step."""

from __future__ import annotations

import argparse
import asyncio
import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pop3aio._client import Client
from pop3aio._errors import CommandError
from pop3core import Capabilities

from ._errors import ExitStatus, Failed
from ._loop import run_to_end
from ._output import Output, count, size
from ._session import Target, find_target

__all__ = ("run_check",)

_SOON = 14
_DAY = 86400


def run_check(arguments: argparse.Namespace, output: Output) -> int:
    """Carry out ``check``; returns the exit status."""
    return run_to_end(_check(find_target(arguments, output, login=False), output))


async def _check(target: Target, output: Output) -> int:
    _say(output, "server", str(target.url))
    output.facts["server"] = str(target.url)
    async with target.connected(output) as client:
        _connection(client, output)
        _capabilities(client.capabilities, "before", output)
        if target.url.user is None or target.password is None:
            lacking = "user in the URL" if target.url.user is None else "password"
            _say(output, "login", f"not tried: no {lacking}")
            output.facts["login"] = None
        else:
            await _login(target, client, output)
            _capabilities(await client.capa(refresh=True) or None, "after", output)
            await _maildrop(client, output)
    return ExitStatus.DONE


def _connection(client: Client, output: Output) -> None:
    peer = client.get_extra_info("peername")
    assert isinstance(peer, tuple)
    _say(output, "address", f"{peer[0]} port {peer[1]}")
    _say(output, "greeting", output.masked(client.greeting.text))
    output.facts |= {"address": [peer[0], peer[1]], "greeting": output.masked(client.greeting.text)}
    tls = client.get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        _say(output, "TLS", "none: anyone on the way can read mail and passwords")
        output.facts |= {"tls": None, "certificate": None}
        return
    cipher = tls.cipher()
    assert cipher is not None
    _say(output, "TLS", f"{tls.version()}, {cipher[0]}")
    output.facts["tls"] = {"version": tls.version(), "cipher": cipher[0]}
    _certificate(tls.getpeercert() or {}, output)


def _certificate(certificate: dict[str, Any], output: Output) -> None:
    names = [value for _, value in certificate.get("subjectAltName", ())]
    subject, issuer = _name(certificate.get("subject", ())), _name(certificate.get("issuer", ()))
    begin, end = (ssl.cert_time_to_seconds(certificate[field]) for field in ("notBefore", "notAfter"))
    left = int((end - time.time()) // _DAY)
    _say(output, "certificate", subject or "(no subject)")
    _say(output, "  names", ", ".join(names))
    _say(output, "  issuer", issuer)
    _say(output, "  valid", f"{_day(begin)} to {_day(end)}, {count(left, 'day')} left")
    if left < _SOON:
        output.warn(f"the certificate expires in {count(left, 'day')}: it must be renewed")
    output.facts["certificate"] = {
        "subject": subject,
        "names": names,
        "issuer": issuer,
        "not_before": _moment(begin).isoformat(),
        "not_after": _moment(end).isoformat(),
        "days_left": left,
    }


def _name(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    return ", ".join(f"{label}={value}" for part in parts for label, value in part)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _day(seconds: float) -> str:
    return _moment(seconds).date().isoformat()


async def _login(target: Target, client: Client, output: Output) -> None:
    try:
        await target.login(client, output)
    except Failed:
        _say(output, "login", "refused")
        output.facts["login"] = False
        raise
    _say(output, "login", f"done, as {target.url.user}")
    output.facts["login"] = True


def _capabilities(found: Capabilities | None, when: str, output: Output) -> None:
    output.facts[f"capabilities_{when}_login"] = None if found is None else dict(found)
    if found is None:
        lines = ["unknown: the server does not answer CAPA"]
    else:
        lines = [" ".join((tag, *arguments)) for tag, arguments in found.items()]
    _say(output, "capabilities", f"{when} the login:")
    for line in lines:
        _say(output, "", line)


async def _maildrop(client: Client, output: Output) -> None:
    stat = await client.stat()
    octets = "" if stat.octets is None else f", {size(stat.octets)}"
    _say(output, "mail", count(stat.count) + octets)
    try:
        await client.uidl()
        unique = True
    except CommandError as error:
        unique = False
        output.warn(f"{error}; without unique-ids fetch does not work with this server")
    _say(output, "unique-ids", "yes" if unique else "no")
    pipelining = client.capabilities is not None and client.capabilities.pipelining
    if pipelining:
        # A server that announces it and cannot do it loses answers or mixes them up; either is an error here.
        await asyncio.gather(*(client.noop() for _ in range(3)))
        _say(output, "pipelining", f"yes; it was tried, and up to {client.window} commands may be in flight")
    else:
        _say(output, "pipelining", "no: every command costs a round trip")
    output.facts |= {
        "messages": stat.count,
        "octets": stat.octets,
        "unique_ids": unique,
        "pipelining": pipelining,
    }


def _say(output: Output, label: str, text: str) -> None:
    output.line(f"{label:<13} {text}")

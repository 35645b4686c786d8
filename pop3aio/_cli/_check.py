"""``pop3aio check``: whether a server is all right, step by step."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pop3aio._cli._errors import WITHOUT_UIDS, Failed
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._offers import show_offers
from pop3aio._cli._output import Output, size
from pop3aio._cli._session import Target, find_target
from pop3aio._cli._signals import run_to_end
from pop3aio._client import Client
from pop3aio._errors import CommandError, counted
from pop3aio._wire._certificate import public_key
from pop3core import Capabilities, POP3Error

__all__ = ("run_check",)

_SOON = 14
_DAY = 86400


def run_check(arguments: argparse.Namespace, output: Output) -> int:
    """Carry out ``check``; returns the exit status."""
    return run_to_end(_check(find_target(arguments, output, login=False), output), output)


async def _check(target: Target, output: Output) -> int:
    output.field("server", str(target.url))
    output.facts["server"] = str(target.url)
    try:
        client = await target.connect(output)
    except Failed as failure:
        await _look(target, failure.__cause__, output)
        raise
    async with client:
        _connection(client, output)
        _capabilities(client.capabilities, "before", output)
        show_offers(target, client, output)
        if target.login is None:
            lacking = "user in the URL" if target.url.user is None else "password"
            output.field("login", f"not tried: no {lacking}")
            output.facts["login"] = None
        else:
            await _log_in(target, client, output)
            _capabilities(await client.capa(refresh=True) or None, "after", output)
            await _maildrop(client, output)
    return ExitStatus.DONE


async def _look(target: Target, error: BaseException | None, output: Output) -> None:
    """Show what can be seen where TLS failed."""
    client = await target.look(error)
    if client is None:
        return
    output.line(
        "TLS failed. What follows comes from a server that may be anyone; nothing secret is sent to it."
    )
    with suppress(POP3Error):
        async with client:
            _connection(client, output, verified=False)
            _capabilities(client.capabilities, "before", output)
    output.field("login", "not tried: TLS failed")
    output.facts["login"] = None


def _connection(client: Client, output: Output, *, verified: bool = True) -> None:
    peer = client.get_extra_info("peername")
    assert isinstance(peer, tuple)
    output.field("address", f"{peer[0]} port {peer[1]}")
    output.field("greeting", output.masked(client.greeting.text))
    output.facts |= {"address": [peer[0], peer[1]], "greeting": output.masked(client.greeting.text)}
    tls = client.get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        output.field("TLS", "none: anyone on the way can read mail and passwords" if verified else "failed")
        output.facts |= {"tls": None, "certificate": None}
        return
    cipher = tls.cipher()
    assert cipher is not None
    output.field("TLS", f"{tls.version()}, {cipher[0]}{'' if verified else '; not verified'}")
    output.facts["tls"] = {"version": tls.version(), "cipher": cipher[0]}
    octets = tls.getpeercert(binary_form=True)
    assert octets is not None
    # Of one that was not verified, Python tells nothing but its octets.
    details = tls.getpeercert()
    if details:
        _certificate(details, output)
    else:
        output.field("certificate", "(of an authority that is not trusted)")
    digests = [hashlib.sha256(what).hexdigest() for what in (octets, public_key(octets))]
    output.field("  SHA-256", f"{digests[0]} (what --pin takes)")
    output.field("  its key's", f"{digests[1]} (this, too; a new certificate may keep the key)")
    output.facts["certificate"] = {
        **output.facts.get("certificate", {}),
        "verified": verified,
        "sha256": digests[0],
        "public_key_sha256": digests[1],
    }


def _certificate(certificate: dict[str, Any], output: Output) -> None:
    names = [value for _, value in certificate.get("subjectAltName", ())]
    subject, issuer = _name(certificate.get("subject", ())), _name(certificate.get("issuer", ()))
    begin, end = (ssl.cert_time_to_seconds(certificate[field]) for field in ("notBefore", "notAfter"))
    left = int((end - time.time()) // _DAY)
    output.field("certificate", subject or "(no subject)")
    output.field("  names", ", ".join(names))
    output.field("  issuer", issuer)
    output.field(
        "  valid",
        f"{_day(begin)} to {_day(end)}, " + (f"{counted(left, 'day')} left" if left >= 0 else "expired"),
    )
    if 0 <= left < _SOON:
        output.warn(f"the certificate expires in {counted(left, 'day')}: it must be renewed")
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


async def _log_in(target: Target, client: Client, output: Output) -> None:
    try:
        await target.log_in(client, output)
    except Failed as failure:
        output.field("login", "refused" if isinstance(failure.__cause__, CommandError) else "failed")
        output.facts["login"] = False
        raise
    output.field("login", f"done, as {target.url.user}")
    output.facts["login"] = True


def _capabilities(found: Capabilities | None, when: str, output: Output) -> None:
    output.facts[f"capabilities_{when}_login"] = None if found is None else dict(found)
    if found is None:
        lines = ["unknown: the server does not answer CAPA"]
    else:
        lines = [" ".join((tag, *arguments)) for tag, arguments in found.items()]
    output.field("capabilities", f"{when} the login:")
    for line in lines:
        output.field("", line)


async def _maildrop(client: Client, output: Output) -> None:
    stat = await client.stat()
    octets = "" if stat.octets is None else f", {size(stat.octets)}"
    output.field("mail", counted(stat.count) + octets)
    try:
        await client.uidl()
        unique = True
    except CommandError as error:
        unique = False
        output.warn(f"{error}; {WITHOUT_UIDS}")
    output.field("unique-ids", "yes" if unique else "no")
    pipelining = client.capabilities is not None and client.capabilities.pipelining
    if pipelining:
        # A server that announces it and cannot do it loses answers or mixes them up; either is an error here.
        await asyncio.gather(*(client.noop() for _ in range(3)))
        output.field("pipelining", f"yes; it was tried, and up to {client.window} commands may be in flight")
    else:
        output.field("pipelining", "no: every command costs a round trip")
    output.facts |= {
        "messages": stat.count,
        "octets": stat.octets,
        "unique_ids": unique,
        "pipelining": pipelining,
    }

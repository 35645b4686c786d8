"""``pop3aio demo``: the whole way of mail, from a server inside this process into a Maildir."""

from __future__ import annotations

import argparse
import os
import secrets

from pop3aio._cli._fetch import Job
from pop3aio._cli._headers import parse_headers
from pop3aio._cli._logins import ByPassword
from pop3aio._cli._output import Output
from pop3aio._cli._session import Target
from pop3aio._cli._signals import run_to_end
from pop3aio._cli._summary import tell
from pop3aio._cli._url import ServerUrl
from pop3aio._errors import counted
from pop3aio._options import Options
from pop3aio.testing import Mailbox, Server, sample_messages

__all__ = ("run_demo",)

_SHOWN = 6
_HEADER = 64 * 1024


def run_demo(arguments: argparse.Namespace, output: Output) -> int:
    """Carry out ``demo``; returns the exit status."""
    return run_to_end(_demo(Job(arguments.maildir, account="demo"), output), output)


async def _demo(job: Job, output: Output) -> int:
    password = secrets.token_urlsafe(12)
    server = _make_server(password)
    output.hide(password)
    new, cur = (os.path.join(job.folder, name) for name in ("new", "cur"))
    async with server:
        certificates = server.certificates
        url = ServerUrl(server.host, server.port, "none" if certificates is None else "implicit", "demo")
        context = None if certificates is None else certificates.client_context()
        target = Target(url, ByPassword(password), Options(tls=url.tls, ssl_context=context))
        secured = "in clear, on this machine only" if certificates is None else "under TLS"
        output.line(f"A POP3 server with {counted(len(server.mailbox))} runs at {url} ({secured}).")
        async with target.sessions(output) as open_session:
            report = await job.run(open_session, output)
    status = tell(report, job.maildir, job.policy, output)
    if report.fetched:
        output.line("Some of them:")
        for text in _some(new):
            output.line(f"  {text}")
        output.line("Run it again: the journal knows them, and none is fetched twice.")
    elif report.known:
        output.line(f"Remove {job.maildir} to see them fetched anew.")
    standing, read = len(os.listdir(new)), len(os.listdir(cur))
    output.facts |= {"server": str(url), "new": standing, "cur": read}
    also = f", and {counted(read)} in {cur}" if read else ""
    output.line(f"{counted(standing)} {'is' if standing == 1 else 'are'} in {new}{also}")
    return status


def _make_server(password: str) -> Server:
    mailbox = Mailbox()
    for number, message in enumerate(sample_messages(), start=1):
        # The same ones at every start, so that a second demo knows the mail of the first.
        mailbox.add(message, uid=f"demo-{number:02}")
    users = {"demo": password}
    try:
        return Server(mailbox, users=users, tls="implicit")
    except RuntimeError:
        # Certificates are made by a package that need not be there.
        return Server(mailbox, users=users)


def _some(folder: str) -> list[str]:
    """Return sender and subject of a few messages with different subjects."""
    lines: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            headers = parse_headers(file.read(_HEADER))
        if headers.sender and headers.subject and len(lines) < _SHOWN:
            lines.setdefault(headers.subject, f"{headers.sender}: {headers.subject}")
    return list(lines.values())

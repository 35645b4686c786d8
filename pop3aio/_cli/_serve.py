"""``pop3aio serve``: a Maildir or a folder of messages by POP3, to try clients with."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Iterator

from pop3aio._cli._errors import Failed
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._output import Output
from pop3aio._cli._passwords import PasswordSource, find_password
from pop3aio._cli._signals import run_to_end
from pop3aio._cli._url import ServerUrl
from pop3aio._errors import counted
from pop3aio.testing import FileMessage, Mailbox, Server, Session
from pop3core import COMMANDS

__all__ = ("run_serve",)


def run_serve(arguments: argparse.Namespace, output: Output) -> int:
    """Carry out ``serve`` until Ctrl-C; returns the exit status."""
    source = PasswordSource(arguments.password_file, arguments.password_command)
    password = find_password(source, None, output.warn)
    generated = secrets.token_urlsafe(9) if password is None else None
    mailbox = _open(arguments.folder, output)
    server = Server(
        mailbox,
        users={arguments.user: password or generated or ""},
        host=arguments.host,
        port=arguments.port,
        quirks=arguments.quirks,
        on_command=_Log(output).note if output.verbose else None,
        record=False,
        idle_timeout=arguments.idle or None,
    )
    return run_to_end(_serve(server, arguments, generated, output), output)


async def _serve(server: Server, arguments: argparse.Namespace, generated: str | None, output: Output) -> int:
    try:
        await server.start()
    except OSError as error:
        raise Failed(
            f"cannot listen at {server.host} port {server.port}: {_reason(error)}; choose others by --host "
            "and --port"
        ) from error
    try:
        _say_where(server, arguments, generated, output)
        if output.lost:
            # Nobody knows where to find it.
            return ExitStatus.FAILED
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        # Ctrl-C is how this ends.
        output.line("stopped; no file was changed")
    finally:
        await server.aclose()
    return ExitStatus.DONE


def _reason(error: OSError) -> str:
    if error.errno is None or isinstance(error, socket.gaierror):
        return str(error.strerror or error)
    # asyncio's text repeats the address.
    return os.strerror(error.errno)


def _say_where(server: Server, arguments: argparse.Namespace, generated: str | None, output: Output) -> None:
    url = ServerUrl(server.host, server.port, "none", arguments.user)
    output.line(f"serving {counted(len(server.mailbox))} of {arguments.folder} at {url} (without TLS)")
    output.line(f"user:      {arguments.user}")
    output.line(f"password:  {generated or '(the one you gave)'}")
    variable = f"POP3AIO_PASSWORD={generated} " if generated else ""
    output.line(f"try:       {variable}pop3aio list --insecure-plaintext {url}")
    output.line("Deletions are kept in memory only, until this ends; no file is changed. Ctrl-C ends it.")
    if not _is_loopback(server.host):
        output.warn("others can reach this server, and mail and passwords go in clear")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Log:
    """Shows the commands that clients send."""

    def __init__(self, output: Output) -> None:
        self._output = output

    async def note(self, session: Session, keyword: str, argument: str) -> None:
        kind = COMMANDS.get(keyword)
        if kind is None:
            # A person who types may have mistyped PASS, or sent the password alone.
            keyword, argument = "***", "(a command that is not known)"
        elif keyword == "AUTH":
            # What follows the mechanism is a secret.
            argument = argument.partition(" ")[0]
        elif kind.secret:
            argument = "***"
        self._output.trace(f"{session.number} < {keyword} {argument}".rstrip())


def _open(folder: str, output: Output) -> Mailbox:
    try:
        paths = list(_files(folder))
    except OSError as error:
        raise Failed(f"cannot read {error.filename}: {error.strerror}", ExitStatus.USAGE) from error
    mailbox = Mailbox()
    for path in sorted(paths, key=os.path.basename):
        if os.access(path, os.R_OK):
            mailbox.add(FileMessage(path), uid=_unique_id(os.path.basename(path)))
        else:
            output.warn(f"{path} cannot be read and is left out")
    return mailbox


def _files(folder: str) -> Iterator[str]:
    subfolders = [os.path.join(folder, name) for name in ("new", "cur")]
    if all(map(os.path.isdir, subfolders)):
        for subfolder in subfolders:
            with os.scandir(subfolder) as entries:
                yield from (entry.path for entry in entries if entry.is_file() and entry.name[0] != ".")
        return
    found = False
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(".eml") and entry.is_file():
                found = True
                yield entry.path
    if not found:
        raise Failed(
            f"{folder} is no Maildir (with new/ and cur/), and there are no .eml files in it",
            ExitStatus.USAGE,
        )


def _unique_id(name: str) -> str:
    """Return a unique-id that stays when the server is started again, and when the message gets other flags."""
    base = name.partition(":2,")[0]
    return base if re.fullmatch("[!-~]{1,70}", base) else hashlib.sha256(os.fsencode(base)).hexdigest()[:32]

"""The options of each command, and what its help says of them."""

from __future__ import annotations

import argparse

from pop3aio._cli._argument_types import (
    date,
    host,
    mechanism,
    name,
    number,
    octets,
    path,
    pin,
    positive_seconds,
    profile,
    seconds,
)
from pop3aio._cli._mechanisms import MECHANISMS
from pop3aio._cli._parser import Parser

__all__ = ("JOURNAL", "demo", "fetch", "general", "json", "remote", "secret", "serve")

JOURNAL = ".pop3aio-journal.sqlite"
"""The journal's name in the Maildir; a folder of a Maildir begins with a dot, too, but is a directory."""


def general() -> Parser:
    """Return the arguments of every command."""
    parser = Parser(add_help=False)
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show the dialogue with the server on standard error, without secrets",
    )
    return parser


def json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def remote() -> Parser:
    """Return the arguments of every command that asks a server."""
    parser = Parser(add_help=False)
    parser.add_argument("url", metavar="URL", help="pop3s://user@host[:port] or pop3://user@host[:port]")
    parser.add_argument(
        "--auth",
        metavar="MECHANISM",
        type=mechanism,
        help=f"the one way to log in to use: {', '.join(MECHANISMS)} (default: the best that is offered)",
    )
    parser.add_argument(
        "--insecure-plaintext",
        dest="plaintext",
        action="store_true",
        help="with pop3://, go without TLS: anyone on the way can read mail and password",
    )
    _tls(parser)
    _dialogue(parser)
    json(parser)
    return parser


def _tls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        type=path,
        help="certificates (PEM) to trust in place of the system's: a private authority",
    )
    parser.add_argument(
        "--pin",
        metavar="SHA256",
        type=pin,
        help="the one certificate, or public key, to accept of those that are valid; check shows both",
    )
    parser.add_argument(
        "--pin-only",
        action="store_true",
        help="with --pin, check nothing else of the certificate: for one that no authority has signed",
    )
    parser.add_argument(
        "--tls-name",
        metavar="NAME",
        type=host,
        help="the name that the certificate must be for, if that is not the host of the URL",
    )
    parser.add_argument(
        "--tls-min",
        metavar="VERSION",
        choices=("1.0", "1.1", "1.2", "1.3"),
        help="the oldest TLS to speak: 1.0, 1.1, 1.2 (the default) or 1.3",
    )
    parser.add_argument(
        "--ciphers",
        metavar="LIST",
        help="the ciphers to accept up to TLS 1.2, as OpenSSL writes them: DEFAULT:@SECLEVEL=0 for an old server",
    )
    parser.add_argument(
        "--client-cert",
        metavar="FILE",
        type=path,
        help="a certificate of your own and its private key (PEM) to show to the server",
    )


def _dialogue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=positive_seconds,
        help="how long to wait for the server (default: 60, and 30 to connect)",
    )
    parser.add_argument(
        "--bare-lf",
        action="store_true",
        help="the server ends its lines by LF alone, which is against the standard",
    )
    parser.add_argument(
        "--no-capa",
        action="store_true",
        help="never ask what the server can do: for a server that hangs, or hangs up, when it is asked",
    )
    parser.add_argument(
        "--window",
        metavar="N",
        type=number(1, "commands"),
        default=256,
        help="how many commands may be in flight at most where the server announces PIPELINING; 1 for one that mixes "
        "up their answers (default: %(default)s)",
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        type=path,
        help="write down what goes over the wire, for a bug report: without the name and the secrets of the login, and "
        "with the letters of the mail as x",
    )
    parser.add_argument(
        "--record-mail", action="store_true", help="with --record, write down the mail itself as it is"
    )


def secret(*, token: bool = False) -> Parser:
    """Return the arguments that say where the password comes from, with `token` also a token."""
    parser = Parser(add_help=False)
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--password-file",
        metavar="FILE",
        type=path,
        help="the password is the first line of this file; - stands for standard input",
    )
    group.add_argument(
        "--password-command",
        metavar="COMMAND",
        help="the password is the first line this shell command prints",
    )
    if token:
        group.add_argument(
            "--token-command",
            metavar="COMMAND",
            help="log in by the OAuth token that is the first line this shell command prints",
        )
    return parser


def fetch(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fetch``."""
    parser.add_argument(
        "maildir", metavar="MAILDIR", type=path, help="where the mail goes; made if it is not there"
    )
    policy = parser.add_mutually_exclusive_group()
    policy.add_argument("--keep", action="store_true", help="leave the mail on the server (the default)")
    policy.add_argument("--delete", action="store_true", help="delete from the server what was fetched")
    policy.add_argument(
        "--keep-days",
        metavar="N",
        type=number(0, "days"),
        help="delete from the server what was fetched N days ago or earlier",
    )
    _which(parser)
    parser.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="show no progress, and print nothing if nothing was fetched or deleted; errors are still shown",
    )
    parser.add_argument(
        "--account-name",
        metavar="NAME",
        type=name,
        help="the maildrop's name in the journal, where the host was renamed (default: user@host)",
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=seconds,
        default=60.0,
        help="how long to wait in all for a mailbox that is in use, or a login that the server delays "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--journal",
        metavar="FILE",
        type=path,
        help=f"the file that notes what was fetched (default: {JOURNAL} in the Maildir, where mail programs pass over "
        "a file of that name)",
    )


def _which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit", metavar="N", type=number(1, "messages"), help="fetch N new messages at most"
    )
    parser.add_argument(
        "--max-size",
        metavar="N",
        type=octets,
        help="leave messages on the server that are listed with more octets; K, M and G stand for powers of 1024",
    )
    parser.add_argument("--newest", action="store_true", help="fetch the newest messages first")
    parser.add_argument(
        "--since",
        metavar="DATE",
        type=date,
        help="take new messages that are older by their header, such as before 2026-01-31, as known: they are never "
        "fetched, and never deleted",
    )
    parser.add_argument(
        "--adopt",
        action="store_true",
        help="fetch nothing now: take all that is there as known; it is never deleted",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="fetch the messages also if they look like known ones under new unique-ids or of another account",
    )


def demo(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``demo``."""
    parser.add_argument(
        "maildir",
        metavar="MAILDIR",
        type=path,
        nargs="?",
        default="pop3aio-demo-maildir",
        help="where the sample mail goes (default: %(default)s)",
    )
    json(parser)


def serve(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``serve``."""
    parser.add_argument(
        "folder",
        metavar="MAILDIR_OR_EML_DIR",
        type=path,
        help="the mail to serve; its files are never changed",
    )
    parser.add_argument(
        "--host", type=host, default="127.0.0.1", help="the address to listen at (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        metavar="N",
        type=number(0, "a port", 65535),
        default=1110,
        help="the port to listen at; 0 takes a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        type=name,
        default="user",
        help="the name to log in by (default: %(default)s)",
    )
    parser.add_argument(
        "--idle",
        metavar="SECONDS",
        type=seconds,
        default=600.0,
        help="how long a client may be silent before its session ends; 0 is for ever (default: %(default)g)",
    )
    parser.add_argument(
        "--quirks",
        metavar="NAME",
        type=profile,
        help="a server to be like, such as dovecot; a name that is none lists them all",
    )

"""The command line: which commands there are, and which options go together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pop3aio._cli import _options
from pop3aio._cli._parser import Parser, Version
from pop3aio._cli._passwords import WAYS

__all__ = ("parse_arguments",)

_URLS = """\
URLs: pop3s://user@host[:port] is TLS from the start (port 995), pop3://user@host[:port] is STLS (port 110), which must
succeed. Passwords come from """
_STATUS = """
Exit status: 0 done, 1 some messages failed, 2 usage, 3 no connection or no TLS, 4 login refused, 75 run it again later,
129, 130 and 143 ended by a signal."""

_ONLY_UNDER_TLS = {
    "--ca-file": "there is no certificate to check",
    "--pin": "there is no certificate to check",
    "--tls-name": "there is no certificate to check",
    "--tls-min": "there is no TLS",
    "--ciphers": "there is no TLS",
    "--client-cert": "only a TLS handshake shows it",
    "--token-command": "a token is never sent without TLS",
}


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments, by default those of this process.

    Raises Failed for what cannot be understood, Shown for ``--help`` and ``--version``.
    """
    parser = Parser(
        prog="pop3aio",
        description="Fetch mail from POP3 servers into Maildirs, and see what such a server has.",
        epilog=_URLS + WAYS + "." + _STATUS,
    )
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    general, remote, secret = _options.general(), _options.remote(), _options.secret(token=True)

    def command(name: str, text: str, *parents: Parser) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, parents=[*parents, general], help=text.partition(". ")[0].rstrip("."), description=text
        )

    _options.fetch(
        command("fetch", "Fetch new mail into a Maildir. What was fetched once is not again.", remote, secret)
    )
    command("list", "Show what is in a maildrop.", remote, secret)
    command(
        "check",
        "Show whether a server is all right. It shows greeting, TLS, certificate, capabilities and which way to log in "
        "would be chosen and why; with a user in the URL it logs in, too, if there is a password or the like.",
        remote,
        secret,
    )
    _options.demo(command("demo", "Fetch sample mail from a server that runs inside this command."))
    _options.serve(
        command(
            "serve",
            "Serve a Maildir or a folder of .eml files by POP3, to try clients with.",
            _options.secret(),
        )
    )
    arguments = parser.parse_args(argv)
    _check_together(arguments, parser)
    return arguments


def _check_together(arguments: argparse.Namespace, parser: Parser) -> None:
    """Refuse options that make no sense together."""
    if arguments.command in ("fetch", "list", "check") and arguments.plaintext:
        for option, why in _ONLY_UNDER_TLS.items():
            if getattr(arguments, option.removeprefix("--").replace("-", "_")) is not None:
                parser.error(f"{option} makes no sense with --insecure-plaintext: {why}")
    if getattr(arguments, "pin_only", False):
        if arguments.pin is None:
            parser.error("--pin-only needs --pin: without one, any server would be accepted")
        if arguments.ca_file is not None:
            parser.error("--ca-file makes no sense with --pin-only: authorities are not asked")

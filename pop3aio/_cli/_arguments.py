"""The command line: what can be said, and what is said when it cannot."""

from __future__ import annotations

import argparse
import datetime
import math
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from pop3aio._cli._errors import Failed
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._mechanisms import MECHANISMS, known_mechanism
from pop3aio._cli._passwords import WAYS
from pop3aio._version import __version__
from pop3aio._wire._host import host_name
from pop3aio._wire._pin import parse_pin

__all__ = ("JOURNAL", "Shown", "parse_arguments")

JOURNAL = ".pop3aio-journal.sqlite"
"""The journal's name in the Maildir; a folder of a Maildir begins with a dot, too, but is a directory."""

_URLS = """\
URLs: pop3s://user@host[:port] is TLS from the start (port 995), pop3://user@host[:port] is STLS (port 110), which must
succeed. Passwords come from """
_STATUS = """
Exit status: 0 done, 1 some messages failed, 2 usage, 3 no connection or no TLS, 4 login refused, 130 interrupted."""

_ONLY_UNDER_TLS = {
    "--ca-file": "there is no certificate to check",
    "--pin": "there is no certificate to check",
    "--tls-name": "there is no certificate to check",
    "--tls-min": "there is no TLS",
    "--ciphers": "there is no TLS",
    "--client-cert": "there is nobody to show it to",
    "--token-command": "a token is never sent without TLS",
}


class Shown(Exception):
    """There is nothing to do but to print `text`, the help or the version."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class _Version(argparse.Action):
    """``--version``; argparse's own action would print by itself."""

    def __call__(self, *_: object) -> NoReturn:
        raise Shown(f"pop3aio {__version__}\n")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, and never repeat what may be a password."""

    def __init__(self, **options: object) -> None:
        # Otherwise --password would be taken for the beginning of another option.
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    def print_help(self, file: object = None) -> NoReturn:
        raise Shown(self.format_help())

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            message = _unknown(message.removeprefix("unrecognized arguments: ").split())
        elif message.startswith("argument --tls-min: "):
            message = "argument --tls-min: one of these is expected: 1.0, 1.1, 1.2, 1.3"
        elif "invalid choice: " in message:
            message = "say what to do: fetch, list, check, demo or serve"
        message = re.sub("ignored explicit argument .*", "it takes no value", message, flags=re.DOTALL)
        raise Failed(f"{message} (see: {self.prog} --help)", ExitStatus.USAGE)


def _unknown(words: Sequence[str]) -> str:
    options = [word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)]
    if any(re.match(r"--?pass|-p", option) for option in options):
        return (
            f"a password is never taken from the command line, where others can see it: it comes from {WAYS}"
        )
    if any(option.startswith("--token") for option in options):
        return "a token is never taken from the command line, where others can see it: it comes from --token-command"
    # The rest of a short option may be its value.
    named = [option if option.startswith("--") else option[:2] for option in options]
    return f"unknown option {', '.join(named)}" if named else "there are more arguments than it takes"


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments, by default those of this process.

    Raises Failed for what cannot be understood, Shown for ``--help`` and ``--version``.
    """
    parser = _Parser(
        prog="pop3aio",
        description="Fetch mail from POP3 servers into Maildirs, and see what such a server has.",
        epilog=_URLS + WAYS + "." + _STATUS,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    general, remote, secret = _general(), _remote(), _secret(token=True)

    def command(name: str, text: str, *parents: _Parser) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, parents=[*parents, general], help=text.partition(". ")[0].rstrip("."), description=text
        )

    _fetch(
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
    _demo(command("demo", "Fetch sample mail from a server that runs inside this command."))
    _serve(
        command("serve", "Serve a Maildir or a folder of .eml files by POP3, to try clients with.", _secret())
    )
    arguments = parser.parse_args(argv)
    if arguments.command in ("fetch", "list", "check") and arguments.plaintext:
        for option, why in _ONLY_UNDER_TLS.items():
            if getattr(arguments, option.removeprefix("--").replace("-", "_")) is not None:
                parser.error(f"{option} makes no sense with --insecure-plaintext: {why}")
    if getattr(arguments, "pin_only", False):
        if arguments.pin is None:
            parser.error("--pin-only needs --pin: without one, any server would be accepted")
        if arguments.ca_file is not None:
            parser.error("--ca-file makes no sense with --pin-only: authorities are not asked")
    return arguments


def _general() -> _Parser:
    parser = _Parser(add_help=False)
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show the dialogue with the server on standard error, without secrets",
    )
    return parser


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _remote() -> _Parser:
    parser = _Parser(add_help=False)
    parser.add_argument("url", metavar="URL", help="pop3s://user@host[:port] or pop3://user@host[:port]")
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        help="certificates (PEM) to trust in place of the system's: a private authority",
    )
    parser.add_argument(
        "--pin",
        metavar="SHA256",
        type=_pin,
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
        type=_host,
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
        help="a certificate of your own and its private key (PEM) to show to the server",
    )
    parser.add_argument(
        "--auth",
        metavar="MECHANISM",
        type=_mechanism,
        help=f"the one way to log in to use: {', '.join(MECHANISMS)} (default: the best that is offered)",
    )
    parser.add_argument(
        "--insecure-plaintext",
        dest="plaintext",
        action="store_true",
        help="with pop3://, go without TLS: anyone on the way can read mail and password",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_positive_seconds,
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
        type=_number(1, "commands"),
        default=256,
        help="how many commands may be in flight at most where the server announces PIPELINING; 1 for one that mixes "
        "up their answers (default: %(default)s)",
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        help="write down what goes over the wire, for a bug report: without who logs in and by what, and with the "
        "letters of the mail as x",
    )
    parser.add_argument(
        "--record-mail", action="store_true", help="with --record, write down the mail itself as it is"
    )
    _json(parser)
    return parser


def _secret(*, token: bool = False) -> _Parser:
    parser = _Parser(add_help=False)
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--password-file",
        metavar="FILE",
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


def _fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("maildir", metavar="MAILDIR", help="where the mail goes; made if it is not there")
    policy = parser.add_mutually_exclusive_group()
    policy.add_argument("--keep", action="store_true", help="leave the mail on the server (the default)")
    policy.add_argument("--delete", action="store_true", help="delete from the server what was fetched")
    policy.add_argument(
        "--keep-days",
        metavar="N",
        type=_number(0, "days"),
        help="delete from the server what was fetched N days ago or earlier",
    )
    parser.add_argument(
        "--limit", metavar="N", type=_number(1, "messages"), help="fetch N new messages at most"
    )
    parser.add_argument(
        "--max-size",
        metavar="N",
        type=_octets,
        help="leave messages on the server that are listed with more octets; K, M and G stand for powers of 1024",
    )
    parser.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="show no progress, and print nothing if nothing was fetched or deleted; errors are still shown",
    )
    parser.add_argument("--newest", action="store_true", help="fetch the newest messages first")
    parser.add_argument(
        "--since",
        metavar="DATE",
        type=_date,
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
    parser.add_argument(
        "--account-name",
        metavar="NAME",
        type=_name,
        help="the maildrop's name in the journal, where the host was renamed (default: user@host)",
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=_seconds,
        default=60.0,
        help="how long to wait in all for a mailbox that is in use, or a login that the server delays "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--journal",
        metavar="FILE",
        help=f"the file that notes what was fetched (default: {JOURNAL} in the Maildir, where mail programs pass over "
        "a file of that name)",
    )


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "maildir",
        metavar="MAILDIR",
        nargs="?",
        default="pop3aio-demo-maildir",
        help="where the sample mail goes (default: %(default)s)",
    )
    _json(parser)


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="MAILDIR_OR_EML_DIR", help="the mail to serve; its files are never changed"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: %(default)s)")
    parser.add_argument(
        "--port",
        metavar="N",
        type=_number(0, "a port", 65535),
        default=1110,
        help="the port to listen at; 0 takes a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--user", metavar="NAME", default="user", help="the name to log in by (default: %(default)s)"
    )
    parser.add_argument(
        "--idle",
        metavar="SECONDS",
        type=_seconds,
        default=600.0,
        help="how long a client may be silent before its session ends; 0 is for ever (default: %(default)g)",
    )
    parser.add_argument(
        "--quirks",
        metavar="NAME",
        type=_profile,
        help="a server to be like, such as dovecot; a name that is none lists them all",
    )


def _profile(name: str) -> str:
    # The test kit takes longer to import than all that the other commands need.
    from pop3aio.testing import PROFILES

    if name not in PROFILES:
        raise argparse.ArgumentTypeError(
            f"there is no server {name!r} here; these are: {', '.join(PROFILES)}"
        )
    return name


def _name(text: str) -> str:
    # The journal takes no surrogates, which stand for octets that are not UTF-8.
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError("a name of printable characters is expected, in UTF-8")
    return text


def _number(least: int, what: str, most: int | None = None) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text) if re.fullmatch("[0-9]{1,9}", text) else -1
        if value < least or (most is not None and value > most):
            until = "" if most is None else f" to {most}"
            raise argparse.ArgumentTypeError(f"{what}: a whole number from {least}{until} is expected")
        return value

    return number


def _positive_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("a number of seconds above 0 is expected")
    return seconds


def _mechanism(text: str) -> str:
    name = known_mechanism(text)
    if name is None:
        raise argparse.ArgumentTypeError(f"one of these is expected: {', '.join(MECHANISMS)}")
    return name


def _host(text: str) -> str:
    try:
        return host_name(text, "the name")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _pin(text: str) -> str:
    # Perhaps the content of a file that a person saved by an editor.
    text = text.removeprefix("\ufeff").strip()
    try:
        parse_pin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _octets(text: str) -> int:
    found = re.fullmatch("([0-9]{1,12})([KMG]?)", text.upper())
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(
            f"a number of octets is needed, such as 500000, 500K or 50M, not {text!r}"
        )
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a date is needed, such as 2026-01-31, not {text!r}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise argparse.ArgumentTypeError(f"a number of seconds from 0 is needed, not {text!r}")
    return seconds

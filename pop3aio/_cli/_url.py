"""URLs of maildrops (RFC 2384), and what they leave out on purpose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from pop3aio._cli._errors import Failed, one_line
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._mechanisms import MECHANISMS, known_mechanism
from pop3aio._options import PORTS, Tls
from pop3aio._wire._host import host_name

__all__ = ("ServerUrl", "Tls", "parse_url")

_SCHEMES: dict[str, Tls] = {"pop3s": "implicit", "pops": "implicit", "pop3": "starttls", "pop": "starttls"}
_EXAMPLE = "pop3s://user@mail.example.com"

_LITERAL = re.compile(r"\[([0-9A-Fa-f:.]+)(?:%(?:25)?([A-Za-z0-9_.-]+))?\](.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A server, the way to reach it, and who to log in as.

    `mechanism` is the way to log in that the URL demands, in upper case, or None for a free choice.
    """

    host: str
    port: int
    tls: Tls
    user: str | None = None
    mechanism: str | None = None

    @property
    def account(self) -> str:
        """The maildrop's name in a journal, as the library makes it of a user and an address."""
        return f"{self.user}@{self.host.lower()}" + ("" if self.port in PORTS.values() else f":{self.port}")

    def __str__(self) -> str:
        scheme = "pop3s" if self.tls == "implicit" else "pop3"
        user = "" if self.user is None else quote(self.user, safe="") + "@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.tls] else f":{self.port}"
        return one_line(f"{scheme}://{user}{host}{port}")


def parse_url(text: str, *, plaintext: bool = False) -> ServerUrl:
    """Take a URL apart; `plaintext` is for ``--insecure-plaintext``.

    Raises Failed. What it says never repeats the URL: there may be a password in it, also where none belongs.
    """
    scheme, separator, rest = text.partition("://")
    tls = _SCHEMES.get(scheme.lower())
    if not separator or tls is None:
        raise _bad(f"the URL must begin with pop3s:// or pop3://, as in {_EXAMPLE}")
    if plaintext:
        if tls == "implicit":
            raise _bad("--insecure-plaintext goes with pop3:// only; pop3s:// is always under TLS")
        tls = "none"
    # Before anything else is complained about, since nothing else would be to the point.
    info, separator, place = rest.rpartition("@")
    if ":" in info:
        raise _bad(
            "a URL must hold no password, where others can see it: leave it out and use the prompt, POP3AIO_PASSWORD, "
            "--password-file or --password-command (a colon in a user name is written %3A)"
        )
    # RFC 2384 section 3 has no path; a slash alone is what tools put at the end of a URL.
    place = place.removesuffix("/")
    if re.search(r"[/?#]", info + place):
        raise _bad(
            f"the URL must end with host and port, as in {_EXAMPLE}: leave out the path, query or fragment behind them "
            "(a slash in a user name is written %2F)"
        )
    user, mechanism = _user_info(info) if separator else (None, None)
    host, port = _place(place)
    return ServerUrl(host, PORTS[tls] if port is None else port, tls, user, mechanism)


def _user_info(info: str) -> tuple[str, str | None]:
    name, separator, way = info.partition(";")
    user = _decoded(name)
    if not user:
        raise _bad(f"there is no user name before the @ of the URL; it looks like {_EXAMPLE}")
    if not separator:
        return user, None
    label, _, value = way.partition("=")
    if label.upper() == "AUTH" and value == "*":
        return user, None
    mechanism = known_mechanism(_decoded(value)) if label.upper() == "AUTH" else None
    if mechanism is None:
        raise _bad(
            "behind the user name only ;AUTH= can follow (a semicolon is %3B), with * or one of "
            + ", ".join(MECHANISMS)
        )
    return user, mechanism


def _decoded(text: str) -> str:
    # An argument that is not UTF-8 comes as surrogates.
    octets = unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    decoded = octets.decode("utf-8", "surrogateescape")
    if re.search(r"%(?![0-9A-Fa-f]{2})", text) or re.search("[\0-\x1f\x7f\ud800-\udfff]", decoded):
        raise _bad("the user name in the URL is not encoded well: UTF-8, no control characters, % as %25")
    return decoded


def _place(place: str) -> tuple[str, int | None]:
    literal = _LITERAL.fullmatch(place)
    if literal is not None:
        host, zone, rest = literal.groups()
        host = f"{host}%{zone}" if zone else host
        separator, digits = rest[:1], rest[1:]
        if separator not in ("", ":"):
            raise _bad("behind the ] of the URL only a colon and the port can follow")
    else:
        name, separator, digits = place.partition(":")
        if ":" in digits:
            raise _bad("an IPv6 address in a URL stands in brackets, as in pop3s://user@[2001:db8::1]")
        host = name
    try:
        host = host_name(host)
    except ValueError:
        raise _bad(f"there is no valid host in the URL; it looks like {_EXAMPLE}") from None
    if not separator:
        return host, None
    if not re.fullmatch("[0-9]{1,5}", digits) or not 0 < int(digits) < 65536:
        raise _bad("the port in the URL must be a number from 1 to 65535")
    return host, int(digits)


def _bad(message: str) -> Failed:
    return Failed(message, ExitStatus.USAGE)

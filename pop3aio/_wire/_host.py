"""Names of hosts, as the network and certificates have them: the one place that says what a host's name is.

Why it is strict: one layer below, an odd name means something else. asyncio takes an empty name for "do not check the
certificate's name", and Python's resolver raises UnicodeError where a label is empty or too long.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import re

__all__ = ("certificate_name", "host_name")

# RFC 1035 section 2.3.4. Underscores are no part of a host's name, but inner networks have them.
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST = 253

# Of an IPv6 address that is valid on one link only: RFC 4007 section 11.
_ZONE = re.compile(r"[A-Za-z0-9_.~-]+")


def host_name(host: str, what: str = "host") -> str:
    """Return a host's name or address as DNS, SNI and the certificate have it (RFC 9525 section 6.3).

    International labels are encoded by IDNA 2008 if the package ``idna`` is installed, else by the standard library's
    IDNA 2003. A dot at the end is left out: it is the same host.

    Args:
        host: a name, an IPv4 address or an IPv6 address; the latter may have a zone, as in ``fe80::1%eth0``.
        what: what the caller calls the argument, for the error's text.

    Raises:
        TypeError: `host` is no str.
        ValueError: no host can have this name.
    """
    if not isinstance(host, str):
        raise TypeError(f"{what} is the name or address of a server, a str, not {host!r}")
    if _is_address(host):
        return host
    try:
        name = host if host.isascii() else _encoded(host)
    except UnicodeError as error:
        raise ValueError(f"{what} {host!r} is no name that a host can have: {error}") from error
    name = name.removesuffix(".")
    if len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"{what} {host!r} is no name that a host can have{_advice(host)}")
    return name


def certificate_name(host: str) -> str:
    """Return the part of a `host_name` that a certificate is for: an IPv6 zone is for routing alone."""
    return host.partition("%")[0]


def _is_address(host: str) -> bool:
    address, separator, zone = host.partition("%")
    if separator and (":" not in address or not _ZONE.fullmatch(zone)):
        return False
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _encoded(host: str) -> str:
    if importlib.util.find_spec("idna") is not None:
        import idna

        return idna.encode(host, uts46=True).decode("ascii")
    return host.encode("idna").decode("ascii")


def _advice(host: str) -> str:
    """Return what to write instead, if that can be told."""
    if "://" in host:
        return ": write the host alone, without a scheme, a user or a path"
    if host.startswith("[") and host.endswith("]"):
        return ": write an IPv6 address without brackets"
    name, _, port = host.rpartition(":")
    if port.isdigit() and ":" not in name:
        return ": write the port as an argument of its own"
    return ""

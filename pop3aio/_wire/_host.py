"""Names of hosts, as the network and certificates have them."""

from __future__ import annotations

import importlib.util

from pop3core import LocalProtocolError

__all__ = ("to_ascii",)


def to_ascii(host: str) -> str:
    """Return a host's name with international labels encoded for DNS, SNI and the certificate (RFC 9525 section 6.3).

    By IDNA 2008 if the package ``idna`` is installed, else by the standard library's IDNA 2003. Raises
    LocalProtocolError for what cannot be encoded.
    """
    if host.isascii():
        return host
    try:
        if importlib.util.find_spec("idna") is not None:
            import idna

            return idna.encode(host, uts46=True).decode("ascii")
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise LocalProtocolError(f"{host!r} is no name that a host can have: {error}") from error

"""A certificate authority for one test run."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme

__all__ = ("Certificates", "make_certificates")


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority and one server certificate signed by it.

    Attributes:
        ca_pem: the authority's certificate, PEM.
        server_pem: the server's private key and certificate chain, PEM.
    """

    ca_pem: bytes
    server_pem: bytes = field(repr=False)
    _authority: trustme.CA = field(repr=False)
    _leaf: trustme.LeafCert = field(repr=False)

    def server_context(self) -> ssl.SSLContext:
        """Return a new context that presents the server certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._leaf.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a new context that trusts this authority and no other."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context


def make_certificates(hostnames: Iterable[str] = ("localhost", "127.0.0.1", "::1")) -> Certificates:
    """Make an authority and a server certificate for these names, with keys of their own.

    Args:
        hostnames: host names and IP addresses.

    Raises:
        RuntimeError: the package trustme is not installed.
    """
    try:
        import trustme
    except ImportError as error:
        raise RuntimeError("making certificates needs trustme: pip install trustme") from error
    authority = trustme.CA()
    leaf = authority.issue_cert(*hostnames)
    return Certificates(
        ca_pem=authority.cert_pem.bytes(),
        server_pem=leaf.private_key_and_cert_chain_pem.bytes(),
        _authority=authority,
        _leaf=leaf,
    )

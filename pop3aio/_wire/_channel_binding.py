"""Channel binding: what ties a login to the TLS connection under it (RFC 5056)."""

from __future__ import annotations

import asyncio
import ssl

from pop3aio._wire._certificate import server_end_point

__all__ = ("channel_binding",)


def channel_binding(writer: asyncio.StreamWriter, *, end_point: bool = False) -> tuple[str, bytes] | None:
    """Return the type and data of a TLS channel's binding, or None where Python has none.

    Of TLS 1.2 it is tls-unique: no session is ever resumed here, without which that would not be safe. TLS 1.3 has
    tls-exporter alone (RFC 9266), where the interpreter offers that; tls-unique must not be used there, though Python
    returns octets for it.

    Args:
        writer: the writing half of the connection.
        end_point: whether to bind to the server's certificate if there is nothing better (RFC 5929 section 4).
    """
    tls = writer.get_extra_info("ssl_object")
    if tls is None:
        return None
    kind = "tls-unique" if tls.version() == "TLSv1.2" else "tls-exporter"
    data = tls.get_channel_binding(kind) if kind in ssl.CHANNEL_BINDING_TYPES else None
    if data:
        return kind, data
    certificate = tls.getpeercert(binary_form=True)
    if end_point and certificate is not None and (data := server_end_point(certificate)) is not None:
        return "tls-server-end-point", data
    return None

"""STLS: from clear text to TLS within a session (RFC 2595 section 4)."""

# How it works. The call of STLS keeps its turn until the handshake is done, so that no other command goes out in
# clear. Between the server's ``+OK`` and the handshake nothing may come: octets that do were put in by an attacker who
# wants them to be taken for the server's, said under TLS. The core refuses them (StartTlsInjection).
#
# Invariant: after the ``+OK`` there are two ends, TLS or a connection that is closed. A cancel closes it as well, for
# the server waits for a handshake and for nothing else.

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable

from pop3aio._errors import ConnectionLost, TlsError, command_error
from pop3aio._session._queue import CommandQueue
from pop3aio._wire._stream import Stream
from pop3aio._wire._tls import shared_ssl_context
from pop3core import RemoteProtocolError, Reply, StartTls, Stls

__all__ = ("upgrade",)


async def upgrade(
    queue: CommandQueue,
    stream: Stream,
    name: str,
    context: ssl.SSLContext | None,
    handshake: Callable[[ssl.SSLContext], Awaitable[None]],
) -> None:
    """Ask for STLS and do the handshake.

    Args:
        queue: the session's.
        stream: the connection.
        name: the server's name, for errors.
        context: what verifies the server's certificate, if not the system's authorities.
        handshake: does the handshake on the stream.

    Raises what `Session.start_tls` does.
    """
    # Asked for at once, so that all later commands wait for TLS. While the context is made nothing is read: octets
    # behind the ``+OK`` are found together with it.
    call = queue.submit(Stls())
    queue.pump.flush()
    try:
        context = context or await shared_ssl_context()
        reply = await queue.next_event(call)
        assert isinstance(reply, Reply)
        if not reply.ok:
            raise command_error(reply, "STLS")
        event = await queue.next_event(call)
        assert isinstance(event, StartTls)
    except BaseException:
        queue.release(call)
        raise
    core = queue.core
    try:
        early = stream.poll()
        if early is not None:
            core.receive_data(early)
            if not early:
                raise TlsError(f"{name} closed the connection in the TLS handshake", reason="closed")
        # Raises StartTlsInjection if octets are there.
        core.next_event()
        await handshake(context)
        core.tls_established()
    except (RemoteProtocolError, TlsError) as error:
        queue.fail(error)
        raise
    except OSError as error:
        lost = TlsError(f"{name} closed the connection before the TLS handshake", reason="closed")
        queue.fail(lost)
        raise lost from error
    except BaseException:
        queue.fail(ConnectionLost("the TLS handshake was broken off"))
        raise
    queue.finish(call)

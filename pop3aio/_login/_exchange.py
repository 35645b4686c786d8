"""How an AUTH exchange is done, and what its outcome means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pop3aio._errors import AuthenticationError, MechanismUnavailable, TlsRequired, command_error
from pop3aio._session._masks import masked
from pop3aio._session._queue import CommandQueue
from pop3core import Auth, Capabilities, Command, Continuation, POP3Error, Reply, sasl

__all__ = ("authenticate", "refuse_insecure", "refused_login")


def refuse_insecure(secure: bool, allow_insecure: bool) -> None:
    """Raise TlsRequired unless secrets are safe on this connection, or the caller takes the risk."""
    if not secure and not allow_insecure:
        raise TlsRequired(
            "refusing to send a password without TLS: connect with tls='implicit' or tls='starttls', or say "
            "allow_insecure=True if anyone may read it"
        )


async def authenticate(
    queue: CommandQueue,
    mechanism: sasl.Mechanism,
    capabilities: Capabilities | None,
    accepted: Callable[[], None],
) -> POP3Error | None:
    """Run one AUTH exchange (RFC 5034 section 4); return None when it was a success.

    No initial response is sent, so that a refusal of the bare AUTH line costs nothing, nor does a first challenge that
    must not be answered: what went wrong is returned then, and another way may be tried. Once anything was answered it
    is raised: CommandError when the server refuses the credentials, or the AUTH line with a response code; what the
    mechanism raises. `accepted` is called where the server's success is read. Cancelling cancels the exchange; whether
    the login succeeded is unknown then. A success that the server says too early closes the connection even so.
    """

    def check(reply: Reply) -> POP3Error | None:
        if not reply.ok:
            return None
        if not _finished(mechanism):
            # Of SCRAM this means that the server has not proved who it is.
            return sasl.ServerNotAuthenticated(
                f"the server reported success before {mechanism.name} was finished; it may be anyone's"
            )
        accepted()
        return None

    # Before the first response, with which our own mechanisms forget them.
    secrets = getattr(mechanism, "secrets", None)
    if secrets is not None:
        queue.masks.hide(*secrets)
    call = queue.submit(Auth(mechanism.name), check=check)
    answered = False
    refused: sasl.ChallengeRefused | None = None
    try:
        while True:
            event = await queue.next_event(call)
            if isinstance(event, Reply):
                break
            assert isinstance(event, Continuation)
            response: bytes | None = None
            try:
                if event.data is None:
                    raise sasl.ChallengeRefused("the server's challenge is not valid base64")
                if getattr(mechanism, "slow", False):
                    # A second of hashing, and every other connection of the loop would wait for it.
                    response = bytes(await asyncio.to_thread(mechanism.respond, event.data))
                else:
                    response = bytes(mechanism.respond(event.data))
                # Where a digest or a proof stands behind the name, it is masked by itself as well.
                queue.masks.hide(response, response.rpartition(b" ")[2], response.rpartition(b",p=")[2])
                answered = True
            except sasl.ServerNotAuthenticated as error:
                queue.fail(error)
                raise
            except sasl.ChallengeRefused as error:
                refused = error
            except BaseException:
                if queue.failure is not None:
                    raise
                # The server would wait for an answer for ever, and whoever comes next for the server.
                queue.core.answer(None)
                raise
            queue.core.answer(response)
    except BaseException:
        queue.release(call)
        raise
    if refused is not None:
        if answered:
            raise refused
        return refused
    # A response code says what is wrong; trying another way would hide it, or meet it again.
    if not event.ok and (answered or event.code is not None):
        if secrets is None:
            # A mechanism that does not say what is secret: the server's text may hold it.
            event = masked(event)
        refusal = command_error(event, f"AUTH {mechanism.name}", capabilities, login=True)
        if isinstance(refusal, AuthenticationError):
            refusal.status = _masked(queue, getattr(mechanism, "status", None))
            refusal.scope = _masked(queue, getattr(mechanism, "scope", None))
        raise refusal
    if not event.ok:
        return MechanismUnavailable(
            f"the server refused AUTH {mechanism.name} before anything secret was sent"
        )
    return None


def _finished(mechanism: sasl.Mechanism) -> bool:
    try:
        return bool(mechanism.done)
    except Exception:
        return False


def _masked(queue: CommandQueue, reason: str | None) -> str | None:
    return None if reason is None else queue.masks.text(reason)


def refused_login(reply: Reply, command: Command, capabilities: Capabilities | None) -> Exception:
    """Return the exception for a login that was refused."""
    return command_error(reply, command.redacted(), capabilities, login=True)

"""How a user is logged in: which way is taken, and how an AUTH exchange is done."""

from __future__ import annotations

from typing import Literal

from pop3aio._errors import MechanismUnavailable, TlsRequired, command_error
from pop3aio._queue import CommandQueue
from pop3core import Auth, Capabilities, Command, Continuation, LocalProtocolError, Reply, sasl

__all__ = ("Way", "authenticate", "choose", "refuse_insecure")

Way = Literal["PLAIN", "USER"]


def refuse_insecure(secure: bool, allow_insecure: bool) -> None:
    """Raise TlsRequired unless secrets are safe on this connection, or the caller takes the risk."""
    if not secure and not allow_insecure:
        raise TlsRequired(
            "refusing to send a password without TLS: connect with tls='implicit' or tls='starttls', or say "
            "allow_insecure=True if anyone may read it"
        )


def choose(user: str, password: str, mechanism: str | None, capabilities: Capabilities | None) -> list[Way]:
    """Return the ways to log in, in the order they are tried; the next only follows while no secret was sent.

    Raises MechanismUnavailable for one that was asked for and is unknown, LocalProtocolError for credentials that no
    way can carry.
    """
    if mechanism is not None:
        wanted = mechanism.upper()
        if wanted not in ("PLAIN", "USER"):
            raise MechanismUnavailable(
                f"{mechanism!r} is not a way to log in that is known here: PLAIN or USER"
            )
        return [wanted]  # type: ignore[list-item]  # mypy does not narrow by `in`
    ways: list[Way] = []
    if capabilities is not None and "PLAIN" in capabilities.sasl:
        ways.append("PLAIN")
    # Unknown capabilities, and a list without USER and SASL, leave USER and PASS, which RFC 1939 servers have.
    if capabilities is None or capabilities.user or not ways:
        ascii_only = user.isascii() and password.isascii()
        if (ascii_only or (capabilities is not None and capabilities.utf8_user)) and " " not in user:
            ways.append("USER")
    if not ways:
        raise LocalProtocolError(
            "this server takes the login by USER and PASS only, which cannot carry a space in the user name or, "
            "without the capability UTF8 USER, anything but ASCII"
        )
    return ways


async def authenticate(
    queue: CommandQueue, mechanism: sasl.Mechanism, capabilities: Capabilities | None
) -> bool:
    """Run one AUTH exchange (RFC 5034 section 4).

    No initial response is sent, so that a refusal of the bare AUTH line costs nothing: then False is returned. Raises
    CommandError when the server refuses the credentials, or the AUTH line with a response code. Cancelling cancels
    the exchange; whether the login succeeded is then unknown until the next command.
    """
    call = queue.submit(Auth(mechanism.name))
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
                response = bytes(mechanism.respond(event.data))
                answered = True
            except sasl.ChallengeRefused as error:
                refused = error
            except BaseException:
                # The server would wait for an answer for ever, and whoever comes next for the server.
                queue.core.answer(None)
                raise
            queue.core.answer(response)
    except BaseException:
        queue.release(call)
        raise
    if event.ok and (refused is not None or not mechanism.done):
        early = sasl.ChallengeRefused(f"the server reported success before {mechanism.name} was finished")
        queue.fail(early)
        raise early
    if refused is not None:
        raise refused
    # A response code says what is wrong; trying another way would hide it, or meet it again.
    if not event.ok and (answered or event.code is not None):
        raise command_error(event, f"AUTH {mechanism.name}", capabilities, login=True)
    return event.ok


def refused_login(reply: Reply, command: Command, capabilities: Capabilities | None) -> Exception:
    """Return the exception for a login that was refused."""
    return command_error(reply, command.redacted(), capabilities, login=True)

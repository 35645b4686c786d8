"""One AUTH exchange (RFC 5034 section 4), and what its outcome means."""

# How it works. The AUTH line is sent without an initial response. The mechanism answers each challenge, in a thread
# where that takes long. The server's final answer ends the exchange.
#
# No initial response is sent, so that a refusal of the bare AUTH line costs nothing: nothing secret was used, and
# another way may be tried. The same holds for a first challenge that must not be answered.
#
# Invariants:
# - What must be true of a success is checked where the success is read (`_check`), also if the caller was cancelled:
#   the mechanism is done, so that a server which must prove itself has done so.
# - Every challenge is answered or cancelled. The server would wait for the answer, and the next caller for the server.
# - From the await in `_respond` on, the connection may have failed meanwhile.

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from pop3aio._errors import AuthenticationError, MechanismUnavailable, command_error, printable
from pop3aio._login._attempt import Attempt
from pop3aio._session._masks import masked
from pop3aio._session._queue import CommandQueue
from pop3core import Auth, Capabilities, Continuation, POP3Error, Reply, sasl

__all__ = ("Exchange",)

# What separates the parts of a response, in all mechanisms that are known here.
_SEPARATORS = re.compile(rb"[\x00-\x20,=]+")


class Exchange:
    """One AUTH command, from its line to the server's final answer.

    Args:
        queue: the session's.
        mechanism: what answers the challenges; it serves this exchange alone.
        attempt: the login that this is part of.
        accepted: called where the server's success is read.
    """

    def __init__(
        self,
        queue: CommandQueue,
        mechanism: sasl.Mechanism,
        attempt: Attempt,
        accepted: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._mechanism = mechanism
        self._attempt = attempt
        self._accepted = accepted
        # Asked for before the first response: our own mechanisms forget their secrets when they have sent them.
        self._secrets: tuple[bytes, ...] | None = getattr(mechanism, "secrets", None)
        self._answered = False
        self._refused: sasl.ChallengeRefused | None = None

    async def run(self, capabilities: Capabilities | None) -> POP3Error | None:
        """Run the exchange.

        Args:
            capabilities: what the server offers; it promises what its refusals mean.

        Returns:
            None after a success. What went wrong, where nothing was answered, so that another way may be tried.

        Raises:
            CommandError: the server refuses the credentials, or the AUTH line with a response code.
            sasl.ChallengeRefused: a challenge must not be answered, after an earlier one was.
            sasl.ServerNotAuthenticated: the server did not prove itself; the connection is closed.
            Exception: what the mechanism raises.

        Cancelling cancels the exchange. Whether the login succeeded is unknown then.
        """
        queue = self._queue
        if self._secrets is not None:
            queue.masks.hide(*self._secrets)
        call = queue.submit(Auth(self._mechanism.name), check=self._check)
        try:
            while not isinstance(event := await queue.next_event(call), Reply):
                assert isinstance(event, Continuation)
                await self._answer(event.data)
        except BaseException:
            queue.release(call)
            raise
        return self._outcome(event, capabilities)

    def _check(self, reply: Reply) -> POP3Error | None:
        """Look at the final answer where it is read; see `CommandQueue.submit`."""
        if not reply.ok:
            return None
        try:
            done = bool(self._mechanism.done)
        except Exception:
            done = False
        if not done:
            # Of SCRAM this means that the server has not proved that it knows the password.
            return sasl.ServerNotAuthenticated(
                f"the server reported success before {self._mechanism.name} was finished; it may be an impostor"
            )
        self._accepted()
        return None

    async def _answer(self, challenge: bytes | None) -> None:
        """Answer a challenge, or cancel the exchange; `challenge` is None if it was no base64."""
        queue = self._queue
        response: bytes | None = None
        try:
            if challenge is None:
                raise sasl.ChallengeRefused("the server's challenge is not valid base64")
            response = await self._respond(challenge)
        except sasl.ServerNotAuthenticated as error:
            queue.fail(error)
            raise
        except sasl.ChallengeRefused as error:
            # The server's answer to the cancel is waited for: the session stays usable.
            self._refused = error
        except BaseException:
            if queue.failure is None:
                queue.core.answer(None)
            raise
        queue.core.answer(response)

    async def _respond(self, challenge: bytes) -> bytes:
        """Return the mechanism's response, which is masked from now on."""
        mechanism = self._mechanism
        if getattr(mechanism, "slow", False):
            # A second of hashing: every other connection of the loop would wait for it.
            response = bytes(await asyncio.to_thread(mechanism.respond, challenge))
        else:
            response = bytes(mechanism.respond(challenge))
        masks = self._queue.masks
        # Where a digest or a proof stands behind the name, it is masked by itself as well.
        masks.hide_sent(response, response.rpartition(b" ")[2], response.rpartition(b",p=")[2])
        if self._secrets is None:
            # Which part is secret is not known.
            masks.hide_sent(*_SEPARATORS.split(response))
        self._answered = True
        if getattr(mechanism, "secret_sent", True):
            self._attempt.secret_sent = True
        return response

    def _outcome(self, reply: Reply, capabilities: Capabilities | None) -> POP3Error | None:
        """Return or raise what the final answer means, as `run` says."""
        name = self._mechanism.name
        if self._refused is not None:
            if self._answered:
                raise self._refused
            return self._refused
        if reply.ok:
            return None
        # A response code says what is wrong. To try another way would hide that, or meet it again.
        if not self._answered and reply.code is None:
            return MechanismUnavailable(
                f"the server refused AUTH {name} before anything secret was sent: "
                f"{printable(reply.text) or '-ERR'}"
            )
        if self._answered:
            reply = masked(reply) if self._secrets is None else self._queue.masks.answer(reply)
        refusal = command_error(reply, f"AUTH {name}", capabilities, login=True)
        if isinstance(refusal, AuthenticationError):
            refusal.status = self._reason("status")
            refusal.scope = self._reason("scope")
        raise refusal

    def _reason(self, name: str) -> str | None:
        """Return what the mechanism was told as the reason of a refusal, without a secret."""
        reason: str | None = getattr(self._mechanism, name, None)
        return None if reason is None else self._queue.masks.text(reason)

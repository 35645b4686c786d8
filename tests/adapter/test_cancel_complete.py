"""No public coroutine is without a test that cancels it wherever it waits."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

import maildir
import pop3aio
from tests.adapter import test_cancel_everywhere as sessions
from tests.adapter import test_cancel_storage as storage
from tests.adapter import test_connect_cancel as connecting
from tests.login import test_cancel_login as logins

AWAITED = ("__aenter__", "__aexit__", "__anext__", "__await__")


def public(module: ModuleType) -> Iterator[str]:
    """Yield the names of what a module offers to be awaited; interfaces are for others to write."""
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.iscoroutinefunction(thing):
            yield name
        if inspect.isclass(thing) and not getattr(thing, "_is_protocol", False):
            for member in dir(thing):
                if member in AWAITED or not member.startswith("_"):
                    value = getattr(thing, member)
                    if inspect.iscoroutinefunction(value) or member == "__await__":
                        yield f"{name}.{member}"


CANCELLED: dict[str, object] = {
    **{
        f"Client.{name}": sessions.TRANSACTION[name]
        for name in (
            "capa",
            "command",
            "dele",
            "delete",
            "list",
            "noop",
            "prove",
            "quit",
            "rset",
            "sizes",
            "stat",
            "uidl",
        )
    },
    **{f"Client.{name}": sessions.AUTHORIZATION[name] for name in ("apop", "authenticate", "lang", "utf8")},
    "Client.login": sessions.AUTHORIZATION["login_plain"],
    "Client.login_oauth": logins.UNDER_TLS["XOAUTH2"],
    "Client.user": sessions.AUTHORIZATION["user"],
    "Client.pass_": sessions.AUTHORIZATION["pass"],
    "Client.start_tls": sessions.test_stls,
    "Client.begin": connecting.test_cancel_at_every_await,
    "Client.drop": connecting.test_cancel_at_every_await,
    "Client.from_streams": connecting.test_cancel_a_start_on_streams_at_every_await,
    "Client.__aenter__": connecting.test_cancel_a_block_over_streams_at_every_await,
    "Client.__aexit__": connecting.test_cancel_a_block_over_streams_at_every_await,
    "Connect.__await__": connecting.test_cancel_at_every_await,
    "Connect.__aenter__": connecting.test_cancel_the_block_at_every_await,
    "Connect.__aexit__": connecting.test_cancel_the_block_at_every_await,
    "Message.__await__": sessions.TRANSACTION["retrieve"],
    "Message.open": sessions.TRANSACTION["hold"],
    "Message.skip": sessions.TRANSACTION["skip"],
    "Message.read": sessions.TRANSACTION["retr"],
    "Message.__anext__": sessions.TRANSACTION["iterate"],
    "Message.__aenter__": sessions.TRANSACTION["hold"],
    "Message.__aexit__": sessions.TRANSACTION["hold"],
    "Retrieval.__anext__": sessions.TRANSACTION["retrieve_from_feed"],
    "Retrieval.__aenter__": sessions.TRANSACTION["break_off"],
    "Retrieval.__aexit__": sessions.TRANSACTION["break_off"],
    "Retrieval.aclose": sessions.TRANSACTION["break_off"],
    "fetch": storage.test_a_run_into_a_maildir,
    "collect": storage.test_a_run_into_a_maildir,
    "unseen": storage.test_a_run_into_a_maildir,
    "Incoming.__anext__": storage.test_a_run_into_a_maildir,
    **{f"SQLiteJournal.{name}": use for name, use in storage.JOURNAL.items()},
    **{
        f"Maildir.{name}": storage.MAILDIR[name]
        for name in ("__aenter__", "__aexit__", "aclose", "clean", "deliver", "keys", "replace", "submit")
    },
    "Writer.__aenter__": storage.MAILDIR["write"],
    "Writer.write": storage.MAILDIR["write"],
    "Writer.__aexit__": storage.MAILDIR["broken off"],
}


def test_every_public_coroutine_is_cancelled_somewhere() -> None:
    assert set(CANCELLED) == {*public(pop3aio), *public(maildir)}

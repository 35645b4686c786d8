"""The options of a connection: one place for each, and a clear word for what cannot be."""

from __future__ import annotations

import asyncio
import inspect
import typing
from dataclasses import fields
from typing import Any

import pytest

import pop3aio
from pop3aio import _options
from pop3aio._wire._host import host_name
from pop3aio.testing import Server

# What a person writes by mistake, for each option; and for each of these, the kind of error.
ODD: dict[str, list[object]] = {
    "tls": ["ssl", "STARTTLS", None, True],
    "ssl_context": [True, "ca.pem"],
    "server_hostname": [
        "",
        "%eth0",
        "a..b",
        "a" * 64,
        "a\0b",
        " ",
        b"a",
        "host:995",
        "a/b",
        "user@host",
        ".",
    ],
    "timeout": [0, -1, float("nan"), float("inf"), "5", True, None],
    "connect_timeout": [0, -1, float("nan"), float("inf"), "5", True, None],
    "window": [0, -1, 1.5, "8", True, None],
    "limits": [None, 5, pop3aio.Limits],
    "bare_lf": ["no", 1, None],
    "capa": ["no", 0, None],
    "sock": [5, "socket"],
    "local_addr": ["192.0.2.1", ("192.0.2.1",), ("192.0.2.1", "0")],
    "pin": ["", "sha256", b"\0" * 32, 5],
    "pin_only": ["yes", 1, None, True],
    "record": ["file", open, 5],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in ODD.items() for value in values]
)
def test_a_value_that_cannot_be_is_refused_at_once(name: str, value: object) -> None:
    odd: Any = {name: value}
    with pytest.raises((TypeError, ValueError), match=name if name != "pin" else "a pin is"):
        pop3aio.connect("localhost", **odd)


async def test_streams_refuse_it_as_well() -> None:
    nothing: Any = None
    for name in _options.StreamOptions.__annotations__:
        odd: Any = {name: ODD[name][0]}
        with pytest.raises((TypeError, ValueError)):
            await pop3aio.Client.from_streams(nothing, nothing, **odd)
    tls: Any = {"tls": "starttls"}
    with pytest.raises(TypeError, match=r"from_streams\(\) has no option 'tls'"):
        await pop3aio.Client.from_streams(nothing, nothing, **tls)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("", "no name"),
        ("pop3s://mail.example", "without a scheme"),
        ("mail.example:995", "the port as an argument"),
        ("[::1]", "without brackets"),
        ("%eth0", "no name"),
        ("mail.example%eth0", "no name"),
        ("::1%", "no name"),
        ("two..dots", "no name"),
        ("..", "no name"),
        (".", "no name"),
        ("a" * 64 + ".example", "no name"),
        (".".join(["a" * 60] * 5), "no name"),
        ("mail\0.example", "no name"),
        ("mail.example\n", "no name"),
        (" mail.example", "no name"),
        ("-mail.example", "no name"),
        (b"mail.example", "not b'mail"),
        (None, "not None"),
    ],
)
def test_a_host_that_cannot_be(host: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        pop3aio.connect(host)


@pytest.mark.parametrize("port", [0, -1, 65536, "995", 995.0, True])
def test_a_port_that_cannot_be(port: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="port is a whole number from 1 to 65535"):
        pop3aio.connect("localhost", port)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("mail.example.", "mail.example"),
        ("Mail_1.example", "Mail_1.example"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
    ],
)
def test_a_host_as_it_is_used(host: str, name: str) -> None:
    assert host_name(host) == name


async def test_a_dot_at_the_end_is_the_same_account() -> None:
    async with Server([]) as server:
        accounts = []
        for host in ("localhost", "localhost.", "LOCALHOST"):
            async with pop3aio.connect(host, server.port, tls="none") as client:
                await client.login("user", "password", allow_insecure=True)
                accounts.append(client.account)
        assert len(set(accounts)) == 1


def test_each_option_has_one_type_and_one_default() -> None:
    types = typing.get_type_hints(pop3aio.Options)
    assert typing.get_type_hints(_options.ConnectOptions) == types
    shown = inspect.signature(pop3aio.connect).parameters
    for field in fields(pop3aio.Options):
        assert shown[field.name].default == field.default
    assert {*shown} == {"host", "port", "options", *types}
    streams = inspect.signature(pop3aio.Client.from_streams).parameters
    assert {*streams} == {"reader", "writer", "secure", "options", *_options.StreamOptions.__annotations__}
    assert ODD.keys() == types.keys()


async def test_options_and_changes_of_them() -> None:
    options = pop3aio.Options(tls="none", window=4, timeout=20)
    async with Server([b"a"]) as server:
        async with pop3aio.connect(server.host, server.port, options=options, window=8) as client:
            await client.login("user", "password", allow_insecure=True)
            assert client.window == 8
        reader, writer = await asyncio.open_connection(server.host, server.port)
        async with await pop3aio.Client.from_streams(reader, writer, options=options) as client:
            await client.login("user", "password", allow_insecure=True)
            assert client.window == 4
    wrong: Any = {"window": 8}
    with pytest.raises(TypeError, match="options is an Options object"):
        pop3aio.connect("localhost", options=wrong)
    with pytest.raises(TypeError, match="colour"):
        pop3aio.connect("localhost", colour="red")  # type: ignore[call-arg]


async def test_odd_arguments_of_methods_send_nothing() -> None:
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        *(
            (name, (number,), {})
            for name in ("retr", "top", "dele")
            for number in (0, -1, "1", 1.0, True, None)
        ),
        *((name, (number,), {}) for name in ("list", "uidl") for number in (0, -1, "1", 1.0, True)),
        *(("top", (1, lines), {}) for lines in (-1, "1", 1.0, True, None)),
        *(("delete", (numbers,), {}) for numbers in (5, None, ["1"], [0])),
        *(("retrieve", (numbers,), {}) for numbers in (5, None, ["1"], [0])),
        *(("sizes", (numbers,), {}) for numbers in (5, None, ["1"], [0])),
        *(("command", (raw,), {}) for raw in (5, None, b"XTND", "", "XTND\r\nDELE 1")),
        ("prove", ("proof",), {}),
        ("abort", ("reason",), {}),
        ("start_tls", (), {"ssl_context": True}),
    ]

    async def use(name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        result = getattr(client, name)(*arguments, **keywords)
        if name == "retrieve":
            async for message in result:
                await message
        elif result is not None:
            await result

    async with Server([b"a"]) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        await client.login("user", "password", allow_insecure=True)
        before = len(server.commands)
        for call in calls:
            with pytest.raises((TypeError, ValueError, pop3aio.LocalProtocolError)):
                await use(*call)
            assert server.commands[before:] == [], call
        await client.noop()
        for name, values in (("window", (0, "8", True)), ("timeout", (0, "5", float("nan"), True))):
            for value in values:
                with pytest.raises((TypeError, ValueError)):
                    setattr(client, name, value)

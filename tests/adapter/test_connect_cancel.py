"""Connecting, cancelled wherever it waits: nothing is left, and nothing hangs."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

import pop3aio
from pop3aio.testing import Certificates, Server
from tests.kit.cancelling import Through, When, cancelled_at
from tests.kit.leaks import Leaks


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
async def test_cancel_at_every_await(certificates: Certificates, tls: Any, when: When) -> None:
    context = None if tls == "none" else certificates.server_context()
    trust = certificates.client_context()
    async with Server(tls=tls, ssl_context=context) as server:

        async def attempt() -> pop3aio.Client:
            return await pop3aio.connect("127.0.0.1", server.port, tls=tls, ssl_context=trust)

        for suspension in itertools.count(1):
            leaks = Leaks()
            try:
                client = await cancelled_at(attempt(), suspension, when)
            except Through as through:
                client = through.args[0]
                assert client is not None
                await client.quit()
                assert suspension > 4
                return
            if client is not None:
                await client.quit()
            for session in server.sessions:
                await session.wait_closed()
            assert not await leaks.settled(), suspension


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
async def test_cancel_the_block_at_every_await(certificates: Certificates, tls: Any) -> None:
    context = None if tls == "none" else certificates.server_context()
    trust = certificates.client_context()
    async with Server(tls=tls, ssl_context=context) as server:

        async def block() -> str:
            async with pop3aio.connect("127.0.0.1", server.port, tls=tls, ssl_context=trust) as client:
                await client.login("user", "password", allow_insecure=True)
                await client.noop()
            return "done"

        for suspension in itertools.count(1):
            leaks = Leaks()
            try:
                assert await cancelled_at(block(), suspension, "early") is None
            except Through:
                return
            for session in server.sessions:
                await session.wait_closed()
            assert not await leaks.settled(), suspension


@pytest.mark.parametrize("when", ["early", "late"])
async def test_cancel_a_start_on_streams_at_every_await(when: When) -> None:
    async with Server() as server:
        for suspension in itertools.count(1):
            leaks = Leaks()
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            try:
                client = await cancelled_at(pop3aio.Client.from_streams(reader, writer), suspension, when)
            except Through as through:
                await through.args[0].quit()
                assert suspension > 1
                return
            assert client is None or not writer.is_closing()
            if client is not None:
                await client.quit()
            for session in server.sessions:
                await session.wait_closed()
            assert not await leaks.settled(), suspension


@pytest.mark.parametrize("when", ["early", "late"])
async def test_cancel_a_block_over_streams_at_every_await(when: When) -> None:
    async with Server() as server:

        async def block(client: pop3aio.Client) -> None:
            async with client:
                await client.capa(refresh=True)

        for suspension in itertools.count(1):
            leaks = Leaks()
            client = await pop3aio.Client.from_streams(
                *await asyncio.open_connection("127.0.0.1", server.port)
            )
            through = False
            try:
                await cancelled_at(block(client), suspension, when)
            except Through:
                through = True
            for session in server.sessions:
                await session.wait_closed()
            assert not await leaks.settled(), suspension
            if through:
                assert suspension > 2
                return

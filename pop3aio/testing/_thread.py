"""A thread with an event loop in which a server runs, for code that has none or another."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pop3aio.testing._server import Server

__all__ = ("ServerThread",)


class ServerThread:
    """Runs one server from `start_serving` to `stop_serving`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._failure: BaseException | None = None
        # A test that forgets to stop it can still end.
        self._thread = threading.Thread(target=self._main, name="pop3aio.testing", daemon=True)

    def start_serving(self) -> None:
        """Return when the server listens; raises what keeps it from that."""
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._thread.join()
            raise

    def stop_serving(self) -> None:
        """Return when the server and its loop are closed; raises what a hook raised."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def run(self, work: Coroutine[Any, Any, None], timeout: float) -> None:
        """Wait for some work to be done in the server's loop; raises TimeoutError after so many seconds."""
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout), self._loop).result()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                self._failure = error
            else:
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self._server:
            self._started.set_result(None)
            await self._stop.wait()

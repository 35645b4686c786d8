"""The Maildir, as the event loop sees it."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Collection
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from maildir._checks import (
    check_bool,
    check_choice,
    check_count,
    check_date,
    check_flags,
    check_headers,
    check_hostname,
    check_key,
    check_keys,
    check_max_age,
    check_mode,
    check_path,
)
from maildir._draft import Delivered, Draft, Step
from maildir._group import GroupWriter
from maildir._keys import KnownKeys
from maildir._names import Names, new_key
from maildir._newlines import Newline, Newlines
from maildir._source import Source, chunks
from maildir._spool import Spool
from maildir._sync_order import Committer, Durability, Publish
from maildir._ticket import Ticket
from maildir._tree import Tree
from maildir._writer import Writer

__all__ = ("Maildir",)


class Maildir:
    """Delivers messages into one Maildir, through one thread of its own.

    The order of a durable message: written to tmp/, modification time set, file synchronised, closed and that checked,
    renamed into new/ (into cur/ when it has flags), directory synchronised, and only then reported as delivered. All
    messages that wait while the thread is busy go through these stages together, and the directory is synchronised
    once for them all. So a message is in new/ or cur/, whole and durable, or it is not there.

    Everything belongs to the event loop of the first use. The object is an asynchronous context manager: entering it
    makes the Maildir, which otherwise the first delivery does, and leaving it closes.

    Args:
        path: the directory with tmp/, new/ and cur/. A relative path is resolved now. A ``~`` or ``~user`` at the
            beginning is expanded; a directory whose name begins with a tilde can be given as ``"./~name"``.
        create: whether to make the Maildir if there is nothing or an empty directory. Something else is left alone.
        durability: ``"full"``, or ``"data"`` without synchronising the directory (a power failure may take the name of
            a message that was reported as delivered), or ``"none"`` without synchronising at all.
        newline: what stands at the end of a line: ``"lf"`` and ``"crlf"`` convert the other, ``"verbatim"`` nothing.
        sizes: whether names say the sizes (``,S=octets,W=virtual octets``), so that servers need not look.
        mode: the permissions of files, less the umask, from 0o200 to 0o777.
        dirmode: the permissions of directories that are made, less the umask; they include 0o700.
        publish: ``"rename"``, or ``"link"``, which fails rather than overwrites should a name exist; where there are no
            hard links it renames after all.
        hostname: the last part of names; by default that of this machine.
        max_batch: how many messages are committed together at most; fewer if the limit of open files is low.
        max_queued: how many octets may wait for the thread before callers do.

    Raises:
        TypeError, ValueError: an argument is none of these; the text says what to write.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        durability: Durability = "full",
        newline: Newline = "lf",
        sizes: bool = True,
        mode: int = 0o600,
        dirmode: int = 0o700,
        publish: Publish = "rename",
        hostname: str | None = None,
        max_batch: int = 128,
        max_queued: int = 8 << 20,
    ) -> None:
        self._path = check_path(path)
        check_bool("create", create)
        check_choice("durability", durability, Durability)
        check_choice("newline", newline, Newline)
        check_bool("sizes", sizes)
        check_mode("mode", mode, needed=0o200, most=0o777)
        check_mode("dirmode", dirmode, needed=0o700, most=0o7777)
        check_choice("publish", publish, Publish)
        check_hostname(hostname)
        check_count("max_batch", max_batch)
        check_count("max_queued", max_queued)
        self._newline = newline
        tree = Tree(self._path, create=create, dirmode=dirmode, sync=durability == "full")
        self._committer = Committer(
            tree, Names(hostname), durability=durability, sizes=sizes, mode=mode, publish=publish
        )
        self._writer = GroupWriter(self._committer, max_batch=max_batch, max_queued=max_queued)
        self._known = KnownKeys()
        # Comparisons that are under way; asyncio holds its tasks weakly.
        self._comparing: set[asyncio.Task[Delivered]] = set()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r})"

    async def deliver(
        self,
        source: Source,
        *,
        key: str | None = None,
        flags: str = "",
        date: float | datetime.datetime | None = None,
        headers: bytes = b"",
    ) -> Delivered:
        """Deliver one message and return when it is durable.

        A key is known if the last `keys` found it, or if this object delivered a message under it since (with `keys`
        or without). For a known key the source is not read, and a Delivered with ``duplicate=True`` is returned. The
        directories are not looked at: a file with the same key that `keys` has not found does not count. If another
        delivery of the key is under way, its outcome is awaited first. Without a key nothing is ever a duplicate, and
        `replace` delivers a known key again.

        Args:
            source: the octets: an asynchronous iterable of chunks, an iterable of them, or all in one piece.
            key: 1 to 64 lower-case hexadecimal digits for the name, by which `keys` recognises the message; by default
                16 random digits. A known key makes a duplicate, see above.
            flags: letters of ``DFPRST``; with any the message goes to cur/.
            date: when the message was received, in seconds since the epoch or as a datetime with time zone, in the
                years 1 to 9999. It becomes the modification time of the file.
            headers: octets to put before the source's, and counted with them.

        Returns:
            Where the message is, and its sizes in octets; or that it is a duplicate.

        Raises:
            QuotaError: the file system is full or the quota used up.
            MaildirError: something else failed. In any case nothing of the message is left.
            TypeError, ValueError: an argument is not acceptable.

        An exception of the source is passed on, and nothing is left. Cancelling leaves nothing either, unless the
        message was being published already: then it stays, whole and durable. CancelledError is raised when the outcome
        is settled.
        """
        return await (await self.submit(source, key=key, flags=flags, date=date, headers=headers))

    async def submit(
        self,
        source: Source,
        *,
        key: str | None = None,
        flags: str = "",
        date: float | datetime.datetime | None = None,
        headers: bytes = b"",
    ) -> Awaitable[Delivered]:
        """Take one message in and return, when `source` is consumed, what to await for its durability.

        Arguments, duplicates and errors are those of `deliver`: the awaitable of a known key gives a Delivered with
        ``duplicate=True``. Errors of the commit are raised by the awaitable; if it is dropped, they are raised nowhere.
        To wait for room in the queue is part of this call.

        Cancelling this call leaves nothing of the message. Cancelling a task that awaits the result is like cancelling
        `deliver`. Several tasks may await the result; if one of them is cancelled, all are.
        """
        draft = self._draft(key, flags, date)
        if type(headers) is not bytes:
            headers = check_headers(headers)
        loop = self._writer.bind()
        if key is None:
            return await self._submit(draft, source, headers)
        if not await self._known.claim(key):
            known: asyncio.Future[Delivered] = loop.create_future()
            known.set_result(Delivered(key, "", "", 0, 0, duplicate=True))
            return known
        return await self._submit(draft, source, headers, key)

    async def replace(
        self,
        source: Source,
        *,
        key: str,
        flags: str = "",
        date: float | datetime.datetime | None = None,
        headers: bytes = b"",
        among: Collection[str] = (),
    ) -> Awaitable[Delivered]:
        """Deliver a message under a key that may be known, and then remove every older file with this key.

        The new file is durable (its octets, its name, its directory) before the first older one is removed. The
        directories are synchronised again before the awaitable is done. A crash between the two leaves the new file
        and older ones; the next `replace` of the key removes all older ones. A mail reader may have moved or flagged
        the older files: they are recognised by the key in their names, in new/ and in cur/.

        This lists new/ and cur/, once or twice for all replacements that are committed together.

        Args:
            source: as for `deliver`; it is read even if the key is known.
            key: as for `deliver`. If a delivery of this key is under way, this call waits for its outcome first.
            flags: as for `deliver`; flags of an older file are not taken over.
            date: as for `deliver`.
            headers: as for `deliver`.
            among: other keys, under which the same message may have been delivered before. If a file with one of them
                holds the same octets, that file stays and the new one is removed again.

        Returns:
            What to await for the durability of the new file and for the removal of the older ones. It gives a
            Delivered whose ``duplicate`` is False, or True if an equal message under a key of `among` stays.

        Raises:
            QuotaError: the file system is full or the quota used up. The older files are untouched then.
            MaildirError: something else failed. If an older file could not be removed, the error says so: the new
                file stays then, and `replace` can be called again. Otherwise the older files are untouched.
            TypeError, ValueError: an argument is not acceptable.

        Cancelling is that of `submit`. A replacement that is cancelled before the new file was published leaves the
        older files untouched.
        """
        check_key(key)
        draft = self._draft(key, flags, date, replaces=True)
        if type(headers) is not bytes:
            headers = check_headers(headers)
        others = check_keys(among) - {key}
        self._writer.bind()
        await self._known.claim(key, again=True)
        ticket = await self._submit(draft, source, headers, key)
        if not others:
            return ticket
        comparing = asyncio.ensure_future(self._compare(ticket, others))
        self._comparing.add(comparing)
        comparing.add_done_callback(self._comparing.discard)
        # A caller that drops the awaitable does not want asyncio to complain.
        comparing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return asyncio.shield(comparing)

    async def _compare(self, ticket: Ticket[Delivered], among: Collection[str]) -> Delivered:
        delivered = await ticket
        if await self._writer.call(partial(self._committer.remove_if_known, delivered, among)):
            return replace(delivered, name="", path="", duplicate=True)
        return delivered

    def open(
        self, *, key: str | None = None, flags: str = "", date: float | datetime.datetime | None = None
    ) -> Writer:
        """Return a writer for one message: ``async with box.open() as w: await w.write(chunk)``.

        Arguments and errors are those of `deliver`. Leaving the block cleanly commits the message and sets
        ``w.delivered``; leaving it by an exception, cancellation included, leaves nothing of it.
        """
        return Writer(self._writer, self._draft(key, flags, date), None if key is None else self._known)

    async def keys(self) -> set[str]:
        """Return the keys of the messages in new/ and cur/ whose names this package made, and remember them.

        From then on a delivery of one of them (by `deliver`, `submit` or `open`, but not by `replace`) is a duplicate.
        One scan of the two directories, in the thread, after what is queued; only `replace` lists them, too.

        Raises:
            MaildirError: the directories could not be read.

        Cancelling waits for the scan to end.
        """
        found, known = await self._writer.call(self._committer.keys)
        self._known.learn(known)
        return found

    async def clean(self, max_age: float = 129600) -> list[str]:
        """Remove files from tmp/ that no program will deliver any more, and return their names.

        The files of killed processes that delivered by this package on this host go at once, if it is sure that the
        processes are dead. Other files go when nothing has touched them for `max_age` seconds: 36 hours are the custom,
        and a younger file may be another program's delivery. A message that is coming in through this object is spared
        at any age.

        Args:
            max_age: seconds, from 0 on.

        Returns:
            The names of the removed files.

        Raises:
            MaildirError: tmp/ could not be read, or a file in it not removed.
            TypeError, ValueError: `max_age` is not acceptable.

        Cancelling waits for the removal to end.
        """
        check_max_age(max_age)
        return await self._writer.call(partial(self._committer.clean, max_age))

    async def aclose(self) -> None:
        """Commit what is queued, then end the thread and close the directories.

        A message whose source is still being read is broken off, and a later delivery fails with MaildirError. A second
        call does nothing more. Cancelling waits for the end all the same.
        """
        try:
            while self._comparing:
                await asyncio.wait(self._comparing)
        finally:
            await self._writer.close()

    async def __aenter__(self) -> Self:
        """Make the Maildir if need be; raises MaildirError when it cannot be made or opened, and is closed then."""
        try:
            await self._writer.call(self._committer.prepare)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _draft(
        self, key: str | None, flags: str, date: float | datetime.datetime | None, *, replaces: bool = False
    ) -> Draft:
        if key is None:
            key = new_key()
        else:
            check_key(key)
        return Draft(key, check_flags(flags), check_date(date), Newlines(self._newline), replaces=replaces)

    async def _submit(
        self, draft: Draft, source: Source, headers: bytes, key: str | None = None
    ) -> Ticket[Delivered]:
        """Queue a message; a `key` has been claimed, and is settled when the outcome is known."""
        try:
            if isinstance(source, bytes):
                # In one piece: nothing gathers, so it needs no spool.
                charge = await self._writer.admit(len(headers) + len(source))
                pieces = [headers, source] if headers else [source]
                ticket: Ticket[Delivered] = self._writer.put(draft, Step.COMMIT, pieces, charge)
            else:
                ticket = await self._spool(draft, source, headers)
        except BaseException:
            if key is not None:
                self._known.settle(key, delivered=False)
            raise
        if key is not None:
            ticket.add_done_callback(partial(self._settle, key))
        return ticket

    async def _spool(self, draft: Draft, source: Source, headers: bytes) -> Ticket[Delivered]:
        """Hand the chunks of `source` to the thread, and queue the commit; an error leaves nothing of the message."""
        stream = Spool(self._writer, draft)
        try:
            if headers:
                stream.add(headers)
            if isinstance(source, AsyncIterable):
                incoming = aiter(source)
                try:
                    async for chunk in incoming:
                        # What nearly every chunk is needs no coroutine of its own.
                        if type(chunk) is not bytes:
                            await stream.take(chunk)
                        elif stream.add(chunk):
                            await stream.spill()
                finally:
                    # A generator that is left half-way would otherwise be closed when the collector finds it.
                    if isinstance(incoming, AsyncGenerator):
                        await incoming.aclose()
            else:
                for chunk in chunks(source):
                    await stream.take(chunk)
            return await stream.finish()
        except (Exception, asyncio.CancelledError):
            await stream.abort()
            raise

    def _settle(self, key: str, ticket: asyncio.Future[Delivered]) -> None:
        # A replacement that could not remove an older file ends as failed: its key stays as known or unknown as it was.
        assert isinstance(ticket, Ticket)
        self._known.settle(key, delivered=ticket.succeeded())

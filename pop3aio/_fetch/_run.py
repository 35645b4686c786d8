"""One session of fetching, from its listing to QUIT: the order of the steps, and what is noted when one breaks.

How it works. A run lists the maildrop, settles what the last run left open, and compares the listing with the journal.
Then it fetches what is new and sound, in groups; then what went wrong before, one message at a time; then it asks for
the deletions, and ends by QUIT. Each step knows its name (`_phase`). If a step breaks the session, the next run is told
by the memo what to do otherwise: ask for sizes in another way, prove the session in another way, take a message last,
take smaller groups, delete fewer messages at once.

Invariants:
- The journal has a message before its deletion is asked for, and the memo has the deletion before DELE is sent.
- When the run raises after DELE was sent, the connection is closed, so that no later QUIT carries the deletions out.
- What went wrong before is tried only when it cannot cost this session's deletions, or when the last run had let it
  wait: so neither the deletions nor these messages wait for ever.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from pop3aio._client import Client, ProofKind
from pop3aio._errors import CommandError, CommitUncertain
from pop3aio._fetch._any_store import Store
from pop3aio._fetch._changed import find_change
from pop3aio._fetch._content import ContentHash
from pop3aio._fetch._copies import name_copies
from pop3aio._fetch._deletions import choose_deletions, learn_from_failure, learn_from_success
from pop3aio._fetch._fence import fence
from pop3aio._fetch._finish import finish
from pop3aio._fetch._intake import Intake
from pop3aio._fetch._journal import Identity
from pop3aio._fetch._ledger import Ledger
from pop3aio._fetch._lessons import BROKEN, Phase, learn_from_break
from pop3aio._fetch._listing import NEXT_PROOF, Item, Listing, take_listing
from pop3aio._fetch._memo import GROUP, Memo
from pop3aio._fetch._naming import Naming
from pop3aio._fetch._notes import Note
from pop3aio._fetch._plan import Plan, make_plan
from pop3aio._fetch._report import Failure, FetchReport, Progress, Resolved
from pop3aio._fetch._since import HeaderDates
from pop3aio._fetch._wishes import Wishes
from pop3core import LimitExceeded, RemoteProtocolError

__all__ = ("Run",)

# Seconds for which a server that proved unable is asked for one thing at a time: longer than a message rests at most.
_ONE_BY_ONE = 8 * 86400.0
# Sessions in a row that broke over headers, behind which a run does without them.
_TOPLESS = 4


class Run:
    """One run over one session.

    Args:
        client: a session that is logged in.
        store: where the messages go.
        ledger: the journal, for this account.
        wishes: the caller's choices.
        report: what the run writes its report into.
        patient: leave out what went wrong before, if there is anything else to do: another session is going to follow.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        ledger: Ledger,
        wishes: Wishes,
        report: FetchReport,
        *,
        patient: bool = False,
    ) -> None:
        self._client = client
        self._store = store
        self._ledger = ledger
        self._wishes = wishes
        self._report = report
        self._patient = patient
        self._memo = Memo()
        self._phase: Phase = "list"
        self._proving: ProofKind = "UIDL n"
        self._naming: Naming | None = None
        self._intake: Intake | None = None
        self._dates: HeaderDates | None = None
        self._left_over: tuple[list[Identity], list[Identity]] = ([], [])
        self._total = Progress(0, 0, 0, 0)
        self._octets = 0
        self._now = int(time.time() * 1000)

    async def run(self) -> None:
        """Do all of it; raises what `fetch` raises."""
        self._memo = await Memo.load(self._ledger)
        self._report.sessions += 1
        self._memo.killed = self._memo.killed + 1 if self._memo.coming else 0
        if time.time() - self._memo.one_by_one < _ONE_BY_ONE:
            self._client.window = 1
        try:
            await self._steps()
        except BaseException as error:
            if self._phase in ("delete", "quit"):
                # A QUIT that follows would carry out what was marked.
                self._client.abort()
            try:
                if self._intake is not None and isinstance(error, Exception):
                    # Nobody has cancelled so far, and a cancel ends this wait.
                    await self._intake.wait_for_store()
            finally:
                with suppress(Exception):
                    await finish(self._broken(error))
            raise

    async def _steps(self) -> None:
        listing = await take_listing(self._client)
        report = self._report
        report.listed = listing.count
        if listing.nameless:
            # Now, since to name them may break the session: the names of what is gone may be used again at once.
            await self._forget_what_is_gone(listing)
            await self._name(listing)
        await self._settle_past(listing)
        positions = list(await self._ledger.compare(listing.uids, complete=listing.complete))
        report.known = len(listing.uids) - len(positions)
        new = listing.items(positions)
        self._drop_recorded(listing, new)
        old = await self._deletable(listing)
        await self._ask_sizes(new, listing)
        if new and not report.known:
            new = await self._check_changed(new, listing)
        if self._wishes.adopt and new:
            await self._take_as_known(new)
            report.adopted += len(new)
            new = []
        if new:
            new = await self._ask_store(new)
        plan = self._plan(new)
        if plan.sound or plan.suspects:
            await self._find_proof(listing)
        intake = self._intake = self._make_intake(listing)
        await self._leave_the_old(plan, intake)
        intake.expect(item for item in new if item.held)
        deletes = bool(choose_deletions(old, listing, self._memo, time.time())[0])
        await self._fetch(intake, plan, deletes)
        if intake.unprovable:
            # The server refused to prove anything, though the session went well.
            self._memo.change_proof()
        await intake.settled()
        if intake.error is not None:
            raise intake.error
        self._memo.remember(_stay(intake.journalled))
        if len(new) > report.known and not self._wishes.deletes_at_once:
            # Most of the listing is known only now: noted as a whole, it costs the next run next to nothing.
            await self._ledger.compare(listing.uids, complete=listing.complete)
        await self._end(listing, [*old, *intake.journalled] if self._wishes.deletes_at_once else old)

    # -- before fetching

    async def _name(self, listing: Listing) -> None:
        """Name the messages that have no unique-id."""
        if not listing.sizes and self._memo.unlisted < 2:
            self._phase = "sizes"
            listing.sizes = await self._client.sizes([*listing.numbers, *listing.nameless], listing=True)
        await self._find_proof(listing)
        self._phase = "name"
        self._naming = Naming(self._client, listing, self._memo, self._wishes, self._report)
        await self._naming.run()
        await fence(self._client)
        self._phase = "list"
        self._report.failed += [
            Failure(number, None, "large" if isinstance(error, LimitExceeded) else "refused", error)
            for number, error in listing.unnamed.items()
        ]

    async def _settle_past(self, listing: Listing) -> None:
        """Learn what came of the last run's deletions, and forget what is gone for good."""
        memo, report = self._memo, self._report
        if not (memo.deleting or memo.deleted or memo.notes or memo.doubtful or memo.coming):
            return
        present = listing.present()
        if memo.deleting:
            left = [identity for identity in memo.deleting if identity in present]
            report.resolved = Resolved(len(memo.deleting) - len(left), len(left))
            self._left_over = (memo.deleting, left)
        await self._forget_what_is_gone(listing)
        report.returned = sum(identity in present for identity in memo.deleted)
        if listing.complete:
            memo.prune(present, time.time())

    async def _forget_what_is_gone(self, listing: Listing) -> None:
        """Forget what was to be deleted and is not listed, at once, also where the deletion was not confirmed.

        To take a hidden message for a deleted one costs a second copy; to take a new message for one that is known,
        under a unique-id used again, would lose it. Messages that have no name yet keep those from being forgotten that
        are named by their content, and no others.
        """
        memo, present = self._memo, listing.present()
        gone = {
            identity
            for identity in (*memo.deleting, *memo.deleted)
            if identity not in present and (listing.complete or not ContentHash.made(identity.uid))
        }
        await self._ledger.forget(gone)
        # A message that came later under such a unique-id is not the one whose copy was doubtful.
        memo.forget(gone)
        memo.deleted = [identity for identity in memo.deleted if identity not in gone]
        for identity in gone:
            memo.sample.pop(identity, None)

    def _drop_recorded(self, listing: Listing, new: Sequence[Item]) -> None:
        """Take what the journal has after all out of what is doubtful: a call may fail behind its work."""
        memo = self._memo
        if memo.doubtful or memo.coming:
            present, wanted = listing.present(), {item.identity for item in new}
            open_ones = (*memo.doubtful, *memo.coming)
            memo.forget([i for i in open_ones if i in present and i not in wanted])

    async def _deletable(self, listing: Listing) -> list[Item]:
        """Return what was fetched before and is to be deleted by now."""
        keep = self._wishes.keep_seconds
        if keep is None:
            return []
        return listing.items(list(await self._ledger.fetched_until(listing.uids, time.time() - keep)))

    async def _ask_sizes(self, new: Sequence[Item], listing: Listing) -> None:
        """Ask for the sizes of what is new, in a way that has not broken a session of this account."""
        self._phase = "sizes"
        missing = [item.number for item in new if item.number not in listing.sizes]
        if missing and self._memo.unlisted < 2:
            listing.sizes |= await self._client.sizes(missing, listing=self._memo.unlisted == 1)
        for item in new:
            item.size = listing.sizes.get(item.number)
        self._phase = "list"

    async def _check_changed(self, new: list[Item], listing: Listing) -> list[Item]:
        """Raise MaildropChanged if all messages look new and are known under other names."""
        if self._wishes.adopt or self._wishes.again:
            return new
        if listing.nameless:
            # Names that are made of the content do not change.
            return new
        change = await find_change(self._ledger, self._memo, new, listing.uids)
        if change is not None:
            raise change
        return new

    async def _take_as_known(self, items: Sequence[Item]) -> None:
        """Note messages as known without fetching them: they are never deleted."""
        found = [item.identity for item in items]
        await self._ledger.adopt(found)
        self._memo.forget(found)
        self._memo.remember(_stay(items))

    async def _ask_store(self, new: list[Item]) -> list[Item]:
        """Learn of which messages the store has a copy already, and under which key each is to come."""
        recovered = await name_copies(
            new,
            self._store,
            self._ledger,
            self._memo,
            lost=self._memo.fresh and not self._report.known,
            keeps=self._wishes.keep_seconds is None,
            now=self._now,
        )
        if not recovered:
            return new
        await self._take_as_known(recovered)
        self._report.recovered = len(recovered)
        known = {item.identity for item in recovered}
        return [item for item in new if item.identity not in known]

    def _plan(self, new: list[Item]) -> Plan:
        plan = make_plan(new, self._memo, self._wishes, self._client.limits.message, time.time())
        self._report.left += plan.left
        self._report.put_off += plan.put_off
        self._report.failed += plan.failures
        return plan

    def _make_intake(self, listing: Listing) -> Intake:
        tell = None if self._wishes.progress is None else self._tell
        return Intake(
            self._client,
            self._store,
            self._ledger,
            self._memo,
            self._wishes,
            self._report,
            listing,
            tell,
        )

    async def _find_proof(self, listing: Listing) -> None:
        """Find out by which command this server proves its sessions to be in step, unless that is known."""
        memo = self._memo
        if memo.proof is not None and not memo.retest:
            return
        self._phase = "sizes"
        await fence(self._client)
        self._phase = "prove"
        self._proving = memo.proof or "UIDL n"
        tried: set[ProofKind] = set()
        for _ in NEXT_PROOF:
            # The listing may have no answers for this kind; another one stands in for it then.
            proof = listing.proof(self._proving)
            if proof.kind not in tried and await self._client.prove(proof):
                break
            tried.add(proof.kind)
            self._proving = NEXT_PROOF[self._proving]
        else:
            memo.proof, self._phase = None, "list"
            raise RemoteProtocolError(
                "the server answers neither UIDL nor LIST for messages that it has listed, so that nothing proves a "
                "session to be in step; nothing was fetched"
            )
        await fence(self._client)
        memo.proof, memo.retest = proof.kind, False

    async def _leave_the_old(self, plan: Plan, intake: Intake) -> None:
        """Take as known what is older than the caller wishes, by its header."""
        earliest = self._wishes.earliest
        if earliest is None or not plan.sound or self._memo.topless >= _TOPLESS:
            return
        self._phase = "since"
        self._dates = HeaderDates(self._client, intake.proof)
        old = await self._dates.older_than(plan.sound, earliest, alone=self._memo.topless > 0)
        self._memo.topless = 0
        if not old:
            return
        await self._take_as_known(old)
        self._report.left += len(old)
        known = {item.identity for item in old}
        plan.sound = [item for item in plan.sound if item.identity not in known]
        for item in old:
            # Its copy is nobody's business any more.
            item.held = False

    # -- fetching

    async def _fetch(self, intake: Intake, plan: Plan, deletes: bool) -> None:
        memo, report, limit = self._memo, self._report, self._wishes.limit
        total = (*plan.sound, *plan.suspects)
        self._total = Progress(0, len(total), 0, sum(item.size or 0 for item in total))
        if self._wishes.progress is not None:
            self._tell(0)
        self._phase = "fetch"
        # Of doubtful messages the store has a copy already: each stands for one of those that it is to get.
        doubtful = sum(item.held and not _hopeless(memo.notes.get(item.identity)) for item in plan.suspects)
        left = await intake.take(plan.sound, None if limit is None else max(0, limit - doubtful))
        report.postponed += left
        if not plan.suspects:
            return
        busy = deletes or (self._wishes.deletes_at_once and intake.accepted > 0)
        if (busy or (self._patient and intake.came > 0)) and not memo.waited:
            memo.waited = True
            report.put_off += len(plan.suspects)
            report.more = True
            return
        memo.waited = False
        await intake.settled()
        self._phase = "alone"
        left = await intake.take_alone(plan.suspects, limit)
        report.postponed += left

    def _tell(self, octets: int) -> None:
        self._octets += octets
        assert self._wishes.progress is not None
        came = 0 if self._intake is None else self._intake.came
        self._wishes.progress(
            Progress(came, self._total.total_messages, self._octets, self._total.total_octets)
        )

    # -- the end

    async def _end(self, listing: Listing, deletable: list[Item]) -> None:
        memo, report = self._memo, self._report
        now = time.time()
        learn_from_failure(memo, *self._left_over, now)
        memo.group = min(GROUP, memo.group * 2)
        memo.killed = 0
        # Where headers break each session, they are asked for once more in a later run.
        memo.topless = min(memo.topless, _TOPLESS - 1)
        chosen, rest = choose_deletions(deletable, listing, memo, now)
        report.more = report.more or bool(rest)
        memo.deleting = [item.identity for item in chosen]
        for identity in memo.deleting:
            memo.sample.pop(identity, None)
        await memo.save(self._ledger)
        if chosen:
            self._phase = "delete"
            refused = await self._client.delete(sorted(item.number for item in chosen))
            for item in chosen:
                if (error := refused.get(item.number)) is not None:
                    assert self._intake is not None
                    self._intake.note(item, "undeleted", error)
            marked = [item for item in chosen if item.number not in refused]
            report.deleted = len(marked)
        else:
            marked = []
        self._phase = "quit"
        await self._quit(marked)

    async def _quit(self, marked: list[Item]) -> None:
        """End the session; whatever becomes of its deletions, this run or the next one learns it."""
        report, memo = self._report, self._memo
        try:
            await self._client.quit()
        except CommitUncertain:
            report.commit = "unknown"
        except CommandError as error:
            report.commit = "refused"
            report.failed += [Failure(item.number, item.identity.uid, "undeleted", error) for item in marked]
        else:
            gone = [item.identity for item in marked]
            if marked:
                report.commit = "committed"
            memo.deleting = []
            memo.deleted += [i for i in gone if i not in set(memo.deleted)] if self._ledger.forgets else []
            memo.forget(gone)
            learn_from_success(memo, len(marked), time.time())
            # If this fails, the next run finds them gone and says so.
            with suppress(Exception):
                await memo.save(self._ledger)

    # -- when a step breaks

    async def _broken(self, error: BaseException) -> None:
        """Journal what is certain, note what broke the session, and leave both for the next run."""
        intake = self._intake
        unproven = 0 if intake is None else intake.unproven
        try:
            if intake is not None:
                await intake.settle()
        finally:
            if isinstance(error, BROKEN):
                learn_from_break(
                    error,
                    self._phase,
                    self._memo,
                    proving=self._proving,
                    naming=self._naming,
                    intake=intake,
                    dates=self._dates,
                    window=self._client.window,
                    unproven=unproven,
                )
            await self._memo.save(self._ledger)


def _hopeless(note: Note | None) -> bool:
    """Return whether a message is not worth keeping a place for."""
    return note is not None and (note.count > 1 or note.kind == "store")


def _stay(items: Sequence[Item]) -> dict[Identity, int]:
    return {item.identity: item.size for item in items[-64:] if item.size is not None}

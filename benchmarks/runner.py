"""Runs the measurements: a server for each workload, the clients by turns, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.jobs import Job, Sample
from benchmarks.load import LoadServer, Sizes, body, wire
from benchmarks.maildirs import fill, sweep
from benchmarks.tools import TOOLS
from benchmarks.workloads import Place, Row, Workload

__all__ = ("Measured", "run")

_ROOT = Path(__file__).parents[1]
_TIMEOUT = 900.0


@dataclass
class Measured:
    """A row and its samples; `missing` says how to get the tool that is not there."""

    row: Row
    version: str = ""
    missing: str = ""
    samples: list[Sample] = field(default_factory=list)

    @property
    def error(self) -> str:
        """What went wrong in the first run that went wrong."""
        return next((sample.error for sample in self.samples if sample.error), "")


def run(
    workload: Workload, runs: int, disk: str | None, tell: Callable[[str], None]
) -> tuple[list[Measured], Job]:
    """Measure all rows of `workload`, `runs` times by turns; return them and the job they shared.

    `disk` is a directory on the file system for what goes to a disk.
    """
    measured = [_look_up(row) for row in workload.rows]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_folder(workload.place, disk)))
        authority, certificate = _certificates(folder) if workload.tls else ("", None)
        mail = workload.mail
        if workload.serve:
            server = stack.enter_context(LoadServer(mail, delay=workload.delay, certificate=certificate))
            port, sizes = server.port, server.sizes
        else:
            octets = body(mail)
            port, sizes = 0, Sizes(len(octets), len(wire(octets)), len(octets) - octets.count(b"\r\n"))
        job = Job(
            port=port,
            # Where the octets are made anew from what is asked for, that must give the same again.
            octets=mail.octets if not workload.serve else sizes.seen,
            count=mail.count - workload.known,
            wire=sizes.wire,
            stored=sizes.stored,
            authority=authority,
            mailboxes=workload.mailboxes,
            known=workload.known,
            kind=mail.kind,
            stuffed=mail.stuffed,
        )
        mails = _fresh(folder, workload)
        for number in range(runs):
            for entry in measured:
                if entry.missing or number >= entry.row.runs or entry.error:
                    continue
                entry.samples.append(
                    _measure(workload, entry.row, replace(job, held=workload.held), mails, sizes)
                )
                if workload.place == "disk":
                    # ext4 looks for inodes that were not freed in the last minutes, one by one: where the files of one
                    # client are removed, the next one pays for it, up to five times its own time.
                    mails = _fresh(folder, workload)
                else:
                    _clear(mails)
                tell(f"{workload.name} {number + 1}/{runs} {entry.row.label}: {_brief(entry.samples[-1])}")
    return measured, job


def _fresh(folder: Path, workload: Workload) -> Path:
    """Return a new directory for the clients, with the Maildir in it."""
    mails = Path(tempfile.mkdtemp(prefix="clients-", dir=folder))
    fill(mails, workload.held)
    return mails


def _clear(mails: Path) -> None:
    """Leave of the directory what `_fresh` has made."""
    sweep(mails)
    for path in mails.iterdir():
        if path.is_file():
            path.unlink()


def _brief(sample: Sample) -> str:
    return sample.error or f"{sample.wall:.3f} s, CPU {sample.cpu:.3f} s, {sample.peak:.0f} MB"


def _look_up(row: Row) -> Measured:
    tool = TOOLS[row.tool]
    version = tool.version()
    if version is None:
        return Measured(row, missing=f"not installed: {tool.install}")
    return Measured(row, version)


def _measure(workload: Workload, row: Row, job: Job, mails: Path, sizes: Sizes) -> Sample:
    """Run one client in a process of its own, and check what it brought."""
    job = replace(job, folder=str(mails), **dict[str, Any](row.options))
    command = [sys.executable, "-m", "benchmarks.client", row.function, job.to_json()]
    try:
        process = subprocess.run(
            command, cwd=_ROOT, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
        lines = process.stdout.splitlines()
        if process.returncode or not lines:
            return Sample(error=f"ended with {process.returncode}: {process.stderr.strip()[-300:]}")
        sample = Sample(**json.loads(lines[-1]))
    except subprocess.TimeoutExpired:
        sample = Sample(error=f"took more than {_TIMEOUT:g} s")
    due = _due(workload, row, job, sizes)
    if not sample.error and sample.octets != due:
        return Sample(error=f"{sample.octets} octets came instead of {due}")
    return sample


def _due(workload: Workload, row: Row, job: Job, sizes: Sizes) -> int:
    uids = len("uid") + 17
    if row.function.endswith("uidl"):
        return workload.mail.count * uids
    if workload.expect == "listing":
        return workload.mail.count * (uids + sizes.seen)
    if row.function.startswith(("ours:deliver", "peers:mailbox_deliver")):
        return job.octets * job.count
    return sizes.seen * job.count * job.mailboxes


@contextmanager
def _folder(place: Place, disk: str | None) -> Iterator[str]:
    """Yield a directory in memory, or on a disk; it is removed afterwards."""
    parent = disk
    if place == "memory":
        parent = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = tempfile.mkdtemp(prefix="pop3aio-benchmark-", dir=parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _certificates(folder: Path) -> tuple[str, str]:
    """Make an authority and a certificate for localhost; return the PEM files of the one and the other."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return str(folder / "authority.pem"), str(folder / "server.pem")

"""The peers that are programs: curl, mpop, fetchmail. Their time includes their start, which is a few milliseconds."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from benchmarks.jobs import PASSWORD, USER, Job, Work
from benchmarks.maildirs import fill, stored

__all__ = ("Program", "curl", "curl_store", "fetchmail", "mpop", "mpop_again")


@dataclass(frozen=True)
class Program:
    """What a program printed, and the peak of its resident memory in MB."""

    output: str
    peak: float


def _run(*arguments: str) -> Program:
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        peaks = [0.0]
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peaks, over))
        watcher.start()
        output, errors = process.communicate()
        over.set()
        watcher.join()
    if process.returncode:
        raise RuntimeError(f"{arguments[0]} ended with {process.returncode}: {errors.strip()[-200:]}")
    return Program(output, max(peaks))


def _watch(process: int, peaks: list[float], over: threading.Event) -> None:
    # The kernel's own record of a child's peak begins with the size of the process that started it.
    status = Path(f"/proc/{process}/status")
    while not over.wait(0.01):
        try:
            lines = status.read_text().splitlines()
        except OSError:
            return
        peaks += [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")]


def _curl(job: Job, target: str) -> list[str]:
    scheme, host = ("pop3s", "localhost") if job.authority else ("pop3", "127.0.0.1")
    secure = ["--cacert", job.authority] if job.authority else []
    return [
        "curl", "--silent", "--show-error", "--user", f"{USER}:{PASSWORD}", "--noproxy", "*", *secure,
        "--output", target, "--write-out", "%{exitcode}\n", f"{scheme}://{host}:{job.port}/[1-{job.count}]",
    ]  # fmt: skip


def curl(job: Job) -> Work:
    """One process and one connection for all messages, into the void.

    What curl has written there it does not tell, so its transfers are counted that went well.
    """
    arguments = _curl(job, os.devnull)
    return lambda: _run(*arguments), lambda program: program.output.split().count("0") * job.octets


def curl_store(job: Job) -> Work:
    """The same, each message into a file of its own."""
    folder = Path(job.folder, "mail", "new")
    arguments = _curl(job, str(folder / "#1"))
    return lambda: _run(*arguments), lambda _: sum(path.stat().st_size for path in folder.iterdir())


def mpop(job: Job) -> Work:
    """Everything into a Maildir, which is all that mpop can do; it synchronises each file."""
    arguments = _mpop(job)
    return lambda: _run(*arguments), lambda _: stored(job)


def mpop_again(job: Job) -> Work:
    """The same where `known` messages are in its file of unique-ids."""
    arguments = _mpop(job)
    uids = "".join(f"uid{number:017x}\n" for number in range(1, job.known + 1))
    Path(job.folder, "uidls").write_text(f" {job.known} 127.0.0.1 {USER}\n{uids}")
    run = Path(job.folder, "mail", "new")
    return lambda: _run(*arguments), lambda _: len(os.listdir(run)) * job.octets


def _mpop(job: Job) -> list[str]:
    folder = Path(job.folder)
    fill(folder, 0)
    secure = f"tls on\ntls_starttls off\ntls_trust_file {job.authority}" if job.authority else "tls off"
    config = folder / "config"
    config.write_text(
        f"account a\nhost {'localhost' if job.authority else '127.0.0.1'}\nport {job.port}\n{secure}\n"
        f"auth user\nuser {USER}\npassword {PASSWORD}\nkeep on\nreceived_header off\n"
        f"uidls_file {folder / 'uidls'}\ndelivery maildir {folder / 'mail'}\n"
    )
    config.chmod(0o600)
    return ["mpop", "--file", str(config), "--quiet", "a"]


def fetchmail(job: Job) -> Work:
    """Everything into one BSMTP file; fetchmail refuses to write a Maildir itself."""
    folder = Path(job.folder)
    config, target = folder / "config", folder / "bsmtp"
    config.write_text(
        f"set nobouncemail\nset no syslog\npoll 127.0.0.1 port {job.port} protocol pop3 uidl\n"
        f'user "{USER}" password "{PASSWORD}" is "nobody" here fetchall keep\nsslproto ""\nbsmtp "{target}"\n'
    )
    config.chmod(0o600)

    def octets(_: Program) -> int:
        return target.read_bytes().count(b"\nRCPT TO:") * job.octets

    home = f"--idfile={folder / 'ids'}"
    arguments = ["fetchmail", "--silent", f"--fetchmailrc={config}", home, f"--pidfile={folder / 'pid'}"]
    return lambda: _run(*arguments), octets

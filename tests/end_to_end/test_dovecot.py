"""The main job against a real Dovecot, with curl and doveadm as the judges."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pop3aio
from maildir import Maildir
from pop3aio.testing import awkward_messages, sample_messages
from tests.kit.dovecot import Dovecot, doveadm_fetch, require_dovecot

COUNT = 1000
HUGE = 50 << 20


def thousand() -> list[bytes]:
    """Varied mail as a delivery agent stores it; what begins with a dot, Dovecot cannot send (it does not stuff it)."""
    awkward = [octets for _, octets in awkward_messages() if not octets.startswith(b".")]
    messages = sample_messages() + awkward
    source = random.Random(5)
    while len(messages) < COUNT:
        lines = [
            b"." * source.randrange(4) + source.randbytes(30).hex().encode()
            for _ in range(source.randrange(60))
        ]
        messages.append(b"\r\n".join([b"Subject: %d" % len(messages), b"", *lines, b""]))
    # Half of them as Unix programs write them.
    return [m if n % 2 else m.replace(b"\r\n", b"\n") for n, m in enumerate(messages)]


@pytest.fixture(scope="module")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    require_dovecot()
    folder = tmp_path_factory.mktemp("dovecot")
    huge = [octets for _, octets in awkward_messages(huge=HUGE) if len(octets) >= HUGE]
    mail = {"thousand": thousand(), "huge": huge, "user": sample_messages(), "other": sample_messages()}
    users = dict.fromkeys(mail, "password")
    with Dovecot(folder, users=users, messages=mail, extra_config="pop3_lock_session = yes") as running:
        yield running


def connect(dovecot: Dovecot, tls: str = "implicit") -> pop3aio.Connect:
    port = dovecot.tls_port if tls == "implicit" else dovecot.port
    return pop3aio.connect(
        "localhost" if tls != "none" else dovecot.host,
        port,
        tls=tls,  # type: ignore[arg-type]
        ssl_context=dovecot.client_context(),
    )


def by_curl(dovecot: Dovecot, folder: Path, user: str, count: int) -> list[bytes]:
    """What curl gets, in the order of the server's listing."""
    if shutil.which("curl") is None:
        if os.environ.get("CI"):
            pytest.fail("curl is missing: apt-get install curl")
        pytest.skip("curl is missing: apt-get install curl")
    authority = folder / "authority.pem"
    authority.write_bytes(dovecot.ca_pem)
    subprocess.run(
        [
            "curl", "--silent", "--show-error", "--fail", "--cacert", authority, "--user", f"{user}:password",
            f"pop3s://localhost:{dovecot.tls_port}/[1-{count}]", "--output", folder / "message-#1",
        ],
        check=True,
    )  # fmt: skip
    return [(folder / f"message-{number}").read_bytes() for number in range(1, count + 1)]


async def fetch_all(
    dovecot: Dovecot, box: Maildir, journal: Path, user: str = "thousand"
) -> pop3aio.FetchReport:
    async with connect(dovecot) as client:
        await client.login(user, "password")
        return await pop3aio.fetch(client, box, journal=journal)


def contents(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in (folder / "new").iterdir())


async def test_a_thousand_messages_over_tls(dovecot: Dovecot, tmp_path: Path) -> None:
    judged = by_curl(dovecot, tmp_path, "thousand", COUNT)
    async with Maildir(tmp_path / "crlf", newline="crlf") as box:
        report = await fetch_all(dovecot, box, tmp_path / "journal-crlf")
        assert (report.fetched, report.failed, report.octets) == (COUNT, [], sum(map(len, judged)))
        again = await fetch_all(dovecot, box, tmp_path / "journal-crlf")
        assert (again.fetched, again.known) == (0, COUNT)
    assert contents(tmp_path / "crlf") == sorted(judged)

    async with Maildir(tmp_path / "lf") as box:
        await fetch_all(dovecot, box, tmp_path / "journal-lf")
    assert contents(tmp_path / "lf") == sorted(m.replace(b"\r\n", b"\n") for m in judged)

    for name in ("crlf", "lf"):
        read = doveadm_fetch(tmp_path / name)
        assert len(read) == COUNT
        by_name = {path.name: path.read_bytes() for path in (tmp_path / name / "new").iterdir()}
        for message in read:
            octets = next(
                octets for file, octets in by_name.items() if file.startswith(message.guid.split(",")[0])
            )
            assert message.physical == len(octets)
            assert message.virtual == len(octets) + octets.count(b"\n") - octets.count(b"\r\n")


async def test_fifty_megabytes_over_tls(dovecot: Dovecot, tmp_path: Path) -> None:
    judged = by_curl(dovecot, tmp_path, "huge", 1)
    async with Maildir(tmp_path / "box", newline="crlf") as box:
        assert (await fetch_all(dovecot, box, tmp_path / "journal", "huge")).fetched == 1
    assert contents(tmp_path / "box") == judged
    assert len(judged[0]) >= HUGE


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
async def test_every_command(dovecot: Dovecot, tls: str) -> None:
    async with connect(dovecot, tls) as client:
        await client.login("user", "password", allow_insecure=tls == "none")
        assert client.window == 256
        stat = await client.stat()
        scans, uids = await client.list(), await client.uidl()
        assert stat.count == len(scans) == len(uids) == len(sample_messages())
        assert await client.list(3) == scans[2]
        assert await client.uidl(3) == uids[2]
        whole = await client.retr(3)
        header, _, body = whole.partition(b"\r\n\r\n")
        assert await client.top(3) == header + b"\r\n\r\n"
        assert await client.top(3, 1) == header + b"\r\n\r\n" + body.partition(b"\r\n")[0] + b"\r\n"
        await client.dele(1)
        with pytest.raises(pop3aio.CommandError):
            await client.retr(1)
        await client.rset()
        assert (await client.stat()) == stat
        with pytest.raises(pop3aio.CommandError):
            await client.retr(10_000)
        await client.noop()
        assert "PIPELINING" in await client.capa(refresh=True)


async def test_deletions_are_carried_out_by_quit_alone(dovecot: Dovecot) -> None:
    with pytest.raises(RuntimeError):
        async with connect(dovecot) as client:
            await client.login("other", "password")
            await client.delete(range(1, 6))
            raise RuntimeError
    async with connect(dovecot) as client:
        await client.login("other", "password")
        count = (await client.stat()).count
        assert count == len(sample_messages())
        assert (await client.delete([1, 2, 3, 10_000, 3])).keys() == {3, 10_000}
    async with connect(dovecot) as client:
        await client.login("other", "password")
        assert (await client.stat()).count == count - 3


async def test_refusals_have_their_class(dovecot: Dovecot) -> None:
    with pytest.raises(pop3aio.AuthenticationError) as refused:
        async with connect(dovecot) as client:
            await client.login("user", "wrong")
    assert refused.value.code == "AUTH"
    async with connect(dovecot) as first:
        await first.login("user", "password")
        with pytest.raises(pop3aio.MailboxInUse):
            async with connect(dovecot) as second:
                await second.login("user", "password")
        await first.noop()


async def test_the_certificate_is_verified(dovecot: Dovecot) -> None:
    with pytest.raises(pop3aio.TlsError, match="certificate"):
        await pop3aio.connect("localhost", dovecot.tls_port)
    with pytest.raises(pop3aio.TlsError, match="certificate"):
        await pop3aio.connect("localhost", dovecot.port, tls="starttls")

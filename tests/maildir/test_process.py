"""Whole processes: killed in the middle, forked, and measured."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import maildir

ROOT = Path(maildir.__file__).parents[1]


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def check(path: Path) -> int:
    """Every visible message must be what its key, the hash of its octets, says."""
    found = [*(path / "new").glob("*"), *(path / "cur").glob("*")]
    for file in found:
        key = re.search(r"R([0-9a-f]+)\.", file.name)
        size = re.search(r",S=(\d+),", file.name)
        assert key
        assert size
        octets = file.read_bytes()
        assert len(octets) == int(size[1])
        assert hashlib.sha256(octets).hexdigest() == key[1]
    return len(found)


DELIVER_FOR_EVER = """
import asyncio, hashlib, itertools, sys
from maildir import Maildir
async def main():
    async with Maildir(sys.argv[1]) as box:
        for number in itertools.count():
            octets = b"%d\\n" % number * (1 + number % 7 * 20000)
            key = hashlib.sha256(octets).hexdigest()
            ticket = await box.submit([octets[at:at + 99999] for at in range(0, len(octets), 99999)], key=key)
            if number % 5 == 0:
                await ticket
                print(key, flush=True)
asyncio.run(main())
"""


def test_killed_while_delivering(path: Path) -> None:
    told = set()
    for lines in (1, 2, 3, 5, 8):
        with start(DELIVER_FOR_EVER, path) as process:
            assert process.stdout
            for _ in range(lines):
                told.add(process.stdout.readline().strip())
            process.kill()
            # A line may be cut off by the end, so only what was read before counts.
    assert check(path) >= len(told)
    names = "".join(os.listdir(path / "new"))
    assert all(key in names for key in told)


DIE_AT_EACH_CALL = """
import asyncio, hashlib, os, signal, sys
from maildir import Maildir
calls = ("open", "write", "fsync", "close", "rename", "link", "unlink", "utime", "posix_fadvise", "mkdir")
path, publish, flags = sys.argv[1:]
octets = b"x" * 700000
async def main():
    async with Maildir(path, publish=publish) as box:
        await box.deliver(b"small", key=hashlib.sha256(b"small").hexdigest(), flags=flags)
        await box.deliver([octets[:300000], octets[300000:]], key=hashlib.sha256(octets).hexdigest(), flags=flags)
def child(nth):
    left = nth
    for name in calls:
        def call(*args, real=getattr(os, name), **kwargs):
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)
        setattr(os, name, call)
    asyncio.run(main())
    os._exit(0)
nth = 0
while True:
    nth += 1
    pid = os.fork()
    if not pid:
        child(nth)
    status = os.waitpid(pid, 0)[1]
    if not os.WIFSIGNALED(status):
        assert status == 0, status
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
print(nth)
"""


def test_killed_at_each_call(path: Path) -> None:
    for publish, flags in (("rename", ""), ("link", "S")):
        with start(DIE_AT_EACH_CALL, path, publish, flags) as process:
            output, _ = process.communicate()
        assert process.returncode == 0
        assert int(output) > 20
        assert check(path) > 4


FORK = """
import asyncio, os, sys
from maildir import Maildir, MaildirError
box = Maildir(sys.argv[1])
async def parent():
    await box.deliver(b"of the parent")
    pid = os.fork()
    if not pid:
        try:
            await box.deliver(b"of the child")
        except MaildirError as error:
            print(error, flush=True)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    await box.deliver(b"of the parent")
    await box.aclose()
asyncio.run(parent())
"""


def test_a_real_fork(path: Path) -> None:
    with start(FORK, path) as process:
        output, _ = process.communicate()
    assert process.returncode == 0
    assert "forked" in output
    assert len(os.listdir(path / "new")) == 2


FORGET = """
import asyncio, sys, warnings
warnings.simplefilter("error")
from maildir import Maildir
box = Maildir(sys.argv[1])
async def main():
    await box.submit(b"hello")
    await box.deliver(b"hello")
asyncio.run(main())
"""


def test_a_process_that_forgets_to_close_ends(path: Path) -> None:
    with start(FORGET, path) as process:
        output, _ = process.communicate()
    assert process.returncode == 0
    assert output == ""
    assert len(os.listdir(path / "new")) == 2


LARGE = """
import asyncio, resource, sys
from maildir import Maildir
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
async def source(octets, size):
    line = b"x" * 76 + b"\\r\\n"
    while octets > 0:
        chunk = (line * (size // 78 + 1))[:size]
        octets -= len(chunk)
        yield chunk
        await asyncio.sleep(0)
async def main():
    async with Maildir(sys.argv[1]) as box:
        await box.deliver(source(1 << 20, 4096))
        before = peak()
        for size in (65536, 262144):
            await box.deliver(source(int(sys.argv[2]), size))
        print(peak() - before)
asyncio.run(main())
"""


def test_memory_of_a_large_message(path: Path) -> None:
    with start(LARGE, path, 200 << 20) as process:
        output, _ = process.communicate()
    assert process.returncode == 0
    assert int(output) < 6 * 1024
    assert sum(file.stat().st_size for file in (path / "new").iterdir()) > 400_000_000


def test_killed_leaves_only_what_a_cleaner_takes(path: Path) -> None:
    with start(DELIVER_FOR_EVER, path) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert sorted(os.listdir(path)) == ["cur", "new", "tmp"]
    check(path)

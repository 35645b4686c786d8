"""The fixtures, and the documents' examples of them, run as a user would."""

from __future__ import annotations

import poplib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme  # noqa: F401 - pytester forgets what it imports first, and cryptography cannot be imported twice

from pop3aio.testing import Server
from pop3aio.testing.pytest_plugin import Pop3Client

ROOT = Path(__file__).parents[2]
README, DOCUMENT = ROOT / "README.md", ROOT / "docs" / "testing.md"


def examples(document: Path) -> list[str]:
    """Return the document's examples that are tests."""
    blocks = re.findall(r"^```python\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if re.search(r"^(async )?def test_", block, re.MULTILINE)]


# The README has none as long as it only points to the other document.
FIRST = [examples(path)[0] for path in (DOCUMENT, README) if examples(path)]
STYLES = ("asyncio", "anyio", "plain")
MUTATIONS = (
    ("count + 1", "count"),
    ("range(1,", "range(2,"),
    ('["Subject"]', '["From"]'),
    ("    messages = client", "    await client.dele(1)\n    messages = client"),
    ("    messages = client", "    client.abort()\n    messages = client"),
)


def styled(example: str, style: str) -> str:
    """Return an example of a pytest-asyncio test as a test of another style."""
    mark = re.compile(r"^@pytest\.mark\.asyncio.*\n", re.MULTILINE)
    assert mark.search(example)
    if style == "anyio":
        backend = "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
        return mark.sub("@pytest.mark.anyio\n", example) + backend
    if style == "plain":
        call = r"def test_\1(\2):\n    import asyncio\n    asyncio.run(_\1(\2))\n\nasync def _\1(\2):"
        return re.sub(r"async def test_(\w+)\((.*)\):", call, mark.sub("", example))
    return example


def run(pytester: pytest.Pytester, sources: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """Run modules with pytest's own settings, what is left open being an error; return those that passed and failed."""
    pytester.makepyfile(**{f"test_{name}": source for name, source in sources.items()})
    plugin = ("-p", "no:pop3aio", "-p", "pop3aio.testing.pytest_plugin")
    errors = ("-Werror::ResourceWarning", "-Werror::pytest.PytestUnraisableExceptionWarning")
    quiet = ("-Wignore::pytest.PytestDeprecationWarning", "--strict-markers")
    recorder = pytester.inline_run(*plugin, *errors, *quiet)
    passed, skipped, failed = recorder.listoutcomes()
    assert not skipped
    names = [{Path(report.fspath).stem.removeprefix("test_") for report in kind} for kind in (passed, failed)]
    return names[0], names[1]


@pytest.mark.parametrize("example", FIRST)
def test_the_example_runs_in_every_style_and_fails_when_its_code_is_broken(
    pytester: pytest.Pytester, example: str
) -> None:
    right = {style: styled(example, style) for style in STYLES}
    wrong = {
        f"{style}_{number}": styled(example.replace(old, new), style)
        for number, (old, new) in enumerate(MUTATIONS)
        for style in STYLES
    }
    assert all(example.count(old) == 1 for old, _ in MUTATIONS)
    assert run(pytester, right | wrong) == (set(right), set(wrong))


def test_the_example_is_short() -> None:
    for example in FIRST:
        assert len([line for line in example.splitlines() if line]) < 15


def test_the_other_examples_run(pytester: pytest.Pytester) -> None:
    others = {f"example_{number}": example for number, example in enumerate(examples(DOCUMENT)[1:])}
    assert run(pytester, others) == (set(others), set())


def test_the_plugin_can_be_installed() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\npop3aio = "pop3aio.testing.pytest_plugin"\n' in settings


def test_a_plain_function(pop3_server: Server) -> None:
    pop3_server.add(b"Subject: one\r\n\r\n")
    client = poplib.POP3(pop3_server.host, pop3_server.port, timeout=60)
    client.user("user")
    client.pass_("password")
    assert client.stat() == (1, 16)
    assert pop3_server.mailbox.locked
    client.close()
    pop3_server.wait_until_idle()
    assert not pop3_server.mailbox.locked


@pytest.mark.pop3_server([b"x\r\n"], tls="starttls", sasl=["SCRAM-SHA-256"], users={"me": "pencil"})
async def test_a_coroutine(pop3_server: Server, pop3_client: Pop3Client) -> None:
    uids = pop3_server.mailbox.uids
    async with pop3_client() as client:
        assert client.secure
        assert await client.retr(1) == b"x\r\n"
        assert "AUTH SCRAM-SHA-256" in pop3_server.commands[3]
        await client.dele(1)
        await client.noop()
        assert pop3_server.sessions[0].removed == []
    assert pop3_server.mailbox.uids == []
    assert pop3_server.sessions[0].deleted == [1]
    assert pop3_server.sessions[0].removed == uids

"""Every public parameter with odd values: it works, or says at once by ValueError or TypeError what to write."""

from __future__ import annotations

import datetime
import inspect
import os
import pwd
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from maildir import Delivered, Maildir

NAN, INF = float("nan"), float("inf")
NAIVE = datetime.datetime(2020, 1, 1)  # noqa: DTZ001

ODD: list[Any] = [
    *[None, True, False, 0, 1, -1, 600, 1 << 70, -(1 << 70), 0.0, 0.5, -0.5, NAN, INF, -INF, 1e30, -1e30],
    *[
        "",
        "x",
        "S",
        "SS",
        "5",
        "rename",
        "lf\n",
        "\0",
        "~",
        "~nobody-at-all/x",
        "\udc80",
        "\ud800",
        "é" * 300,
    ],
    *["aa", "AA", "f" * 65, b"", b"x", bytearray(b"x"), memoryview(b"xyz")[::2], Path("x"), Path("~")],
    *[
        [],
        ["x"],
        [1],
        [b"x"],
        (b"x",),
        {},
        {b"x"},
        {"a": 1},
        object(),
        Maildir,
        int,
        str,
        bytes,
        ODD_CALL := len,
    ],
    *[lambda: b"x", iter([b"x", "x"]), datetime.date(2020, 1, 1), NAIVE, datetime.UTC, datetime.timedelta(1)],
    *[datetime.datetime.max.replace(tzinfo=datetime.UTC), datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)],
    *[Decimal("1.5"), 1j, Ellipsis, NotImplemented, Exception, ValueError("x")],
]


def odd() -> Iterator[Any]:
    for value in ODD:
        yield iter([b"x", "x"]) if isinstance(value, type(iter([]))) else value


def parameters(call: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(call).parameters if name != "self"]


async def deliver(box: Maildir, **options: Any) -> None:
    await box.deliver(**{"source": b"x", **options})


async def submit(box: Maildir, **options: Any) -> None:
    await (await box.submit(**{"source": b"x", **options}))


async def replace(box: Maildir, **options: Any) -> None:
    await (await box.replace(**{"source": b"x", "key": "aa", **options}))


async def open_(box: Maildir, **options: Any) -> None:
    async with box.open(**options) as writer:
        await writer.write(b"x")


async def clean(box: Maildir, **options: Any) -> None:
    await box.clean(**options)


async def write(box: Maildir, chunk: Any) -> None:
    async with box.open() as writer:
        await writer.write(chunk)


CALLS: dict[str, Callable[..., Any]] = {
    "deliver": deliver,
    "submit": submit,
    "replace": replace,
    "open": open_,
    "clean": clean,
}


def named(error: Exception, name: str) -> bool:
    """Return whether the error names the parameter, or the part of the source that is wrong."""
    return name in str(error) or (name == "source" and "chunk" in str(error))


def test_the_list_of_calls_is_complete() -> None:
    public = {name for name, _ in inspect.getmembers(Maildir, inspect.isfunction) if not name.startswith("_")}
    assert public == CALLS.keys() | {"keys", "aclose"}
    assert not parameters(Maildir.keys)
    assert not parameters(Maildir.aclose)


@pytest.mark.parametrize("call", CALLS)
async def test_odd_values_for_calls(box: Maildir, call: str, look: Callable[[], Any]) -> None:
    refused = []
    for name in parameters(getattr(Maildir, call)):
        for value in odd():
            try:
                await CALLS[call](box, **{name: value})
            except (ValueError, TypeError) as error:
                refused.append((name, value, error))
    assert [entry for entry in refused if not named(entry[2], entry[0])] == []
    assert len(refused) > 40
    assert not look().tmp
    assert isinstance(await box.deliver(b"after"), Delivered)


async def test_odd_values_for_the_maildir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    refused = []
    for name in parameters(Maildir):
        for number, value in enumerate(odd()):
            try:
                box = Maildir(**{"path": tmp_path / f"{name}{number}", name: value})
            except (ValueError, TypeError) as error:
                refused.append((name, value, error))
                continue
            if (name == "path" and value == "é" * 300) or (name == "create" and not value):
                continue  # a name that is too long is known to the file system alone; and nothing is there yet
            async with box:
                await box.deliver(b"x", flags="S")
                await box.deliver(b"x")
    assert [entry for entry in refused if not named(entry[2], entry[0])] == []
    assert len(refused) > 400
    assert os.listdir(tmp_path / "home")
    assert "~" not in os.listdir(tmp_path)


async def test_odd_chunks(box: Maildir) -> None:
    for value in odd():
        if not isinstance(value, bytes | bytearray | memoryview):
            with pytest.raises(TypeError, match="chunk"):
                await write(box, value)


@pytest.mark.parametrize("tilde", ["~/Mail", Path("~/Mail"), f"~{pwd.getpwuid(os.getuid()).pw_name}/Mail"])
def test_a_tilde_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tilde: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    home = os.path.expanduser(os.fspath(tilde).partition("/")[0])
    assert repr(Maildir(tilde)) == f"Maildir({home + '/Mail'!r})"


def test_a_literal_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert repr(Maildir("./~/Mail")) == f"Maildir({str(tmp_path / '~' / 'Mail')!r})"


@pytest.mark.parametrize("mode", [600, 0o1600, 0o400, 384.0])
def test_a_mode_in_decimal(path: Path, mode: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"mode must be .*0o"):
        Maildir(path, mode=mode)
    with pytest.raises((ValueError, TypeError), match=r"dirmode must be .*0o700"):
        Maildir(path, dirmode=700)

from __future__ import annotations

import datetime
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import maildir
from maildir._checks import check_date, check_flags, check_key
from maildir._names import Names, key_of, new_key, suffix


def test_name_has_the_parts_of_the_specification() -> None:
    name = Names("mx.example").make("00ff")
    assert re.fullmatch(r"\d{10,}\.M\d{6}P\d+Q\d+R00ff\.mx\.example", name)
    assert key_of(name) == "00ff"
    assert key_of(name + ",S=1,W=2:2,S") == "00ff"


@pytest.mark.parametrize("name", ["1700000000.123.host", ".hidden", "1.M1P1Q1R.host", "dovecot-uidlist"])
def test_key_of_foreign_names(name: str) -> None:
    assert key_of(name) is None


@pytest.mark.parametrize(
    ("host", "escaped"),
    [
        ("a/b:c", "a\\057b\\072c"),
        ("..host", "host"),
        ("", "localhost"),
        ("...", "localhost"),
        ("a,b c", "a\\054b\\040c"),
        ("\u00e4", "\\303\\244"),
        ("x" * 100, "x" * 64),
        ("x" * 62 + "::", "x" * 62),
    ],
)
def test_host(host: str, escaped: str) -> None:
    assert Names(host).make("0").endswith(f"R0.{escaped}")


def test_host_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "machine")
    assert Names(None).make("0").endswith("R0.machine")


def test_names_rise_when_the_clock_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter(
        [1_700_000_000_000_001_000, 1_700_000_000_000_001_000, 5_000_000_000, 1_700_000_000_999_999_000]
    )
    monkeypatch.setattr(time, "time_ns", lambda: next(readings))
    names = Names("h")
    made = [names.make("0") for _ in range(4)]
    assert [name.split("P")[0] for name in made] == [
        "1700000000.M000001",
        "1700000000.M000002",
        "1700000000.M000003",
        "1700000000.M999999",
    ]
    assert sorted(made) == made


def test_names_are_unique_between_threads() -> None:
    made: list[list[str]] = [[] for _ in range(8)]

    def work(mine: list[str]) -> None:
        names = Names("h")
        mine.extend(names.make(new_key()) for _ in range(2000))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({name for mine in made for name in mine}) == 16000
    for mine in made:
        assert sorted(mine, key=lambda name: name.split("P")[0]) == mine


def test_names_are_unique_between_processes() -> None:
    program = (
        "from maildir._names import Names, new_key\n"
        "names = Names('h')\n"
        "print(*(names.make(new_key()) for _ in range(2000)))"
    )
    root = Path(maildir.__file__).parents[1]
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root) for _ in range(8)
    ]
    names = [name for process in started for name in process.communicate()[0].split()]
    assert len(set(names)) == len(names) == 16000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_a_forked_process_makes_keys_of_its_own() -> None:
    program = (
        "import os\n"
        "from maildir._names import new_key\n"
        "new_key()\n"  # more are in store now
        "child = os.fork()\n"
        "keys = [new_key() for _ in range(100)]\n"
        "child and os.waitpid(child, 0)\n"  # one after the other: what both print at once is mixed
        "print(*keys)"
    )
    root = Path(maildir.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root, check=True)
    keys = done.stdout.split()
    assert len(set(keys)) == len(keys) == 200


def test_suffix() -> None:
    assert suffix(52, 58) == ",S=52,W=58"


@pytest.mark.parametrize("key", ["0", "0123456789abcdef", "f" * 64])
def test_key(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize("key", ["", "A", "g", "0 ", "0\n", "f" * 65, "../x", "٣", 5])
def test_bad_key(key: str) -> None:
    with pytest.raises(ValueError, match="lower-case hexadecimal"):
        check_key(key)


def test_flags() -> None:
    assert check_flags("TSSD") == "DST"
    with pytest.raises(ValueError, match="'Xa'"):
        check_flags("SaX")


def test_date() -> None:
    assert check_date(None) is None
    assert check_date(12.5) == 12_500_000_000
    assert check_date(datetime.datetime(1970, 1, 2, tzinfo=datetime.UTC)) == 86_400_000_000_000
    with pytest.raises(ValueError, match="time zone"):
        check_date(datetime.datetime(2020, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="finite"):
        check_date(float("nan"))

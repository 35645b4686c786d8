"""Dovecot against what docs/interop.md says of it, and the judging of what is found."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.kit.dovecot import require_dovecot

from .cell import Cell
from .checks import CHECKS, examine
from .expected import EXPECTED, complaints
from .findings import MARK, Findings
from .mail import make_mailboxes
from .packages import NotToBeHad
from .proxies import PROXIES, Dovecot
from .server import RealServer
from .servers import SERVERS
from .table import DOCUMENT, columns, differences


async def test_dovecot_is_what_the_document_says(tmp_path: Path) -> None:
    require_dovecot()
    with Dovecot(tmp_path, make_mailboxes()) as server:
        found = await examine(server)
    assert complaints(found) == []
    assert differences(found, columns()["Dovecot"]) == []


@pytest.mark.parametrize("kind", [Dovecot, *SERVERS, *PROXIES], ids=lambda kind: kind.name)
def test_every_server_is_in_the_table_and_its_deviations_are_explained(kind: type[RealServer]) -> None:
    text = DOCUMENT.read_text()
    column = columns()[kind.name]
    assert list(column) == ["version", *CHECKS]
    assert "failed" not in column.values()
    assert any(cell.endswith(MARK) for cell in column.values()) == bool(EXPECTED[kind.name])
    assert all(f"- {deviation.why} *" in text for deviation in EXPECTED[kind.name])


def _dovecot() -> Findings:
    """Return findings that are exactly as expected."""
    found = Findings("Dovecot", "1")
    for deviation in EXPECTED["Dovecot"]:
        found.deviations |= dict.fromkeys(deviation.what, "seen")
    return found


def test_a_deviation_that_is_not_listed_is_complained_about() -> None:
    found = _dovecot()
    assert complaints(found) == []
    found.expect("STAT", False, "3 messages")
    assert complaints(found) == ["Dovecot: STAT: 3 messages"]


def test_a_deviation_that_does_not_occur_any_more_is_complained_about() -> None:
    found = _dovecot()
    del found.deviations["message one-dot"]
    assert complaints(found) == ["Dovecot: message one-dot: does not occur any more"]


def test_a_message_that_changes_otherwise_is_complained_about() -> None:
    found = _dovecot()
    found.changed["dot-first"] = b"another\r\n"
    (complaint,) = complaints(found)
    assert complaint.startswith("Dovecot: message dot-first: changed, but not as expected")


def test_a_cell_that_differs_is_found() -> None:
    found = Findings("Dovecot", "1", {"drop": "everything deleted"})
    (difference,) = differences(found, columns()["Dovecot"])
    assert "everything deleted" in difference


def test_nothing_outlives_a_cell(tmp_path: Path) -> None:
    """A process that changes its user forgets to die with its parent."""
    for name in ("etc", "usr", "var"):
        (tmp_path / "root" / name).mkdir(parents=True)
    (tmp_path / "root" / "etc" / "unpacked").write_text("only there\n")
    (tmp_path / "state").mkdir()
    cell = Cell(tmp_path / "root", tmp_path / "state", ["someone"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        talk = f"exec 3<>/dev/tcp/127.0.0.1/{listener.getsockname()[1]}; (id -un; cat /etc/unpacked) >&3; cat <&3"
        try:
            cell.start(f"exec setpriv --reuid 20001 bash -c '{talk}'", "")
        except NotToBeHad as error:
            pytest.skip(str(error))
        try:
            connection, _ = listener.accept()
            connection.settimeout(20)
            with connection, connection.makefile() as lines:
                assert [next(lines), next(lines)] == ["someone\n", "only there\n"]
                assert not Path("/etc/unpacked").exists()
                cell.stop()
                # The end comes when the process is gone.
                assert next(lines, None) is None
        finally:
            cell.stop()

"""Run the suite against every server that can be had, and write the table into docs/interop.md.

With --check, or if servers are named, the table is left as it is and compared.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .checks import examine
from .expected import complaints
from .findings import Findings
from .mail import make_mailboxes
from .nodejs import WildDuck
from .packages import NotToBeHad
from .proxies import PROXIES, Dovecot
from .server import RealServer
from .servers import SERVERS
from .table import columns, differences, render, update

ALL: tuple[type[RealServer], ...] = (Dovecot, *SERVERS, WildDuck, *PROXIES)


def main() -> int:
    """Return the exit status: 0 when everything is as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="servers to run, by default all")
    parser.add_argument("--check", action="store_true", help="leave the table as it is")
    parser.add_argument(
        "--roots", type=Path, help="where to unpack the packages and to find them the next time"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        roots = arguments.roots.resolve() if arguments.roots is not None else Path(temporary)
        # Its servers run as other users.
        roots.mkdir(exist_ok=True)
        roots.chmod(0o755)
        chosen = [kind for kind in ALL if not arguments.names or kind.name in arguments.names]
        findings, missing = run(chosen, roots)
    wrong = [line for found in findings for line in complaints(found)]
    if not arguments.names and not arguments.check and not wrong:
        update(render(findings, missing))
    documented = columns()
    for found in findings:
        wrong += differences(found, documented.get(found.server, {}))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def run(kinds: Sequence[type[RealServer]], roots: Path) -> tuple[list[Findings], dict[str, str]]:
    """Examine these servers; return what was found, and why the others were not to be had."""

    def examine_one(kind: type[RealServer]) -> Findings | NotToBeHad:
        try:
            kind.fetch(roots)
            with kind(roots, make_mailboxes()) as server:
                found = asyncio.run(examine(server))
        except NotToBeHad as error:
            print(f"{kind.name} is not to be had: {error}", flush=True)
            return error
        print(f"{found.server} {found.version}: {len(complaints(found))} complaints", flush=True)
        return found

    # Most of the time goes into waiting for each other, 40 ms for every message with some.
    with ThreadPoolExecutor(4) as pool:
        outcomes = dict(zip(kinds, pool.map(examine_one, kinds), strict=True))
    findings = [outcome for outcome in outcomes.values() if isinstance(outcome, Findings)]
    return findings, {kind.name: str(why) for kind, why in outcomes.items() if isinstance(why, NotToBeHad)}


if __name__ == "__main__":
    sys.exit(main())

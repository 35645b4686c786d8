"""Write the tables of the documents anew, as the code has them: ``python docs/tables.py``. A test compares the two."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

from pop3aio._login._order import POLICY
from pop3aio.testing import PROFILES, Quirks
from pop3core import ALLOWED, TRANSITIONS, Limits, State

# What a server says, and what is said of it: these differ everywhere.
WORDS = frozenset({"evidence", "advice", "greeting", "capabilities", "sasl", "unknown", "login_text"})
SHOWN = (State.AUTHORIZATION, State.TRANSACTION)


def commands() -> str:
    """Return the table of commands, for core.md."""
    lines = [
        "| command | " + " | ".join(state.value for state in SHOWN) + " | barrier |",
        "|---|---|---|---|",
    ]
    for command, states in ALLOWED.items():
        allowed = " | ".join("yes" if state in states else "" for state in SHOWN)
        lines.append(f"| {command.keyword} | {allowed} | {'yes' if command.barrier else ''} |")
    return "\n".join(lines)


def transitions() -> str:
    """Return the table of transitions, for core.md."""
    lines = ["| state | command | answer | next state |", "|---|---|---|---|"]
    for (state, command, ok), after in TRANSITIONS.items():
        lines.append(f"| {state.value} | {command.keyword} | {'+OK' if ok else '-ERR'} | {after.value} |")
    return "\n".join(lines)


def policy() -> str:
    """Return the login policy, for login.md."""
    lines = ["| way | needs | tried |", "|---|---|---|"]
    when = {
        "always": "where it is offered",
        "in clear": "where it is offered, without TLS; under TLS where nothing else can be used",
        "last under TLS": "where it is offered, under TLS and where nothing else can be used",
        "asked for": "only when asked for",
    }
    for rule in POLICY:
        needs = rule.secret + (", channel binding" if rule.bound else "")
        lines.append(f"| {rule.name} | {needs} | {when[rule.when]} |")
    return "\n".join(lines)


def profiles() -> str:
    """Return the servers that the kit can be like, for testing.md."""
    lines = ["| profile | differs by | what to do | evidence |", "|---|---|---|---|"]
    for name, quirks in PROFILES.items():
        differs = []
        for item in fields(Quirks):
            value = getattr(quirks, item.name)
            if item.name in WORDS or value == item.default:
                continue
            shown = getattr(value, "__name__", repr(sorted(value) if isinstance(value, frozenset) else value))
            differs.append(f"`{item.name}`" if value is True else f"`{item.name}={shown}`")
        lines.append(f"| `{name}` | {', '.join(differs)} | {quirks.advice} | {quirks.evidence} |")
    return "\n".join(lines)


def limits() -> str:
    """Return the limits with their defaults, for faults.md."""
    lines = ["| limit | default | what it bounds |", "|---|---|---|"]
    (definition,) = ast.parse(inspect.getsource(Limits)).body
    assert isinstance(definition, ast.ClassDef)
    for field, remark in pairwise(definition.body):
        if isinstance(field, ast.AnnAssign) and isinstance(remark, ast.Expr):
            assert isinstance(field.target, ast.Name)
            assert isinstance(remark.value, ast.Constant)
            what = " ".join(str(remark.value.value).split()).removesuffix(".")
            default = getattr(Limits(), field.target.id)
            lines.append(
                f"| `{field.target.id}` | {default if default is None else f'{default:_}'} | {what} |"
            )
    return "\n".join(lines)


TABLES = {
    "core.md": (commands, transitions),
    "login.md": (policy,),
    "testing.md": (profiles,),
    "faults.md": (limits,),
}


def write() -> None:
    """Put each table in the place of the one that has the same heading."""
    for name, tables in TABLES.items():
        path = Path(__file__).with_name(name)
        text = path.read_text()
        for table in tables:
            new = table()
            old = re.compile(rf"^{re.escape(new.partition(chr(10))[0])}\n(\|.*\n)+", re.MULTILINE)
            found = old.findall(text)
            assert len(found) == 1, f"{name} has no table for {table.__name__}, or two"
            start, end = next(old.finditer(text)).span()
            text = text[:start] + new + "\n" + text[end:]
        path.write_text(text)


if __name__ == "__main__":
    write()

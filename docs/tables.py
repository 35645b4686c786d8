"""Print the tables that stand in the documents as the code has them; a test compares the two."""

from __future__ import annotations

from pop3aio._policy import POLICY
from pop3core import ALLOWED, TRANSITIONS, State

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
        "in clear": "where it is offered, without TLS",
        "asked for": "only when asked for",
    }
    for rule in POLICY:
        needs = rule.secret + (", channel binding" if rule.bound else "")
        lines.append(f"| {rule.name} | {needs} | {when[rule.when]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(commands(), transitions(), policy(), sep="\n\n")

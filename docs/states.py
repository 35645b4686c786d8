"""Print the tables of the session's states as they stand in core.md; a test compares the two."""

from __future__ import annotations

from pop3core import ALLOWED, TRANSITIONS, State

SHOWN = (State.AUTHORIZATION, State.TRANSACTION)


def tables() -> str:
    lines = [
        "| command | " + " | ".join(state.value for state in SHOWN) + " | barrier |",
        "|---|---|---|---|",
    ]
    for command, states in ALLOWED.items():
        allowed = " | ".join("yes" if state in states else "" for state in SHOWN)
        lines.append(f"| {command.keyword} | {allowed} | {'yes' if command.barrier else ''} |")
    lines += ["", "| state | command | answer | next state |", "|---|---|---|---|"]
    for (state, command, ok), after in TRANSITIONS.items():
        lines.append(f"| {state.value} | {command.keyword} | {'+OK' if ok else '-ERR'} | {after.value} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(tables())

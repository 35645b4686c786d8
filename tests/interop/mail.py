"""The mailboxes that every server is given: a user for each check, so that none disturbs another."""

from __future__ import annotations

from pop3aio.testing import awkward_messages, sample_messages

from .server import APOP_USER

__all__ = ("AWKWARD", "LARGE", "make_mailboxes", "numbered")

LARGE = 50_000_000

AWKWARD: list[tuple[str, bytes]] = [
    *awkward_messages(),
    *((f"sample-{number}", message) for number, message in enumerate(sample_messages(34), 1)),
]
"""The messages that are fetched byte for byte, each with a name."""


def numbered(count: int) -> list[bytes]:
    """Return small messages, no two of them alike in their headers, which some servers make unique-ids of."""
    return [
        b"From: <a@example.com>\r\nSubject: %d\r\nMessage-ID: <%d@example.com>\r\n\r\nThis is message %d.\r\n.\r\n"
        % (number, number, number)
        for number in range(1, count + 1)
    ]


def make_mailboxes() -> dict[str, list[bytes]]:
    """Return the messages of each user."""
    line = b"%076d\r\n"
    block = b"".join(line % number for number in range(1000))
    large = numbered(1)[0] + block * (LARGE // len(block) + 1)
    return {
        "plain": [*numbered(5), *sample_messages(7)],
        "awkward": [message for _, message in AWKWARD],
        "many": numbered(150),
        "deletion": numbered(10),
        "drop": numbered(10),
        "session": [*numbered(20), *sample_messages(12)],
        "command": [*numbered(20), *sample_messages(12)],
        "large": [large[: LARGE - 2] + b"\r\n"],
        APOP_USER: numbered(1),
    }

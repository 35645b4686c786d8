"""The first mailbox of a From field (RFC 5322 section 3.4), found in one pass."""

from __future__ import annotations

import re

__all__ = ("split_mailbox",)

# What has a meaning outside of quotes; the rest is taken in one piece.
_PIECE = re.compile(r"""\\.|[^\\"()<>,;]+|.""", re.DOTALL)


def split_mailbox(text: str) -> tuple[str, str]:
    """Return name and address of the first mailbox, "" for what is not there.

    Quotes and brackets may be left open, and comments may be nested to any depth.
    """
    name: list[str] = []
    comment: list[str] = []
    address: list[str] = []
    depth, quoted, bracket, angle = 0, False, False, False
    for piece in _PIECE.findall(text):
        into = address if bracket else name
        plain = piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece
        if quoted:
            quoted = piece != '"'
            into += [plain] if quoted else []
        elif depth:
            depth += {"(": 1, ")": -1}.get(piece, 0)
            comment += [plain] if depth else []
        elif piece == '"':
            quoted = True
        elif piece == "(" and not bracket:
            depth = 1
        elif piece == "<" or (piece == ">" and angle):
            # More brackets than one pair say nothing.
            bracket = piece == "<"
            angle = True
        elif piece in (",", ";") and not bracket:
            if angle or "".join(name).strip():
                break
        else:
            into.append(plain)
    return _chosen("".join(name).strip(), "".join(comment).strip(), "".join(address).strip(), angle)


def _chosen(name: str, comment: str, address: str, angle: bool) -> tuple[str, str]:
    """Return name and address, where the name may stand in a comment, and the address alone."""
    if angle:
        return name or comment, address
    if "@" in name and " " not in name:
        return comment, name
    return name or comment, ""

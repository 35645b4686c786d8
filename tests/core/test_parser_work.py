"""Hostile lines cost linear work: the steps of a backtracking matcher are counted, for every pattern there is."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pop3core import _body, _buffer, _capabilities, _replies, _whole

parser: Any = importlib.import_module("re._parser")
names: Any = importlib.import_module("re._constants")

After = Callable[[int], bool]
Matcher = Callable[[int, After], bool]


class Counter:
    """A slow matcher that backtracks as `re` does, and counts the octets it looks at."""

    def __init__(self, pattern: re.Pattern[bytes], octets: bytes) -> None:
        self.octets = octets
        self.steps = 0
        self.dotall = bool(pattern.flags & re.DOTALL)
        self.start = self.sequence(parser.parse(pattern.pattern, pattern.flags))

    def fullmatch(self) -> bool:
        return self.start(0, lambda at: at == len(self.octets))

    def search(self) -> bool:
        return any(self.start(at, lambda _: True) for at in range(len(self.octets) + 1))

    def match(self) -> bool:
        return self.start(0, lambda _: True)

    def sequence(self, items: Any) -> Matcher:
        matchers = [self.item(*item) for item in items]

        def run(number: int, at: int, after: After) -> bool:
            if number == len(matchers):
                return after(at)
            return matchers[number](at, lambda then: run(number + 1, then, after))

        return lambda at, after: run(0, at, after)

    def item(self, operator: Any, argument: Any) -> Matcher:
        test = self.test(operator, argument)
        if test is not None:
            one = test
            return lambda at, after: one(at) and after(at + 1)
        if operator is names.SUBPATTERN:
            return self.sequence(argument[3])
        if operator is names.BRANCH:
            branches = [self.sequence(branch) for branch in argument[1]]
            return lambda at, after: any(branch(at, after) for branch in branches)
        if operator is names.ASSERT_NOT:
            direction, inner = argument
            assert direction == -1
            behind = self.sequence(inner)
            return lambda at, after: not (at > 0 and behind(at - 1, lambda _: True)) and after(at)
        assert operator in (names.MAX_REPEAT, names.MIN_REPEAT, names.POSSESSIVE_REPEAT), operator
        least, most, inner = argument
        many = sys.maxsize if most is names.MAXREPEAT else int(most)
        single = self.test(*inner[0]) if len(inner) == 1 else None
        if single is not None:
            return self.repeat_octet(single, least, many, operator)
        return self.repeat_group(self.sequence(inner), least, many, operator)

    def repeat_octet(self, test: Callable[[int], bool], least: int, most: int, operator: Any) -> Matcher:
        def run(at: int, after: After) -> bool:
            count = 0
            while count < least:
                if not test(at + count):
                    return False
                count += 1
            if operator is names.MIN_REPEAT:
                while not after(at + count):
                    if count == most or not test(at + count):
                        return False
                    count += 1
                return True
            while count < most and test(at + count):
                count += 1
            if operator is names.POSSESSIVE_REPEAT:
                return after(at + count)
            return any(after(at + n) for n in range(count, least - 1, -1))

        return run

    def repeat_group(self, inner: Matcher, least: int, most: int, operator: Any) -> Matcher:
        assert operator is not names.MIN_REPEAT

        def possessive(at: int, after: After) -> bool:
            count = 0
            ends: list[int] = []
            while count < most and inner(at, lambda then: not ends.append(then)):  # type: ignore[func-returns-value]
                at, count = ends.pop(), count + 1
            return count >= least and after(at)

        def greedy(at: int, after: After, count: int = 0) -> bool:
            if count < most and inner(at, lambda then: then > at and greedy(then, after, count + 1)):
                return True
            return count >= least and after(at)

        return possessive if operator is names.POSSESSIVE_REPEAT else greedy

    def test(self, operator: Any, argument: Any) -> Callable[[int], bool] | None:
        if operator is names.LITERAL:
            accepted = {argument}
        elif operator is names.ANY:
            accepted = set(range(256)) - (set() if self.dotall else {0x0A})
        elif operator is names.IN:
            accepted = set()
            for kind, value in argument:
                if kind is names.RANGE:
                    accepted |= set(range(value[0], value[1] + 1))
                elif kind is names.LITERAL:
                    accepted.add(value)
                else:
                    assert kind is names.NEGATE
            if argument[0][0] is names.NEGATE:
                accepted = set(range(256)) - accepted
        else:
            return None

        def look(at: int) -> bool:
            self.steps += 1
            return at < len(self.octets) and self.octets[at] in accepted

        return look


HOSTILE: list[Callable[[int], bytes]] = [
    lambda n: b"1 " + b"a " * n,
    lambda n: b"1 a" + b" " * n + b"b",
    lambda n: b"1 a" + b" \t" * n + b"\n",
    lambda n: b" " * n,
    lambda n: b" " * n + b"x",
    lambda n: b"1" + b" " * n + b"x",
    lambda n: b"1" + b" " * n + b"\n",
    lambda n: b"1 1" + b" " * n + b"\n",
    lambda n: b"1" * n,
    lambda n: b"1 " + b"1" * n + b"x",
    lambda n: b"1 " + b"1" * n + b" \n",
    lambda n: b"1 -" + b"1" * n + b"\r\n",
    lambda n: b"1 1\r\n" * n + b"x",
    lambda n: b"1 1 \r\n" * n,
    lambda n: b"1 " + b"!" * n + b"\r\n" + b"1",
    lambda n: b"<" * n,
    lambda n: b"<" + b"a" * n,
    lambda n: b"<" + b"a" * n + b"@" + b"b" * n,
    lambda n: b"<a@" * n,
    lambda n: b"<a@b@" * n,
    lambda n: b"<" + b"@" * n + b">",
    lambda n: b"[" * n,
    lambda n: b"[" + b"a" * n,
    lambda n: b"[" + b"a/" * n,
    lambda n: b"[" + b"a/" * n + b" ",
    lambda n: b"[" + b"/" * n + b"]",
    lambda n: b"\r\n" * n,
    lambda n: b"\r" * n + b"\n" * n,
    lambda n: b"\n" * n,
]  # fmt: skip

PATTERNS = {
    f"{module.__name__}.{name}": value
    for module in (_capabilities, _replies, _buffer, _body, _whole)
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern) and isinstance(value.pattern, bytes)
} | {"body": re.compile(rb"\r\n\.")}


def steps(pattern: re.Pattern[bytes], octets: bytes, how: str) -> int:
    counter = Counter(pattern, octets)
    found = getattr(counter, how)()
    assert found is bool(getattr(pattern, how)(octets)), "the slow matcher and re disagree"
    return counter.steps


@pytest.mark.parametrize("name", PATTERNS)
def test_linear(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = PATTERNS[name]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20000)
    try:
        for number, hostile in enumerate(HOSTILE):
            for how in ("fullmatch", "match", "search") if "TIMESTAMP" in name else ("fullmatch", "match"):
                few, many = (steps(pattern, hostile(n), how) for n in (100, 400))
                # Four times the octets: four times the work, and not sixteen.
                assert many <= 6 * few + 400, f"{how} of input {number}: {few} steps became {many}"
    finally:
        sys.setrecursionlimit(limit)


def test_the_counter_sees_what_is_not_linear() -> None:
    slow = re.compile(rb"([0-9]{1,10})(?:[ \t]+(.*?))?[ \t]*", re.DOTALL)
    few, many = (steps(slow, b"1 a" + b" " * n + b"b", "fullmatch") for n in (100, 400))
    assert many > 12 * few


def test_patterns_were_found() -> None:
    assert len(PATTERNS) >= 7

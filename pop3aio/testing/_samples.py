"""Mail for demonstrations and tests: varied and plausible, or awkward."""

from __future__ import annotations

import email.policy
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

__all__ = ("awkward_messages", "sample_messages")

_POLICY = email.policy.SMTP.clone(max_line_length=76)
_PEOPLE = (
    ("Ada Lindqvist", "ada.lindqvist@example.org"),
    ("Jürgen Weiß", "juergen.weiss@example.de"),
    ("Marie-Hélène Dubois", "mh.dubois@example.fr"),
    ("田中 由美", "yumi.tanaka@example.jp"),
    ("Олег Петров", "oleg@example.net"),
    ("Nikos Παπαδόπουλος", "nikos@example.gr"),
    ("שרה לוי", "sarah@example.com"),
    ("Build Service", "builds@ci.example.com"),
)
_SUBJECTS = (
    "Minutes of Thursday's meeting",
    "Re: the invoice for October",
    "Grüße aus München, und eine Frage zur Straßenbahn",
    "会議の資料をお送りします",
    "Расписание поездов на следующую неделю",
    "Ευχαριστώ για τις φωτογραφίες",
    "הזמנה לארוחת ערב",
    "Fwd: Your order 4711 has been shipped",
    "Pâques à la campagne ? ça dépend…",
    "[build] main is green again ✅",
)
_SENTENCES = (
    "Thank you for the notes; I have added two points at the end.",
    "The delivery is planned for next week, weather permitting.",
    "Could you have a look before Friday?",
    "We measured it twice and the numbers agree to within one percent.",
    "I will be away on Monday and back on Tuesday at nine.",
    "The attachment has the full list, the short one is below.",
    "Nobody has complained so far, which is either good or suspicious.",
    "Please do not print this unless you must.",
)
_LETTERS = "Zürich, Tromsø, Besançon und Málaga: vier Städte, eine Reise für 480 Euro."


class _Writer:
    """Writes one varied message after the other from one source of chance."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  (nothing here is a secret)
        self._number = 0
        self._date = datetime(2024, 1, 8, 9, 0, tzinfo=UTC)

    def headers(self) -> dict[str, str]:
        self._number += 1
        self._date += timedelta(minutes=self._random.randrange(7, 3000))
        name, address = self._random.choice(_PEOPLE)
        return {
            "From": f'"{name}" <{address}>',
            "To": "user@example.com",
            "Subject": self._random.choice(_SUBJECTS),
            "Date": format_datetime(self._date),
            "Message-ID": f"<{self._random.getrandbits(64):016x}.{self._number}@{address.partition('@')[2]}>",
        }

    def text(self, paragraphs: int = 3) -> str:
        return "\n\n".join(
            "\n".join(self._random.sample(_SENTENCES, k=self._random.randrange(1, 6)))
            for _ in range(paragraphs)
        )

    def message(self) -> EmailMessage:
        message = EmailMessage(policy=_POLICY)
        for name, value in self.headers().items():
            message[name] = value
        message["MIME-Version"] = "1.0"
        return message

    def raw(self, body: bytes, charset: str = "us-ascii", encoding: str = "7bit") -> bytes:
        headers = self.headers()
        if not headers["Subject"].isascii():
            headers["Subject"] = "Greetings, and one question"
        headers["From"] = f"<{headers['From'].partition('<')[2]}"
        headers["MIME-Version"] = "1.0"
        headers["Content-Type"] = f"text/plain; charset={charset}"
        headers["Content-Transfer-Encoding"] = encoding
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return head.encode("ascii") + b"\r\n" + body

    # The kinds of message, in the order in which they take turns.

    def plain(self) -> bytes:
        message = self.message()
        message.set_content(self.text() + "\n", cte="7bit")
        return self._octets(message)

    def alternative(self) -> bytes:
        message = self.message()
        text = self.text()
        message.set_content(text + "\n")
        paragraphs = "".join(f"<p>{paragraph}</p>\n" for paragraph in text.split("\n\n"))
        message.add_alternative(f"<html><body>\n{paragraphs}</body></html>\n", subtype="html")
        return self._octets(message)

    def attachment(self, size: int | None = None) -> bytes:
        message = self.message()
        message.set_content(self.text(1) + "\n")
        content = self._random.randbytes(self._random.randrange(2_000, 90_000) if size is None else size)
        message.add_attachment(content, maintype="application", subtype="pdf", filename="Übersicht.pdf")
        return self._octets(message)

    def large(self) -> bytes:
        # Base64 makes four octets of three, and a line end every 76.
        return self.attachment(1_500_000)

    def quoted_printable(self) -> bytes:
        message = self.message()
        message.set_content(f"{_LETTERS}\n\n{self.text()}\n", cte="quoted-printable")
        return self._octets(message)

    def utf8(self) -> bytes:
        text = "\r\n".join((*_SUBJECTS, _LETTERS, ""))
        return self.raw(text.encode(), "utf-8", "8bit")

    def latin1(self) -> bytes:
        return self.raw(f"{_LETTERS}\r\nGrüße\r\n".encode("latin-1"), "iso-8859-1", "8bit")

    def long_lines(self) -> bytes:
        line = " ".join(self._random.choices(_SENTENCES, k=60)).encode()
        return self.raw(b"Short.\r\n" + line + b"\r\n" + line[:998] + b"\r\n")

    def dots(self) -> bytes:
        return self.raw(
            b".profile was changed:\r\n.\r\n..\r\n...\r\n. a\r\n..b\r\n+OK not an answer\r\n.\r\n"
        )

    def empty_body(self) -> bytes:
        return self.raw(b"")

    def header_only(self) -> bytes:
        return self.raw(b"").removesuffix(b"\r\n")

    def unterminated(self) -> bytes:
        return self.raw(b"The last line of this one has no line end")

    def forwarded(self) -> bytes:
        inner = self.message()
        inner.set_content(self.text() + "\n")
        message = self.message()
        message.set_content("Please see below.\n")
        message.add_attachment(inner)
        return self._octets(message)

    def report(self) -> bytes:
        message = self.message()
        message.set_content(self.text(6) + "\n")
        logo = self._random.randbytes(3_000)
        message.add_attachment(logo, maintype="image", subtype="png", filename="logo.png")
        message.add_attachment(
            "day,visits\n" + "".join(f"{day},{day * 37 % 101}\n" for day in range(1, 32)),
            subtype="csv",
            filename="visits.csv",
        )
        return self._octets(message)

    @staticmethod
    def _octets(message: EmailMessage) -> bytes:
        if message.is_multipart():
            # The library would draw the boundaries by lot.
            for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
                if part.get_content_maintype() == "multipart":
                    part.set_boundary(f"=-=-part-{number}-of-{message['Message-ID'][1:17]}")
        return message.as_bytes()


_KINDS: tuple[Callable[[_Writer], bytes], ...] = (
    _Writer.plain,
    _Writer.alternative,
    _Writer.attachment,
    _Writer.quoted_printable,
    _Writer.utf8,
    _Writer.latin1,
    _Writer.dots,
    _Writer.large,
    _Writer.forwarded,
    _Writer.empty_body,
    _Writer.long_lines,
    _Writer.report,
    _Writer.unterminated,
    _Writer.header_only,
)


def sample_messages(count: int = 36, *, seed: int = 1) -> list[bytes]:
    """Return varied, plausible messages, always the same ones for the same arguments.

    Plain text and HTML, attachments (one kind of 2 MB), quoted-printable, raw UTF-8 and Latin-1, subjects in
    several scripts, long lines, lines of dots, forwarded mail, no body, no header end, no final line end.

    Args:
        count: how many messages, from 0.
        seed: another number gives other messages.
    """
    writer = _Writer(seed)
    return [_KINDS[number % len(_KINDS)](writer) for number in range(count)]


def awkward_messages(*, huge: int = 0) -> list[tuple[str, bytes]]:
    """Return messages that mail software gets wrong, each with a name.

    Args:
        huge: the size in octets of one more message, `huge`, at least 64; 0 leaves it out.
    """
    head = b"From: <a@example.com>\r\nSubject: awkward\r\nMessage-ID: <%d@example.com>\r\n"
    writer = _Writer(2)
    bodies: dict[str, bytes] = {
        "lines-of-100-kB": (b"x" * 100_000 + b"\r\n") * 3,
        "line-of-dots": b"." * 100_000 + b"\r\n",
        "dots": b".\r\n..\r\n...\r\n.a\r\na.\r\n. \r\n\r\n.\r\n",
        "dot-last": b"text\r\n.",
        "terminator-in-body": b"text\r\n.\r\n+OK 1 octets\r\n.\r\n-ERR no\r\n",
        "bare-lf": b"one\ntwo\n.\nthree\n.\r\nfour\r\n",
        "bare-cr": b"one\rtwo\r.\rthree\r\r\nfour\r\n",
        "cr-cr-lf": b"one\r\r\ntwo\r\r\n.\r\r\n",
        "ends-in-cr": b"text\r",
        "ends-in-lf": b"text\n",
        "no-final-newline": b"text",
        "blank-lines-last": b"text\r\n\r\n\r\n",
        "nul": b"one\0two\r\n\0\r\n.\0\r\n",
        "every-octet": bytes(range(256)) * 16 + b"\r\n",
        "empty-body": b"",
        "looks-like-answers": b"+OK\r\n-ERR [IN-USE] no\r\n+ \r\n",
        "from-line": b"From someone Mon Jan  1 00:00:00 2024\r\n>From quoted\r\n",
    }
    messages = [
        (name, head % number + b"\r\n" + body) for number, (name, body) in enumerate(bodies.items(), start=1)
    ]
    messages += [
        ("multipart", writer.alternative()),
        ("base64", writer.attachment(200_000)),
        ("8-bit", writer.utf8()),
        ("latin-1", writer.latin1()),
        ("8-bit-header", "Subject: Grüße 会議\r\n\r\ntext\r\n".encode()),
        ("header-only", head % 90),
        ("header-of-100-kB", b"Subject: " + b"x" * 100_000 + b"\r\n\r\ntext\r\n"),
        ("no-header", b"\r\ntext\r\n"),
        ("dot-first", b".X-Dot: first\r\nSubject: a dot comes first\r\n\r\ntext\r\n"),
        ("one-dot", b"."),
        ("line-end-only", b"\r\n"),
        ("one-octet", b"x"),
    ]
    if huge:
        start = head % 99 + b"\r\n"
        line = b"%072d\r\n"
        block = b"".join(line % number for number in range(1000))
        body = block * (huge // len(block) + 1)
        messages.append(("huge", (start + body)[: huge - 2] + b"\r\n"))
    return messages

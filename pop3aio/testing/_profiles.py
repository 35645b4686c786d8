"""Named servers, and in what they differ."""

from __future__ import annotations

from collections.abc import Mapping

from pop3aio.testing._quirks import Quirks, header_digest, kilobytes, lf_octets, stored_octets

__all__ = ("PROFILES", "find_quirks")

PROFILES: Mapping[str, Quirks] = {
    "gmail": Quirks(
        evidence="greeting and CAPA: jstedfast/MimeKit#99; recent mode and what is popped: Google's help, "
        "'Read Gmail messages on other email clients using POP'; a list that grows by the login: "
        "jakartaee/mail-api#50",
        advice="run until nothing new comes: a session shows the oldest messages only; the user name `recent:NAME` "
        "brings back what another client has popped",
        greeting=b"+OK Gpop ready for requests from 127.0.0.1 n67mb28062338lja\r\n",
        capabilities=("RESP-CODES", "EXPIRE 0", "LOGIN-DELAY 300", "TOP", "UIDL", "X-GOOGLE-RICO"),
        capabilities_after_login=("PIPELINING",),
        sasl=("PLAIN", "XOAUTH2", "OAUTHBEARER"),
        login_text="Welcome.",
        hides_popped=True,
        shown=250,
    ),
    "exchange-online": Quirks(
        evidence="greeting and CAPA: kisli/vmime#267; XOAUTH2 in two lines or not at all: getmail6/getmail6#256, "
        "jakartaee/mail-api#461",
        greeting=b"+OK The Microsoft Exchange POP3 service is ready. "
        b"[UwBDADEAUABSADgAMABDAEEAMAAxADAANQAuAGwAYQBtAHAAcgBkADgAMAA=]\r\n",
        capabilities=("TOP", "UIDL"),
        sasl=("PLAIN", "XOAUTH2"),
        closes_on_initial_response=True,
    ),
    "exchange-2003": Quirks(
        evidence="greeting and CAPA: jstedfast/MailKit#391; wrong sizes: fetchmail's FAQ, S2 and S3; the dot right "
        "behind the text: Exchange 2000, as clients' workarounds describe it",
        advice="a message without a final line end cannot be fetched, since its end cannot be told from text: the "
        "call ends by `ResponseTimeout`",
        greeting=b"+OK Microsoft Exchange Server 2003 POP3 server version 6.5.7638.1 (example.com) ready.\r\n",
        capabilities=("TOP", "PIPELINING", "EXPIRE NEVER", "UIDL"),
        sasl=(),
        size=kilobytes,
        final_line_end=False,
    ),
    "courier": Quirks(
        evidence="Courier 1.0.16, seen on the wire",
        advice="`await client.utf8()` before the login brings messages with 8-bit headers as they are; a message that "
        "begins with a dot loses it, or cannot be fetched",
        greeting=b"+OK Hello there.\r\n",
        capabilities=("TOP", "LOGIN-DELAY 10", "PIPELINING", "UIDL", "IMPLEMENTATION Courier Mail Server"),
        sasl=("PLAIN", "LOGIN", "CRAM-MD5"),
        login_text="logged in.",
        utf8=True,
        deaf_behind_login=True,
        stuffs_first_octet=False,
        size=stored_octets,
        wraps_8bit=True,
    ),
    "cyrus": Quirks(
        evidence="Cyrus IMAP 3.6.1, seen on the wire",
        advice="`bare_lf=True` for messages with bare LF, which Cyrus sends and stuffs as lines",
        greeting=b"+OK example.com Cyrus POP3 server ready\r\n",
        capabilities=("TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER"),
        sasl=("PLAIN", "SCRAM-SHA-256"),
        login_text="Mailbox locked and ready SESSIONID=<example.com-4711-1@cyrus>",
        deaf_behind_login=True,
        lf_ends_lines=True,
        size=stored_octets,
    ),
    "dovecot": Quirks(
        evidence="Dovecot 2.3.19, seen on the wire",
        advice="a message that begins with a dot loses it, or cannot be fetched",
        greeting=b"+OK Dovecot ready.\r\n",
        capabilities=("CAPA", "TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE"),
        login_text="Logged in.",
        unknown="Unknown command.",
        closes_after_errors=20,
        stuffs_first_octet=False,
        size=stored_octets,
        idle_notice=b"-ERR Disconnected for inactivity.\r\n",
    ),
    "wildduck": Quirks(
        evidence="seen on the wire; WildDuck's source: lib/pop3/connection.js",
        greeting=b"+OK WildDuck ready for requests from 127.0.0.1\r\n",
        capabilities=("TOP", "UIDL", "PIPELINING", "RESP-CODES"),
        unknown="bad command",
        closes_after_errors=1,
        loses_split_commands=True,
        renumbers=True,
        size=lf_octets,
        idle_notice=b"-ERR Disconnected for inactivity\r\n",
    ),
    "popa3d": Quirks(
        evidence="popa3d 1.0.3, seen on the wire",
        greeting=b"+OK\r\n",
        missing=frozenset({"CAPA", "AUTH"}),
        terse=True,
        closes_on_refused_login=True,
        uid=header_digest,
        mute_if_changed=True,
    ),
    "maillennium": Quirks(
        evidence="greeting and TOP: fetchmail's pop3.c; blanks in listings: KMail's popsession.cpp, "
        "thunderbird/thunderbird-android#323",
        greeting=b"+OK (sccrmxc13) Maillennium POP3/PROXY server #11\r\n",
        capabilities=("TOP", "UIDL"),
        uidl_blank="   ",
        top_octets=64 * 1024,
    ),
    "hmailserver": Quirks(
        evidence="hMailServer's source: POP3Connection.cpp",
        greeting=b"+OK POP3\r\n",
        capabilities=("UIDL", "TOP"),
        sasl=(),
        missing=frozenset({"AUTH"}),
        unknown="Invalid command in current state.",
        login_text="Mailbox locked and ready",
        idle_notice=b"-ERR Autologout; idle too long\r\n",
    ),
    "qmail": Quirks(
        evidence="qmail's source: qmail-pop3d.c, qmail-popup.c",
        greeting=b"+OK <4711.1795224492@example.com>\r\n",
        missing=frozenset({"CAPA", "AUTH"}),
        unknown="unimplemented",
        closes_on_refused_login=True,
        size=lf_octets,
    ),
    "lf-only": Quirks(
        evidence="cpython#95252, mutt's and fetchmail's leniency; servers that pass stored mail through unchanged",
        advice="nothing where the greeting ends by a bare LF too; `bare_lf=True` where only what follows does",
        greeting=b"+OK ready\n",
        line_end=b"\n",
        lf_ends_lines=True,
        size=lf_octets,
    ),
    "no-uidl": Quirks(
        evidence="RFC 1939 section 7: UIDL is optional",
        advice="`fetch` knows messages again by their content, for which it retrieves all of them in every run",
        capabilities=("TOP",),
        missing=frozenset({"UIDL"}),
    ),
    "aol": Quirks(
        evidence="AOL's and Verizon's server, as clients' workarounds describe it: CAPA without UIDL, which works, and "
        "a closed connection behind a bad password",
        greeting=b"+OK POP3 ready\r\n",
        capabilities=("TOP", "EXPIRE NEVER"),
        closes_on_refused_login=True,
    ),
    "163": Quirks(
        evidence="zhangyunhao116/zmail#115, pruiz/LumiSoft.Net#4; where the limit lies is not known, here it is small",
        advice="messages that were refused are in the report's `failed`, and come in a later run",
        greeting=b"+OK Welcome to coremail Mail Pop3 Server (163coms[10774b260cc7a37d26d71b52404dcf5cs])\r\n",
        capabilities=("TOP", "UIDL", "EXPIRE NEVER"),
        retrievals=10,
    ),
}
"""The servers in the wild that a client should have met, by name."""


def find_quirks(quirks: str | Quirks | None) -> Quirks:
    """Return the quirks of that name, or the ones given; raises ValueError for a name that is none."""
    if isinstance(quirks, str):
        if quirks not in PROFILES:
            raise ValueError(f"{quirks!r} is no profile; these are: {', '.join(PROFILES)}")
        return PROFILES[quirks]
    return Quirks() if quirks is None else quirks

"""The recorder: a session written down for a bug report, without what is secret.

For: the format of a recording, what is left out of it, and the stream that is written down.
May import: pop3core and _wire.
Used by: _connect, the command, and pop3aio.testing, which replays recordings.
"""

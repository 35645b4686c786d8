"""The session: one connection, and the callers who share it.

For: the queue of callers, one command and its answer, messages, deadlines, the words of an error.
May import: pop3core, _wire, and the errors of pop3aio.
Used by: the room _login, and by _client.
"""

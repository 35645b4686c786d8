"""The login: which way is taken, and how it is gone.

For: the order of the ways to log in, and the exchange of challenges and responses.
May import: pop3core, _session, and the errors of pop3aio.
Used by: _client, which is what it inherits from.
"""

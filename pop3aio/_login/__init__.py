"""The login: which ways are tried in which order, and how each is done.

For: the order (`_order`, a table), the exchange of challenges and responses (`_exchange`), the steps that all ways are
made of (`_steps`), what an error says about the credentials (`_attempt`), and the methods of the client that log in
(`_authorization`).
May import: pop3core, _session, and the errors of pop3aio.
Used by: _client, whose class inherits from `Authorization`.
"""

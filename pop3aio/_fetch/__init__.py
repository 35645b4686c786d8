"""The fetching: everything new from a maildrop into a store, exactly once.

For: the run, the journal, the stores, the deletion policies and the report.
May import: the client's public face (_client, _errors and what they export), nothing below it.
Used by: pop3aio's face and the command.
"""

"""The wire: octets over TCP and TLS.

For: reading and writing octets, TLS handshakes, certificates, host names. It knows no POP3.
May import: the standard library, and the errors of pop3aio.
Used by: the rooms _session and _record, and by _connect.
"""

"""The kit that tests share: a scripted server, a search for leaks, cancelling everywhere, a real Dovecot."""

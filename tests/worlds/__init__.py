"""Worlds: a server, a store and a journal that fail in all ways at once, and a model that knows only what is true."""

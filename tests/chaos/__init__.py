"""Faults on the wire: what the client promises when the network does its worst."""

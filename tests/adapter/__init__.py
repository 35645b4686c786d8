"""The asyncio adapter, over real sockets and real TLS."""

"""How much a server can make the client hold, and how it is told so."""

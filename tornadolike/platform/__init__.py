"""Event loops and name resolution of other projects: asyncio's loop, Twisted's Deferred, the c-ares resolver."""

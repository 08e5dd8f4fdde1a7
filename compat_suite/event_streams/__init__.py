"""``python -m compat_suite event-streams``: what others make of our event streams.

Chromium's ``EventSource``, ``eventsource`` from npm and ``httpx-sse`` read a room of a hub, directly and through an nginx whose
configuration knows nothing of event streams. Three messages come, then all connections are cut, three are published while nobody listens,
and three more afterwards. The client must come back with the last id that it saw, and get each message once, in order.
"""

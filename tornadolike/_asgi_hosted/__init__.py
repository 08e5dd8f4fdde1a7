"""Applications of ours on ASGI servers of others: what carries one request, or one WebSocket."""

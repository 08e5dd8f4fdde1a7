"""WebSocket (RFC 6455, RFC 7692) without I/O: the handshake, then bytes in, messages out, and back."""

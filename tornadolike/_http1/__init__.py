"""The HTTP/1.1 wire (RFC 9112) without I/O: bytes in, events out; messages in, bytes out."""

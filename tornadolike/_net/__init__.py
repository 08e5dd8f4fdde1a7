"""Sockets, buffers and TLS below the streams. This room and `_loop` touch the operating system, no other below the command line does."""

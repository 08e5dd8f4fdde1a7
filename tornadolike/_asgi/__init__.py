"""ASGI 3 (https://asgi.readthedocs.io): scopes and messages, to and from what HTTP/1.1 would have said."""

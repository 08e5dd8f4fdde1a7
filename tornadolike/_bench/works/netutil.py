"""Addresses and sockets that listen."""

from typing import Any

from tornadolike._bench.works.registry import Coroutine, Run, awaiting, calls, work

calls("netutil: is_valid_ip", lambda m: lambda f=m.is_valid_ip: f("192.168.1.1"))
calls("netutil: is_valid_ip, IPv6", lambda m: lambda f=m.is_valid_ip: f("::1"))
calls("netutil: is_valid_ip, a name", lambda m: lambda f=m.is_valid_ip: f("example.com"))
calls("netutil: ssl_options_to_context", lambda m: lambda f=m.ssl_options_to_context: f({}))


@work("netutil: DefaultExecutorResolver")
def _resolver(netutil: Any) -> Coroutine:
    one = netutil.DefaultExecutorResolver()
    return awaiting(lambda: one.resolve("127.0.0.1", 80))


@work("netutil: OverrideResolver")
def _override(netutil: Any) -> Coroutine:
    one = netutil.OverrideResolver(netutil.BlockingResolver(), {"example.com": "127.0.0.1"})
    return awaiting(lambda: one.resolve("example.com", 80))


@work("netutil: bind_sockets")
def _bind(netutil: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            for one in netutil.bind_sockets(0, "127.0.0.1"):
                one.close()

    return run

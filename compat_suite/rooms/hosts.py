"""Two hosts with a cable between them: network namespaces of Linux. Needs root.

From here each host is reached over a link of its own; the cable goes through a third namespace, whose bridge is the wall socket: a port
that is taken out of it cuts the cable without either host being told.
"""

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from compat_suite.rooms.servers import CannotRun, Prefix, program

_numbers = itertools.count()


@dataclass(frozen=True)
class Host:
    """``address`` is how it is reached from here, ``cable`` how from the other one, ``prefix`` what runs a command there."""

    address: str
    cable: str
    prefix: Prefix


class Cable:
    """The link between the two."""

    def __init__(self, middle: str) -> None:
        self._middle = middle

    def cut(self) -> None:
        _ip("-n", self._middle, "link", "set", "port1", "nomaster")

    def mend(self) -> None:
        _ip("-n", self._middle, "link", "set", "port1", "master", "bridge")


@contextlib.contextmanager
def two() -> Iterator[tuple[Host, Host, Cable]]:
    """Both, until the block ends. Raises `CannotRun`."""
    if os.getuid() != 0:
        raise CannotRun("network namespaces need root")
    program("ip")
    name = f"rooms{os.getpid()}-{next(_numbers)}"
    subnet = f"10.{100 + os.getpid() // 250 % 100}.{os.getpid() % 250}"
    names = [f"{name}-{one}" for one in ("1", "2", "m")]
    links = [f"r{name[5:]}.{number}" for number in (0, 1)]
    try:
        for one in names:
            _ip("netns", "add", one)
            _ip("-n", one, "link", "set", "lo", "up")
        _ip("-n", names[2], "link", "add", "bridge", "type", "bridge")
        _ip("-n", names[2], "link", "set", "bridge", "up")
        hosts = [_host(names, link, number, subnet) for number, link in enumerate(links)]
        yield *hosts, Cable(names[2])  # type: ignore[misc]
    finally:
        for link in links:
            subprocess.run(["ip", "link", "del", link], check=False, capture_output=True)
        for one in names:
            subprocess.run(["ip", "netns", "del", one], check=False, capture_output=True)


def _host(names: list[str], ours: str, number: int, subnet: str) -> Host:
    base = 8 * number
    _ip("link", "add", ours, "type", "veth", "peer", "name", "outside", "netns", names[number])
    _ip("addr", "add", f"{subnet}.{base + 1}/30", "dev", ours)
    _ip("link", "set", ours, "up")
    _ip("-n", names[number], "addr", "add", f"{subnet}.{base + 2}/30", "dev", "outside")
    _ip("-n", names[number], "link", "set", "outside", "up")
    _ip("-n", names[number], "link", "add", "cable", "type", "veth", "peer", "name", f"port{number}", "netns", names[2])
    _ip("-n", names[number], "addr", "add", f"{subnet}.{129 + number}/28", "dev", "cable")
    _ip("-n", names[number], "link", "set", "cable", "up")
    _ip("-n", names[2], "link", "set", f"port{number}", "master", "bridge")
    _ip("-n", names[2], "link", "set", f"port{number}", "up")
    return Host(f"{subnet}.{base + 2}", f"{subnet}.{129 + number}", ("ip", "netns", "exec", names[number]))


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise CannotRun(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

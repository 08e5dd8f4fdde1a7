"""What the other modules share."""

import gzip
from collections.abc import Callable
from typing import Any

from tornadolike._bench.works.registry import SOON, TEXT, Run, calls, work


def _two(a: int, b: int = 0) -> None:
    return None


def _replacer(util: Any) -> Callable[[], object]:
    one = util.ArgReplacer(_two, "b")
    return lambda: one.replace(5, (1,), {"b": 2})


def _configurable(util: Any) -> Callable[[], object]:
    class Base(util.Configurable):
        @classmethod
        def configurable_base(cls) -> Any:
            return Base

        @classmethod
        def configurable_default(cls) -> Any:
            return One

        def initialize(self, a: int = 0) -> None:
            self.a = a

    class One(Base):
        pass

    return lambda: Base(a=1)


calls("util: import_object", lambda m: lambda f=m.import_object: f("os.path.join"))


@work("util: ObjectDict")
def _object_dict(util: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            one = util.ObjectDict(a=1)
            one.b = one.a

    return run


@work("util: GzipDecompressor")
def _gzip(util: Any) -> Run:
    import gzip

    data = gzip.compress(TEXT.encode() * 10)
    return lambda n: [util.GzipDecompressor().decompress(data, 1 << 16) for _ in range(n)]


calls("util: ArgReplacer, replace", _replacer)
calls("util: ArgReplacer, get", lambda m: lambda f=m.ArgReplacer(_two, "b").get_old_value: f((1, 2), {}))
calls("util: Configurable", _configurable)
calls("util: errno_from_exception", lambda m: lambda f=m.errno_from_exception, e=OSError(2, "x"): f(e))
calls("util: timedelta_to_seconds", lambda m: lambda f=m.timedelta_to_seconds, d=SOON: f(d))
calls("util: unicode_type, ObjectDict read", lambda m: lambda d=m.ObjectDict(a=1): d.a)
calls("util: re_unescape", lambda m: lambda f=m.re_unescape: f(r"a\.b\-c"))


@work("util: GzipDecompressor, 70 KB")
def _unzip(util: Any) -> Run:
    data = gzip.compress(b'{"id": 12, "name": "some name", "price": 12.5}, ' * 1400)

    def run(n: int) -> None:
        for _ in range(n):
            one = util.GzipDecompressor()
            one.decompress(data)
            one.flush()

    return run


@work("util: exec_in")
def _exec_in(util: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            util.exec_in("a = 1", {})

    return run


@work("util: raise_exc_info")
def _raising(util: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            try:
                util.raise_exc_info((KeyError, KeyError(), None))
            except KeyError:
                pass

    return run


def _unzip_in_pieces(util: Any) -> Run:
    data = gzip.compress(bytes(range(256)) * 40)
    pieces = [data[at : at + 50] for at in range(0, len(data), 50)]

    def run(n: int) -> None:
        for _ in range(n):
            one = util.GzipDecompressor()
            for piece in pieces:
                left = piece
                while left:
                    one.decompress(left, 1000)
                    left = one.unconsumed_tail
            one.flush()

    return run


work("util: GzipDecompressor, in pieces")(_unzip_in_pieces)

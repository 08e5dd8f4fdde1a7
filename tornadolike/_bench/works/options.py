"""Options, defined, parsed and read."""

import datetime as dt
import io
import tempfile
from collections.abc import Callable
from typing import Any

from tornadolike._bench.works.registry import Run, calls, work


def _parser(options: Any) -> Any:
    parser = options.OptionParser()
    parser.define("port", default=8888, help="where", group="network")
    parser.define("names", type=str, multiple=True)
    parser.define("debug", default=False)
    return parser


def _config_file(options: Any) -> Callable[[], object]:
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write("port = 80\nnames = ['a', 'b']\ndebug = True\n")
    parser = _parser(options)
    return lambda: parser.parse_config_file(file.name)


def _dates(options: Any) -> Callable[[], object]:
    parser = options.OptionParser()
    parser.define("when", type=dt.datetime)
    parser.define("every", type=dt.timedelta)
    parser.define("ports", type=int, multiple=True)
    return lambda: parser.parse_command_line(["x", "--when=2024-01-02 03:04", "--every=1h 30m", "--ports=1:3,8"])


@work("options: define and parse")
def _options(options: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            parser = options.OptionParser()
            parser.define("port", default=8888, help="where")
            parser.define("names", type=str, multiple=True)
            parser.parse_command_line(["program", "--port=80", "--names=a,b"])
            assert parser.port == 80

    return run


calls("options: an option read", lambda m: lambda o=_parser(m): o.port)
calls("options: set and read", lambda m: lambda o=_parser(m): (o.__setattr__("port", 81), o.port))
calls("options: parse_config_file", _config_file)
calls("options: as_dict", lambda m: lambda o=_parser(m): o.as_dict())
calls("options: a datetime and a timedelta", _dates)
calls("options: help", lambda m: lambda o=_parser(m): o.print_help(io.StringIO()))

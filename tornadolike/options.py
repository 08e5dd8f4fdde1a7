"""Options that any module may define, set from the command line and from config files.

A module defines what it needs and reads it where it needs it::

    from tornadolike.options import define, options

    define("port", default=8888, help="where to listen")

    def listen(app):
        app.listen(options.port)

The program fills all of them in at once, with `parse_command_line` or `parse_config_file`, which also set up logging
(see `tornadolike.log`). Dashes and underscores in names are the same.
"""

import datetime as dt
import functools
import numbers
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Concatenate, ParamSpec, TextIO, TypeVar

from tornadolike import _imported_names
from tornadolike.escape import to_unicode
from tornadolike.log import define_logging_options
from tornadolike.util import exec_in

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Error(Exception):
    """An option was defined twice, is unknown, or was given a value that does not suit it."""


# How a point in time may be written, the most precise form first.
_DATETIME_FORMATS = (
    "%a %b %d %H:%M:%S %Y",
    *(f"{day}{sep}{time}" for day, sep, time in (("%Y-%m-%d", " ", "%H:%M:%S"), ("%Y-%m-%d", " ", "%H:%M"), ("%Y-%m-%d", "T", "%H:%M"))),
    "%Y%m%d %H:%M:%S",
    "%Y%m%d %H:%M",
    "%Y-%m-%d",
    "%Y%m%d",
    "%H:%M:%S",
    "%H:%M",
)
_SHORT_UNITS = {
    "": "seconds",
    "us": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "sec": "seconds",
    "m": "minutes",
    "min": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}
_TIME_SPAN = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(\w*)\s*")


def _datetime_from(text: str) -> dt.datetime:
    for known in _DATETIME_FORMATS:
        try:
            return dt.datetime.strptime(text, known)
        except ValueError:
            continue
    raise Error(f"Unrecognized date/time format: {text!r}")


def _timedelta_from(text: str) -> dt.timedelta:
    total, position = dt.timedelta(), 0
    while position < len(text):
        span = _TIME_SPAN.match(text, position)
        if span is None:
            raise Error(f"Unrecognized time span: {text!r}")
        number, unit = span.groups()
        try:
            total += dt.timedelta(**{_SHORT_UNITS.get(unit, unit): float(number)})
        except TypeError:
            raise Error(f"Unrecognized unit of time: {unit!r} in {text!r}") from None
        position = span.end()
    return total


def _bool_from(text: str) -> bool:
    return text.lower() not in ("false", "f", "0")


# Other types are called with the text.
_PARSERS: dict[type, Callable[[str], Any]] = {
    dt.datetime: _datetime_from,
    dt.timedelta: _timedelta_from,
    bool: _bool_from,
    str: to_unicode,
}
_UNSET: Any = object()


class _Option:
    """One defined option and its value."""

    def __init__(
        self,
        name: str,
        type: type,
        default: Any,
        help: str | None,
        metavar: str | None,
        multiple: bool,
        file_name: str,
        group_name: str,
        callback: Callable[[Any], None] | None,
    ) -> None:
        self.name = name
        self.type = type
        self.default = [] if multiple and default is None else default
        self.help = help
        self.metavar = metavar
        self.multiple = multiple
        self.file_name = file_name
        self.group_name = group_name
        self.callback = callback
        self._calling_back = False
        self._value = _UNSET

    def value(self) -> Any:
        return self.default if self._value is _UNSET else self._value

    def parse(self, text: str) -> None:
        """Take the value from its text form."""
        if not self.multiple:
            self._store(self._parse_one(text))
            return
        values: list[Any] = []
        for part in text.split(","):
            values += self._parse_range(part) if issubclass(self.type, numbers.Integral) else [self._parse_one(part)]
        self._store(values)

    def _parse_one(self, text: str) -> Any:
        return _PARSERS.get(self.type, self.type)(text)

    def _parse_range(self, text: str) -> Iterable[Any]:
        """``5`` or ``5:8``, both ends included."""
        first, _, last = text.partition(":")
        start = self._parse_one(first)
        return range(start, (self._parse_one(last) if last else start) + 1)

    def set(self, value: Any) -> None:
        """Take a value which must be of the right type already."""
        if self.multiple:
            if not isinstance(value, list) or not all(map(self._accepts, value)):
                raise Error(f"Option {self.name!r} is required to be a list of {self.type.__name__}")
        elif not self._accepts(value):
            raise Error(f"Option {self.name!r} is required to be a {self.type.__name__} ({type(value)} given)")
        self._store(value)

    def set_from_config(self, value: Any) -> None:
        """Take a value from a config file, where text stands for any type."""
        if self.multiple and not isinstance(value, list | str):
            raise Error(f"Option {self.name!r} is required to be a list of {self.type.__name__} or a comma-separated string")
        if type(value) is str and (self.multiple or self.type is not str):
            self.parse(value)
        else:
            self.set(value)

    def _accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, self.type)

    def _store(self, value: Any) -> None:
        self._value = value
        if self.callback is None or self._calling_back:
            return
        self._calling_back = True
        try:
            self.callback(value)
        finally:
            self._calling_back = False

    def help_lines(self) -> list[str]:
        """The lines on this option in the help text."""
        usage = _normalized(self.name) + (f"={self.metavar}" if self.metavar else "")
        description = self.help or ""
        if self.default is not None and self.default != "":
            description += f" (default {self.default})"
        short = 0 < len(description) <= 44 and description.isprintable() and description.strip() == description
        lines = [description] if short else textwrap.wrap(description, 44)
        if len(usage) > 30 or not lines:
            lines.insert(0, "")
        return [f"  --{usage:<30} {lines[0]}", *(" " * 35 + line for line in lines[1:])]


def _normalized(name: str) -> str:
    return name.replace("_", "-")


def _defining_file() -> str:
    """The file from which ``OptionParser.define`` was called, maybe by way of the module's ``define``."""
    here = _defining_file.__code__.co_filename
    caller = sys._getframe(2)
    if caller.f_code.co_filename == here and caller.f_code.co_name == "call" and caller.f_back is not None:
        caller = caller.f_back
    file_name = caller.f_code.co_filename
    return "" if file_name == here else file_name


class OptionParser:
    """A set of options, to be read as attributes or items: ``options.port``, ``options["port"]``.

    Most programs need one only, `options`, which the functions of this module work on.
    """

    def __init__(self) -> None:
        # Plain assignment would look for options of these names.
        self.__dict__["_options"] = {}
        self.__dict__["_parse_callbacks"] = []
        # Under a file name of its own, "", it stands before all groups in the help.
        self.define("help", type=bool, help="show this help and exit", callback=self._exit_with_help)

    def _option(self, name: str) -> _Option:
        option: _Option | None = self._options.get(_normalized(name))
        if option is None:
            raise AttributeError(f"Unrecognized option {name!r}")
        return option

    def __getattr__(self, name: str) -> Any:
        return self._option(name).value()

    def __setattr__(self, name: str, value: Any) -> None:
        self._option(name).set(value)

    def __iter__(self) -> Iterator[str]:
        return (option.name for option in self._options.values())

    def __contains__(self, name: str) -> bool:
        return _normalized(name) in self._options

    def __getitem__(self, name: str) -> Any:
        return self._option(name).value()

    def __setitem__(self, name: str, value: Any) -> None:
        self._option(name).set(value)

    def items(self) -> Iterable[tuple[str, Any]]:
        """The name and the value of every option."""
        return [(option.name, option.value()) for option in self._options.values()]

    def groups(self) -> set[str]:
        """The names of all groups."""
        return {option.group_name for option in self._options.values()}

    def group_dict(self, group: str) -> dict[str, Any]:
        """The options of one group, as a dict; all of them for an empty name.

        So settings of an application may come from the command line::

            define("template_path", group="application")
            parse_command_line()
            Application(handlers, **options.group_dict("application"))
        """
        return {option.name: option.value() for option in self._options.values() if not group or group == option.group_name}

    def as_dict(self) -> dict[str, Any]:
        """All options, as a dict."""
        return {option.name: option.default if option._value is _UNSET else option._value for option in self._options.values()}

    def define(
        self,
        name: str,
        default: Any = None,
        type: type | None = None,
        help: str | None = None,
        metavar: str | None = None,
        multiple: bool = False,
        group: str | None = None,
        callback: Callable[[Any], None] | None = None,
    ) -> None:
        """Define an option.

        :arg type: what its text is parsed to: `str`, `int`, `float`, `bool`, `~datetime.datetime`,
            `~datetime.timedelta` (``1h30m``), or anything that makes a value from a string. By default the type
            of ``default``, or else `str`.
        :arg help: what the help text says about it.
        :arg metavar: what stands for its value there: ``--name=METAVAR``.
        :arg multiple: its value is a list: on the command line ``a,b``, for integers also ranges, ``1:3,7``.
        :arg group: the group it belongs to, by default the file which defines it.
        :arg callback: called with the new value whenever the option is set, but not for what it sets itself:
            it may put a better value in its place. ``--config`` may so load a file
            right there, to be overridden by what follows it: ``lambda path: parse_config_file(path, final=False)``.

        Raises `Error` when the name is in use.
        """
        key = _normalized(name)
        if key in self._options:
            raise Error(f"Option {key!r} already defined in {self._options[key].file_name}")
        kind = type or (str if multiple or default is None else default.__class__)
        file_name = _defining_file()
        self._options[key] = _Option(name, kind, default, help, metavar, multiple, file_name, group or file_name, callback)

    def parse_command_line(self, args: list[str] | None = None, final: bool = True) -> list[str]:
        """Set options from ``args``, by default `sys.argv`, and return the arguments that follow them.

        ``args[0]`` is the name of the program and not looked at. Options are ``--name=value``; a `bool` needs no
        value. They end at the first argument without a dash, or after ``--``.

        With ``final=False`` the parse callbacks do not run yet, which is for all but the last of several sources.

        Raises `Error` for unknown options (after printing the help) and for missing values.
        """
        arguments = (sys.argv if args is None else args)[1:]
        for index, argument in enumerate(arguments):
            if argument == "--" or not argument.startswith("-"):
                remaining = arguments[index + (argument == "--") :]
                break
            self._parse_argument(argument)
        else:
            remaining = []
        if final:
            self.run_parse_callbacks()
        return remaining

    def _parse_argument(self, argument: str) -> None:
        name, equals, value = argument.lstrip("-").partition("=")
        name = _normalized(name)
        option: _Option | None = self._options.get(name)
        if option is None:
            self.print_help()
            raise Error(f"Unrecognized command line option: {name!r}")
        if not equals:
            if option.type is not bool:
                raise Error(f"Option {name!r} requires a value")
            value = "true"
        option.parse(value)

    def parse_config_file(self, path: str, final: bool = True) -> None:
        """Set options from a file of Python code: each global variable with the name of an option sets it.

        The code is executed, so the file must be trusted. It is UTF-8, and knows its absolute path as ``__file__``.
        Values are of the option's type, or strings, which are parsed as on the command line.

        With ``final=False`` the parse callbacks do not run yet. Raises `Error` for values of another type.
        """
        variables: dict[str, Any] = {"__file__": os.path.abspath(path)}
        with open(path, "rb", buffering=0) as file:
            exec_in(file.read().decode(), variables, variables)
        for name, value in variables.items():
            option: _Option | None = self._options.get(_normalized(name))
            if option is not None:
                option.set_from_config(value)
        if final:
            self.run_parse_callbacks()

    def print_help(self, file: TextIO | None = None) -> None:
        """Print all options, by group, to ``file``; by default to stderr."""
        lines = [f"Usage: {sys.argv[0]} [OPTIONS]", "", "Options:", ""]
        for group in sorted(self.groups()):
            if group:
                lines += ["", f"{os.path.normpath(group)} options:", ""]
            members = [option for option in self._options.values() if option.group_name == group]
            for option in sorted(members, key=lambda option: option.name):
                lines += option.help_lines()
        print(*lines, "", sep="\n", file=sys.stderr if file is None else file)

    def _exit_with_help(self, wanted: bool) -> None:
        if wanted:
            self.print_help()
            sys.exit(0)

    def run_parse_callbacks(self) -> None:
        """Call what `add_parse_callback` was given, in that order."""
        for callback in self._parse_callbacks:
            callback()

    def add_parse_callback(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when a command line or config file was parsed (unless with ``final=False``)."""
        self._parse_callbacks.append(callback)

    def mockable(self) -> "_Mockable":
        """A stand-in for this object, made for `unittest.mock.patch.object`.

        Through it, options can be set for a while::

            with mock.patch.object(options.mockable(), "port", 80):
                assert options.port == 80
        """
        return _Mockable(self)


class _Mockable:
    """Sets options as attributes; deleting an attribute restores the value from before.

    ``patch`` undoes its work with ``delattr`` for attributes which it does not find in the object's ``__dict__``.
    """

    def __init__(self, options: OptionParser) -> None:
        self.__dict__.update(_options=options, _originals={})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)

    def __setattr__(self, name: str, value: Any) -> None:
        originals: dict[str, Any] = self._originals
        assert name not in originals, "don't reuse mockable objects"
        originals[name] = self._options[name]
        self._options[name] = value

    def __delattr__(self, name: str) -> None:
        self._options[name] = self._originals.pop(name)


def _of_the_process(method: Callable[Concatenate[OptionParser, _P], _R]) -> Callable[_P, _R]:
    """A method of the global options, as a function: of those that are global when it is called."""
    name = method.__name__

    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        called: Callable[_P, _R] = getattr(options, name)
        return called(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`OptionParser.{name}` for the global options."
    call.__wrapped__ = functools.partial(method, None)  # type: ignore[attr-defined,arg-type]  # where `inspect.signature` looks; never called
    return call


define = _of_the_process(OptionParser.define)
parse_command_line = _of_the_process(OptionParser.parse_command_line)
parse_config_file = _of_the_process(OptionParser.parse_config_file)
print_help = _of_the_process(OptionParser.print_help)
add_parse_callback = _of_the_process(OptionParser.add_parse_callback)


options = OptionParser()
"""The options of the process, which the functions of this module work on."""

define_logging_options(options)


_imported_names.complete(globals())

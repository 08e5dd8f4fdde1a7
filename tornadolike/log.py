"""Logging: three loggers, a formatter for them, and the command line options that set both up.

* ``tornado.access``: one line for each request that an HTTP server answers.
* ``tornado.application``: what went wrong in the application, such as uncaught exceptions of handlers and callbacks.
* ``tornado.general``: everything else, errors and warnings of this package itself among it.

They are ordinary loggers of `logging`, so each can be given its own level and handlers.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from tornadolike import _imported_names

access_log = logging.getLogger("tornado.access")
"""One line for each request that an application served."""
app_log = logging.getLogger("tornado.application")
"""Errors of the application: what its handlers and callbacks raised."""
gen_log = logging.getLogger("tornado.general")
"""Everything else: warnings, and errors of the package itself."""

# Either knows how a terminal shows colors: curses not everywhere, colorama for the older consoles of Windows.
try:
    import curses
except ImportError:
    curses = None  # type: ignore[assignment]  # a module that is not there
try:
    import colorama  # type: ignore[import-untyped,import-not-found,unused-ignore]  # optional, and not typed
except ImportError:
    colorama = None


def _stderr_supports_color() -> bool:
    try:
        if not sys.stderr.isatty():
            return False
        if curses:
            curses.setupterm()
            return curses.tigetnum("colors") > 0
        return bool(colorama) and sys.stderr is getattr(colorama.initialise, "wrapped_stderr", None)
    except Exception:
        # A terminal out of the ordinary must not keep the program from starting.
        return False


def _terminal_colors(colors: dict[int, int]) -> tuple[dict[int, str], str]:
    """For each level the control sequence that switches its color on, and the one that ends it."""
    if curses is None:
        return {level: f"\033[2;3{code}m" for level, code in colors.items()}, "\033[0m"
    foreground = curses.tigetstr("setaf") or curses.tigetstr("setf") or b""
    sequences = {level: curses.tparm(foreground, code).decode("ascii") for level, code in colors.items()}
    return sequences, (curses.tigetstr("sgr0") or b"").decode("ascii")


class LogFormatter(logging.Formatter):
    """Formats records as ``[I 261121 09:00:00 web:12] message``, in color where stderr is a terminal that has it.

    The lines of a message or traceback after its first are indented. A record that cannot be formatted becomes a line
    which says so, never an exception.

    `.options.parse_command_line` and `.options.parse_config_file` install it, unless ``--logging=none`` is given. The constructor
    suits `logging.config.dictConfig`.
    """

    DEFAULT_FORMAT = "%(color)s[%(levelname)1.1s %(asctime)s %(module)s:%(lineno)d]%(end_color)s %(message)s"
    """The format of a line: coloured level, time and place, then the message."""
    DEFAULT_DATE_FORMAT = "%y%m%d %H:%M:%S"
    """The format of the time, for `time.strftime`."""
    # In the numbers of a terminal: red errors, green information, yellow warnings, blue details, magenta disasters.
    DEFAULT_COLORS = {logging.ERROR: 1, logging.INFO: 2, logging.WARNING: 3, logging.DEBUG: 4, logging.CRITICAL: 5}
    """For each level the number of its colour in terminals."""

    def __init__(
        self,
        fmt: str = DEFAULT_FORMAT,
        datefmt: str = DEFAULT_DATE_FORMAT,
        style: str = "%",
        color: bool = True,
        colors: dict[int, int] = DEFAULT_COLORS,
    ) -> None:
        """Make a formatter.

        :arg fmt: a ``%`` format over the record's attributes; ``%(color)s`` to ``%(end_color)s`` is the colored part.
        :arg datefmt: how ``%(asctime)s`` looks, as for `time.strftime`.
        :arg style: there for ``dictConfig``, of no effect.
        :arg color: whether to use colors where the terminal can show them.
        :arg colors: the terminal color number for each level.
        """
        super().__init__(datefmt=datefmt)
        self._fmt: str = fmt
        self._colors: dict[int, str] = {}
        self._normal = ""
        if color and _stderr_supports_color():
            self._colors, self._normal = _terminal_colors(colors)

    def format(self, record: Any) -> str:
        """The text for ``record``, which is also given the attributes that the format uses."""
        try:
            record.message = record.getMessage()
        except Exception as e:
            record.message = f"Bad message ({e!r}): {record.__dict__!r}"
        record.asctime = self.formatTime(record, self.datefmt)
        record.color = self._colors.get(record.levelno, "")
        record.end_color = self._normal if record.levelno in self._colors else ""
        text: str = self._fmt % record.__dict__
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            text = f"{text.rstrip()}\n{record.exc_text}"
        return text.replace("\n", "\n    ")


def enable_pretty_logging(options: Any = None, logger: logging.Logger | None = None) -> None:
    """Set up ``logger`` (default: the root logger) as the logging options say; nothing when ``logging`` is none.

    `.options.parse_command_line` and `.options.parse_config_file` call this when they are done; what an earlier call for the same
    options has set up is replaced, so that a record is one line. Raises `ValueError` for an unknown
    ``log_rotate_mode``.
    """
    options = _options_or_default(options)
    level = options.logging or "none"
    if level.lower() == "none":
        return
    target = logging.getLogger() if logger is None else logger
    target.setLevel(getattr(logging, level.upper()))
    if options.log_file_prefix:
        _attach(target, options, _rotating_handler, color=False)
    to_stderr = options.log_to_stderr
    if to_stderr is None:
        to_stderr = not target.handlers
    if to_stderr:
        _attach(target, options, _stream_handler, color=True)


def _attach(logger: logging.Logger, options: Any, make: Callable[[Any], logging.Handler], color: bool) -> None:
    """Add a handler; it takes the place of the one that an earlier parsing of the same options has added."""
    for earlier in tuple(logger.handlers):
        made_for, made_by = getattr(earlier, "_made_for", (None, None))
        if made_for is options and made_by is make:
            logger.removeHandler(earlier)
            earlier.close()
    handler = make(options)
    handler._made_for = options, make  # type: ignore[attr-defined]  # an attribute of ours
    handler.setFormatter(LogFormatter(color=color))
    logger.addHandler(handler)


def _stream_handler(options: Any) -> logging.Handler:
    return logging.StreamHandler()


def _rotating_handler(options: Any) -> logging.Handler:
    import logging.handlers  # a thirtieth of what importing this package takes; few programs log to files

    path, kept, mode = options.log_file_prefix, options.log_file_num_backups, options.log_rotate_mode
    if mode == "size":
        size = options.log_file_max_size
        return logging.handlers.RotatingFileHandler(path, maxBytes=size, backupCount=kept, encoding="utf-8")
    if mode == "time":
        when, interval = options.log_rotate_when, options.log_rotate_interval
        return logging.handlers.TimedRotatingFileHandler(path, when=when, interval=interval, backupCount=kept, encoding="utf-8")
    raise ValueError(f'The value of log_rotate_mode option should be "size" or "time", not "{mode}".')


def _options_or_default(options: Any) -> Any:
    if options is not None:
        return options
    # The options module defines its logging options while it is imported, so it can be imported late only.
    from tornadolike import options as module

    return module.options


_LOGGING_OPTIONS: list[dict[str, Any]] = [
    {
        "name": "logging",
        "default": "info",
        "metavar": "debug|info|warning|error|none",
        "help": "least level to log; 'none' leaves the configuration of Python's logging alone",
    },
    {
        "name": "log_to_stderr",
        "type": bool,
        "help": "log to stderr, in color where possible (otherwise only without --log_file_prefix and other handlers)",
    },
    {
        "name": "log_file_prefix",
        "type": str,
        "metavar": "PATH",
        "help": "log to this file and its rotated companions; each process needs a path of its own, with its port for instance",
    },
    {"name": "log_file_max_size", "type": int, "default": 100_000_000, "help": "bytes in a log file before the next is begun"},
    {"name": "log_file_num_backups", "type": int, "default": 10, "help": "how many old log files to keep"},
    {"name": "log_rotate_when", "type": str, "default": "midnight", "help": "unit of rotation by time: S, M, H, D, W0 to W6 or midnight"},
    {"name": "log_rotate_interval", "type": int, "default": 1, "help": "how many of these units between rotations"},
    {"name": "log_rotate_mode", "type": str, "default": "size", "help": "what log files are rotated by: size or time"},
]


def define_logging_options(options: Any = None) -> None:
    """Define the options that `enable_pretty_logging` reads, and have it called when parsing is done.

    The global options have them from the start; call this for an `.OptionParser` of your own.
    """
    parser = _options_or_default(options)
    for definition in _LOGGING_OPTIONS:
        parser.define(**definition)
    parser.add_parse_callback(lambda: enable_pretty_logging(parser))


_imported_names.complete(globals())

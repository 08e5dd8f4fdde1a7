"""Options, locales and logging: parsing, help texts, files; translations and formats; what a log line looks like."""

# ruff: noqa: E501, PLW0108, PLC3002, ASYNC240, LOG001 - rows of tables; names are looked up when the call is made

import datetime as dt
import io
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from tornado import locale, log, options

from compat_suite.differential.scenario import add, calls, raised, step


def _parser(notes: list[Any]) -> options.OptionParser:
    parser = options.OptionParser()
    parser.define("port", default=80, help="the port")
    parser.define("name", default="n", metavar="NAME", help="a name", group="other")
    parser.define("flag", default=False, type=bool)
    parser.define("ratio", default=0.5)
    parser.define("many", default=[1], type=int, multiple=True)
    parser.define("texts", type=str, multiple=True)
    parser.define("when", type=dt.datetime)
    parser.define("delta", type=dt.timedelta)
    parser.define("any_thing", default=None, callback=lambda value: notes.append(repr(value)))
    parser.define("wide-name", default="w")
    parser.define("a_very_long_option_name_indeed", default=None, help="long " * 20, metavar="SOMETHING")
    return parser


async def _command_line(arguments: tuple[str, ...], *, final: bool = True) -> Any:
    notes: list[Any] = []
    parser = _parser(notes)
    record: list[Any] = []
    step(record, parser.parse_command_line, ["program", *arguments], final=final)
    return [record, notes, sorted((name, repr(value)) for name, value in parser.items() if name not in ("help", "logging"))]


for _arguments in (
    (), ("--port=1",), ("--port", "1"), ("-port=1",), ("--port=x",), ("--port=",), ("--port",), ("--flag",), ("--flag=false",), ("--flag=F",), ("--flag=0",), ("--flag=no",), ("--flag=maybe",), ("--noflag",), ("--name=a=b",), ("--name",), ("--name=",), ("--ratio=1",), ("--ratio=x",), ("--ratio=1e3",),
    ("--many=1,2",), ("--many=1:4",), ("--many=1:3,7",), ("--many=",), ("--many=4:1",), ("--many=a",), ("--many=1:",), ("--many=-1:1",), ("--texts=a,b",), ("--texts=a:b",), ("--texts=,",), ("--when=2020-01-02 03:04:05",), ("--when=2020-01-02",), ("--when=2020-01-02T03:04",), ("--when=03:04:05",), ("--when=03:04",), ("--when=20200102 03:04",),
    ("--when=Thu Jan 2 03:04:05 2020",), ("--when=x",), ("--delta=1h",), ("--delta=1h 2m 3s",), ("--delta=1.5d",), ("--delta=90",), ("--delta=x",), ("--delta=-1h",), ("--delta=1w2d",), ("--delta=1 hour",), ("--delta=",), ("--delta=5ms",), ("--delta=1us",), ("--any-thing=3",), ("--any_thing=3",), ("--wide_name=x",), ("--wide-name=x",),
    ("--nosuch=1",), ("--nosuch",), ("x", "--port=1"), ("--port=1", "x", "--port=2"), ("--", "--port=1"), ("--port=1", "--", "y"), ("--port=1", "--port=2"), ("---port=1",), ("-",), ("--=x",), ("--PORT=1",), ("-p",), ("--port=1_000",), ("--port= 7 ",), ("--flag", "true"),
):  # fmt: skip
    add(f"settings/command line {_arguments!r}", lambda arguments=_arguments: _command_line(arguments))
    if _arguments == ("--port=1",):
        add("settings/command line not final", lambda arguments=_arguments: _command_line(arguments, final=False))

for _content in (
    "port = 1", "port = '1'", "port = 'x'", "flag = True", "flag = 1", "many = [1, 2]", "many = '1:3'", "many = 1", "many = ['a']", "texts = ['a']", "texts = 'a,b'", "name = b'x'", "name = 3", "ratio = 1", "ratio = 1.5", "nosuch = 3", "import datetime\nwhen = datetime.datetime(2020, 1, 1)", "when = '2020-01-01'", "delta = '1h'",
    "port = ", "raise ValueError('in file')", "port = __file__", "any_thing = {}", "wide_name = 'x'", "a_very_long_option_name_indeed = 1", "name = '\u00e9'", "port = None", "port = 1.0", "port = True",
):  # fmt: skip

    async def _file(content: str = _content) -> Any:
        notes: list[Any] = []
        parser = _parser(notes)
        record: list[Any] = []
        with tempfile.TemporaryDirectory(prefix="compat_scenario") as directory:
            path = Path(directory, "file.conf")
            path.write_text(content, encoding="utf-8")
            step(record, parser.parse_config_file, str(path))
        return [record, notes, sorted((name, repr(value)) for name, value in parser.items() if name not in ("help", "logging"))]

    add(f"settings/file {_content!r}", _file)


async def _options_api() -> Any:
    notes: list[Any] = []
    record: list[Any] = []
    parser = _parser(notes)
    step(record, parser.define, "port", 3)
    step(record, parser.define, "wide_name")
    for call in (
        lambda: parser.port, lambda: parser.wide_name, lambda: parser["wide-name"], lambda: parser["nosuch"], lambda: parser.nosuch, lambda: setattr(parser, "port", 5), lambda: setattr(parser, "port", "x"), lambda: setattr(parser, "nosuch", 1), lambda: parser.__setitem__("port", 6), lambda: "port" in parser, lambda: "wide_name" in parser, lambda: "x" in parser,
        lambda: sorted(parser), lambda: sorted(parser.groups()), lambda: parser.group_dict("other"), lambda: sorted(parser.as_dict()), lambda: parser.add_parse_callback(lambda: notes.append("parsed")), lambda: parser.run_parse_callbacks(), lambda: parser.mockable().port, lambda: parser.parse_config_file("/nowhere"), lambda: setattr(parser, "many", [3]), lambda: setattr(parser, "many", 3),
        lambda: setattr(parser, "many", ["x"]), lambda: setattr(parser, "texts", None), lambda: setattr(parser, "name", None), lambda: parser.port, lambda: options.OptionParser().define("x", default=[]), lambda: options.OptionParser().define("x", default=3, multiple=True), lambda: options.OptionParser().define("x", default=None, type=list),
    ):  # fmt: skip
        step(record, call)
    output = io.StringIO()
    parser.print_help(output)
    record.append(output.getvalue().replace(os.path.dirname(__file__), "<here>").split("\n"))
    return [record, notes]


add("settings/options", _options_api)


# Locales
_CSV = {
    "de": '"hello","hallo"\n"%(n)d day","%(n)d Tag","singular"\n"%(n)d day","%(n)d Tage","plural"\n"January","Januar"\n"Monday","Montag"\n',
    "fr_FR": '"hello","bonjour"\n',
    "pt-br": '"hello","ol\u00e1"\n',
    "zh_CN": '"hello","\u4f60\u597d"\n',
    "fa": '"hello","salam"\n',
}


async def _translations(action: Any, files: dict[str, str] | None = None, encoding: str = "utf-8", given: str | None = None) -> Any:
    with tempfile.TemporaryDirectory(prefix="compat_scenario") as directory:
        for name, content in (files or _CSV).items():
            Path(directory, f"{name}.csv").write_bytes(content.encode(encoding))
        try:
            locale.load_translations(directory, given)
            return repr(action())
        except Exception as error:
            return raised(error)
        finally:
            locale._translations, locale._supported_locales = {}, frozenset(["en_US"])
            locale.set_default_locale("en_US")
            locale._use_gettext = False
            locale.Locale._cache = {}


_NOW = dt.datetime.now(dt.UTC).replace(tzinfo=None)
_ACTIONS: dict[str, Any] = {
    "get": lambda: [locale.get(*codes).code for codes in (("de",), ("de_DE",), ("fr",), ("fr_FR",), ("fr-fr",), ("pt_BR",), ("pt-br",), ("nosuch",), ("nosuch", "de"), (), ("",), ("zh", "zh_CN"), ("DE",), ("zh-Hans-CN",))],
    "supported": lambda: sorted(locale.get_supported_locales()),
    "translate": lambda: [locale.get("de").translate(*args) for args in (("hello",), ("nosuch",), ("%(n)d day", "%(n)d days", 1), ("%(n)d day", "%(n)d days", 2), ("a", "b", 1), ("a", "b", 0))],
    "pgettext": lambda: [locale.get("de").pgettext("c", "hello"), locale.get("de").pgettext("c", "a", "b", 2)],
    "plural without count": lambda: locale.get("de").translate("a", "b"),
    "names": lambda: [locale.get(code).name for code in ("de", "fr_FR", "nosuch", "zh_CN", "pt_BR")],
    "rtl": lambda: [locale.get(code).rtl for code in ("de", "fa")],
    "list": lambda: [locale.get(code).list(parts) for code in ("en_US", "de", "fa") for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])],
    "friendly_number": lambda: [locale.get(code).friendly_number(number) for code in ("en_US", "de") for number in (0, 999, 1000, 1234567, -1234)],
    "closest": lambda: [locale.Locale.get_closest(*codes).code for codes in (("de_AT",), ("xx",), ("fr_CA", "de"), (None,), ("e",))],
    "default": lambda: (locale.set_default_locale("de"), locale.get("nosuch").code, sorted(locale.get_supported_locales())),
    "date in the future": lambda: locale.get("en_US").format_date(_NOW + dt.timedelta(days=3), gmt_offset=0, full_format=True)[:3].isalpha(),
    "format_day": lambda: [locale.get("en_US").format_day(dt.datetime(2020, 1, 2), dow=dow) for dow in (True, False)],
}  # fmt: skip
for _name, _action in _ACTIONS.items():
    add(f"settings/locale {_name}", lambda action=_action: _translations(action))
for _seconds in (0, 1, 30, 59, 60, 90, 3000, 3600, 7000, 40000):
    for _code in ("en_US", "de"):
        add(
            f"settings/locale format_date {_seconds} {_code}",
            lambda seconds=_seconds, code=_code: _translations(
                lambda: locale.get(code).format_date(dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds + 0.2))
            ),
        )
for _options in (
    {"full_format": True},
    {"relative": False},
    {"shorter": True},
    {"gmt_offset": 60, "full_format": True},
    {"gmt_offset": -300},
    {"relative": False, "full_format": True},
):
    for _date in (
        dt.datetime(2013, 4, 28, 18, 35),
        1_367_174_100,
        1_367_174_100.7,
        dt.datetime(2013, 4, 28, 18, 35, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    ):
        for _code in ("en_US", "de", "zh_CN", "fa"):
            add(
                f"settings/locale format_date {_options!r} {_date!r} {_code}",
                lambda options=_options, date=_date, code=_code: _translations(lambda: locale.get(code).format_date(date, **options)),
            )
for _name, _files, _encoding, _given in (
    ("bom", {"de": '"hello","hallo"'}, "utf-8-sig", None), ("utf-16", {"de": '"hello","hallo"'}, "utf-16", None), ("latin-1 bytes", {"de": '"hello","hall\u00f6"'}, "latin-1", None), ("latin-1 said", {"de": '"hello","hall\u00f6"'}, "latin-1", "latin-1"), ("bad name", {"de": "", "d e!": "", "x": ""}, "utf-8", None), ("bad indicator", {"de": '"a","b","nosuch"'}, "utf-8", None),
    ("one column", {"de": '"a"\n"hello","x"'}, "utf-8", None), ("spaces", {"de": '"hello" , " x "'}, "utf-8", None), ("empty", {"de": ""}, "utf-8", None), ("unknown indicator", {"de": '"a","b","unknown"'}, "utf-8", None), ("four", {"de": '"hello","b","plural","d"'}, "utf-8", None),
):  # fmt: skip
    add(
        f"settings/locale file {_name}",
        lambda files=_files, encoding=_encoding, given=_given: _translations(
            lambda: (sorted(locale.get_supported_locales()), locale.get("de").translate("hello")), files, encoding, given
        ),
    )


# Logging
def _record(message: Any, level: int = logging.INFO, arguments: Any = (), error: BaseException | None = None) -> logging.LogRecord:
    record = logging.LogRecord(
        "tornado.general", level, "/x/file.py", 12, message, arguments, (type(error), error, None) if error else None
    )
    record.created, record.msecs = 1_367_174_100.5, 500
    return record


for _keywords in (
    {"color": False},
    {"color": False, "fmt": "%(message)s"},
    {"color": False, "datefmt": "%Y"},
    {"color": False, "fmt": "%(color)s%(message)s%(end_color)s"},
    {"color": False, "style": "{", "fmt": "{message}"},
):
    for _message in ("text", "\u00e9", b"bytes", b"\xff", "a\nb", 3, None, "%s", {"a": 1}, "\x1b[31m"):
        for _level in (logging.DEBUG, logging.ERROR):
            add(
                f"settings/log {_keywords!r} {_message!r} {_level}",
                lambda keywords=_keywords, message=_message, level=_level: _formatted(keywords, _record(message, level)),
            )
    add(
        f"settings/log {_keywords!r} exception",
        lambda keywords=_keywords: _formatted(keywords, _record("m", logging.ERROR, (), ValueError("v\u00e9"))),
    )
    add(
        f"settings/log {_keywords!r} arguments",
        lambda keywords=_keywords: _formatted(keywords, _record("m %s %d", logging.INFO, ("a", "b"))),
    )


async def _formatted(keywords: dict[str, Any], record: logging.LogRecord) -> Any:
    try:
        return log.LogFormatter(**keywords).format(record).partition("{'name'")[0]
    except Exception as error:
        return raised(error)


async def _log_file() -> Any:
    with tempfile.TemporaryDirectory(prefix="compat_scenario") as directory:
        parser = options.OptionParser()
        log.define_logging_options(parser)
        path = os.path.join(directory, "log")
        record: list[Any] = [sorted(parser.as_dict().items())]
        logger = logging.Logger("of the scenario")
        step(record, parser.parse_command_line, ["p", f"--log_file_prefix={path}", "--logging=warning"], final=False)
        step(record, log.enable_pretty_logging, parser, logger)
        logger.info("not written")
        logger.warning("written %s", 1)
        for handler in logger.handlers:
            handler.close()
        record.append([line[:2] + line[-9:] for line in Path(path).read_text(encoding="utf-8").splitlines()])
        record.append([type(handler).__name__ for handler in logger.handlers])
        for arguments in (["--log_rotate_mode=nosuch"], ["--logging=none"], ["--log_rotate_mode=time"], ["--logging=nosuch"]):
            parser = options.OptionParser()
            log.define_logging_options(parser)
            logger = logging.Logger("another")
            step(record, parser.parse_command_line, ["p", f"--log_file_prefix={path}", *arguments], final=False)
            step(record, log.enable_pretty_logging, parser, logger)
            record.append([type(handler).__name__ for handler in logger.handlers])
            for handler in logger.handlers:
                handler.close()
        return record


add("settings/log file", _log_file)
calls(
    "settings.type inference",
    lambda value: (lambda p: (p.define("x", default=value), p.parse_command_line(["p", "--x=1"]), p.x))(options.OptionParser()),
    [(3,), ("s",), (1.5,), (True,), (None,), ([],), (b"b",), (dt.timedelta(1),)],
)

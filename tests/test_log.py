"""tornadolike.log: the formatter, and the set-up from options."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tornadolike import log
from tornadolike.log import LogFormatter, enable_pretty_logging
from tornadolike.options import OptionParser


def record(message: object = "hello", *args: object, level: int = logging.ERROR, exc_info: object = None) -> logging.LogRecord:
    return logging.LogRecord("name", level, "/dir/shop.py", 12, message, args, exc_info)


class Terminal:
    """Takes the place of the curses module."""

    def __init__(self, colors: int = 8, normal: bytes | None = b"<off>") -> None:
        self.colors, self.normal = colors, normal

    def setupterm(self) -> None:
        pass

    def tigetnum(self, name: str) -> int:
        return self.colors

    def tigetstr(self, name: str) -> bytes | None:
        return {"setaf": None, "setf": b"<%d>", "sgr0": self.normal}[name]

    def tparm(self, sequence: bytes, code: int) -> bytes:
        return sequence % code


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    return monkeypatch


class TestFormatter:
    def test_a_line_says_when_where_and_what(self) -> None:
        line = LogFormatter(color=False).format(record("%s é", "good"))
        assert re.fullmatch(r"\[E \d{6} \d\d:\d\d:\d\d shop:12\] good é", line)

    def test_format_and_dates_can_be_chosen(self) -> None:
        assert LogFormatter("%(asctime)s|%(message)s", datefmt="day", style="{").format(record()) == "day|hello"

    def test_further_lines_are_indented(self) -> None:
        assert LogFormatter("%(message)s").format(record("a\nb\n")) == "a\n    b\n    "

    def test_a_traceback_follows_the_message(self) -> None:
        try:
            raise ValueError(b"\xe9")
        except ValueError as e:
            failed = record(exc_info=(type(e), e, e.__traceback__))
        lines = LogFormatter("%(message)s").format(failed).split("\n")
        assert lines[:2] == ["hello", "    Traceback (most recent call last):"]
        assert lines[-1] == r"    ValueError: b'\xe9'"
        assert failed.exc_text.startswith("Traceback")

    def test_a_record_which_cannot_be_formatted_says_so(self) -> None:
        line = LogFormatter("%(message)s").format(record("%d", "text"))
        assert line.startswith("Bad message (TypeError(")
        assert "'lineno': 12" in line

    def test_colors_of_the_terminal(self, terminal: pytest.MonkeyPatch) -> None:
        terminal.setattr(log, "curses", Terminal())
        formatter = LogFormatter("%(color)sx%(end_color)s %(message)s", colors={logging.ERROR: 7})
        assert formatter.format(record()) == "<7>x<off> hello"
        assert formatter.format(record(level=logging.INFO)) == "x hello"
        assert LogFormatter("%(color)sx", color=False).format(record()) == "x"

    @pytest.mark.parametrize(("curses", "expected"), [(Terminal(colors=0), "x"), (Terminal(normal=None), "<1>x"), (object(), "x")])
    def test_poor_terminals(self, terminal: pytest.MonkeyPatch, curses: object, expected: str) -> None:
        terminal.setattr(log, "curses", curses)
        assert LogFormatter("%(color)sx%(end_color)s").format(record()) == expected

    def test_colorama_where_there_is_no_curses(self, terminal: pytest.MonkeyPatch) -> None:
        import sys
        from types import SimpleNamespace

        terminal.setattr(log, "curses", None)
        terminal.setattr(log, "colorama", SimpleNamespace(initialise=SimpleNamespace(wrapped_stderr=sys.stderr)))
        assert LogFormatter("%(color)sx%(end_color)s").format(record()) == "\033[2;31mx\033[0m"
        terminal.setattr(log, "colorama", None)
        assert LogFormatter("%(color)sx%(end_color)s").format(record()) == "x"


class TestSetup:
    @pytest.fixture
    def options(self) -> OptionParser:
        parser = OptionParser()
        log.define_logging_options(parser)
        return parser

    @pytest.fixture
    def logger(self) -> Iterator[logging.Logger]:
        logger = logging.Logger("a logger of its own")  # noqa: LOG001 - must not outlive the test
        yield logger
        for handler in logger.handlers:
            handler.close()

    @pytest.mark.parametrize("mode", ["size", "time"])
    def test_a_file_that_rotates(self, options: OptionParser, logger: logging.Logger, tmp_path: Path, mode: str) -> None:
        options.log_file_prefix = str(tmp_path / "log")
        options.log_rotate_mode = mode
        enable_pretty_logging(options, logger)
        logger.warning("é")
        assert re.fullmatch(r"\[W .*\] é\n", (tmp_path / "log").read_text("utf-8"))
        assert [type(h).__name__ for h in logger.handlers] == [{"size": "RotatingFileHandler", "time": "TimedRotatingFileHandler"}[mode]]

    @pytest.mark.parametrize("to_stderr", [None, True])
    def test_one_line_for_a_record_however_often_options_are_parsed(
        self,
        options: OptionParser,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        to_stderr: bool | None,
    ) -> None:
        """tornado#499: a command line, then a configuration file."""
        root = logging.Logger("root")  # noqa: LOG001 - the real one belongs to the test runner
        monkeypatch.setattr(logging, "getLogger", lambda: root)
        config, path, other = tmp_path / "config.py", tmp_path / "log", OptionParser()
        log.define_logging_options(other)
        config.write_text(f"logging = 'debug'\nlog_to_stderr = {to_stderr}")
        options.parse_command_line(["program", f"--log_file_prefix={path}"])
        options.parse_config_file(str(config))
        options.parse_config_file(str(config))
        mine = logging.NullHandler()
        root.addHandler(mine)
        options.parse_config_file(str(config))
        root.warning("once")
        assert path.read_text("utf-8").count("once") == 1
        assert capsys.readouterr().err.count("once") == bool(to_stderr)
        assert mine in root.handlers
        other.parse_command_line(["program", f"--log_file_prefix={tmp_path / 'second'}"])
        root.warning("twice")
        assert [text.read_text("utf-8").count("twice") for text in (path, tmp_path / "second")] == [1, 1]
        for handler in root.handlers:
            handler.close()

    def test_an_unknown_mode(self, options: OptionParser, logger: logging.Logger) -> None:
        options.log_file_prefix = "never-written"
        options.log_rotate_mode = "moon"
        with pytest.raises(ValueError, match="log_rotate_mode"):
            enable_pretty_logging(options, logger)

    @pytest.mark.parametrize(("to_stderr", "before", "after"), [(None, 0, 1), (None, 1, 1), (True, 1, 2), (False, 0, 0)])
    def test_stderr(self, options: OptionParser, logger: logging.Logger, to_stderr: bool | None, before: int, after: int) -> None:
        logger.handlers = [logging.NullHandler()] * before
        options.log_to_stderr = to_stderr
        options.logging = "Warning"
        enable_pretty_logging(options, logger)
        assert len(logger.handlers) == after
        assert logger.level == logging.WARNING

    @pytest.mark.parametrize("value", [None, "none", "None"])
    def test_none_touches_nothing(self, options: OptionParser, logger: logging.Logger, value: str | None) -> None:
        options.logging = value
        enable_pretty_logging(options, logger)
        assert (logger.handlers, logger.level) == ([], logging.NOTSET)

    def test_parsing_sets_up_the_root_logger(self, options: OptionParser, monkeypatch: pytest.MonkeyPatch) -> None:
        root = logging.Logger("root")  # noqa: LOG001 - the real one belongs to the test runner
        monkeypatch.setattr(logging, "getLogger", lambda: root)
        options.parse_command_line(["program", "--logging=debug"])
        assert root.level == logging.DEBUG
        assert len(root.handlers) == 1

    def test_the_global_options_are_the_default(self, monkeypatch: pytest.MonkeyPatch, logger: logging.Logger) -> None:
        from tornadolike import options as module

        enable_pretty_logging(logger=logger)
        assert logger.level == logging.INFO
        monkeypatch.setattr(module, "options", OptionParser())
        log.define_logging_options()
        assert "log_rotate_when" in module.options


def test_logger_names() -> None:
    assert [logger.name for logger in (log.access_log, log.app_log, log.gen_log)] == [
        "tornado.access",
        "tornado.application",
        "tornado.general",
    ]

"""tornadolike.options: definition, command lines, config files, help."""

import datetime as dt
import inspect
import io
import textwrap
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tornadolike import options as module
from tornadolike.options import Error, OptionParser


@pytest.fixture
def options() -> OptionParser:
    return OptionParser()


def parse(options: OptionParser, *args: str) -> list[str]:
    return options.parse_command_line(["program", *args])


class TestCommandLine:
    def test_options_come_first_arguments_after(self, options: OptionParser) -> None:
        options.define("port", default=80)
        assert parse(options, "--port=443", "file", "--port=1") == ["file", "--port=1"]
        assert parse(options, "-port=8", "--", "--port=1") == ["--port=1"]
        assert options.port == 8
        assert parse(options) == []

    def test_sys_argv_is_the_default(self, options: OptionParser, monkeypatch: pytest.MonkeyPatch) -> None:
        options.define("port", default=80)
        monkeypatch.setattr("sys.argv", ["program", "--port=1", "rest"])
        assert options.parse_command_line() == ["rest"]
        assert options.port == 1

    def test_only_booleans_need_no_value(self, options: OptionParser) -> None:
        options.define("debug", default=False)
        options.define("name", type=str)
        parse(options, "--debug", "--name=")
        assert options.debug is True
        assert options.name == ""
        with pytest.raises(Error, match="Option 'name' requires a value"):
            parse(options, "--name")

    def test_an_unknown_option_prints_the_help(self, options: OptionParser, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(Error, match="Unrecognized command line option: 'no-such'"):
            parse(options, "--no_such=1")
        assert "--help" in capsys.readouterr().err

    def test_help_exits(self, options: OptionParser, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            parse(options, "--help")
        assert stop.value.code == 0
        assert "Usage: " in capsys.readouterr().err
        parse(options, "--help=false")

    @pytest.mark.parametrize(
        ("type", "text", "value"),
        [
            (str, "é=1", "é=1"),
            (int, "-3", -3),
            (float, "1e3", 1000.0),
            (bool, "F", False),
            (bool, "0", False),
            (bool, "no", True),
            (dt.datetime, "2013-04-28 05:16", dt.datetime(2013, 4, 28, 5, 16)),
            (dt.datetime, "2013-04-28T05:16", dt.datetime(2013, 4, 28, 5, 16)),
            (dt.datetime, "Sun Apr 28 05:16:07 2013", dt.datetime(2013, 4, 28, 5, 16, 7)),
            (dt.datetime, "20130428", dt.datetime(2013, 4, 28)),
            (dt.datetime, "05:16", dt.datetime(1900, 1, 1, 5, 16)),
            (dt.timedelta, "1h 30m", dt.timedelta(minutes=90)),
            (dt.timedelta, "-.5 days", dt.timedelta(hours=-12)),
            (dt.timedelta, "90", dt.timedelta(seconds=90)),
            (dt.timedelta, "1w 2us", dt.timedelta(weeks=1, microseconds=2)),
            (frozenset, "ab", frozenset("ab")),
        ],
    )
    def test_types(self, options: OptionParser, type: Any, text: str, value: Any) -> None:
        options.define("x", type=type)
        parse(options, f"--x={text}")
        assert options.x == value

    @pytest.mark.parametrize(
        ("type", "text"), [(dt.datetime, "tomorrow"), (dt.timedelta, "soon"), (dt.timedelta, "1h!"), (dt.timedelta, "3moons")]
    )
    def test_unknown_times(self, options: OptionParser, type: Any, text: str) -> None:
        options.define("x", type=type)
        with pytest.raises(Error, match=f"{text}"):
            parse(options, f"--x={text}")

    @pytest.mark.parametrize(
        ("type", "text", "value"),
        [(int, "1,5:7,3", [1, 5, 6, 7, 3]), (int, "4:2", []), (str, "a,b:c", ["a", "b:c"]), (float, "1,2", [1.0, 2.0])],
    )
    def test_several_values(self, options: OptionParser, type: Any, text: str, value: Any) -> None:
        options.define("x", type=type, multiple=True)
        assert options.x == []
        parse(options, f"--x={text}")
        assert options.x == value


class TestAccess:
    def test_dashes_and_underscores_are_the_same(self, options: OptionParser) -> None:
        options.define("a-b", default=1)
        options.define("c_d", default=2)
        options.a_b, options["c-d"] = 3, 4
        assert (options["a_b"], options.c_d) == (3, 4)
        assert "a_b" in options
        assert "c-d" in options
        assert "e" not in options
        assert dict(options.items()) == options.as_dict() == {"help": None, "a-b": 3, "c_d": 4}
        assert list(options) == ["help", "a-b", "c_d"]

    def test_unknown_names(self, options: OptionParser) -> None:
        with pytest.raises(AttributeError, match="Unrecognized option 'x'"):
            _ = options.x
        with pytest.raises(AttributeError, match="Unrecognized option 'x'"):
            options.x = 1

    def test_values_must_fit_the_type(self, options: OptionParser) -> None:
        options.define("one", default=1)
        options.define("many", type=str, multiple=True)
        options.one, options.many = None, ["a", None]
        with pytest.raises(Error, match=r"'one' is required to be a int \(<class 'str'> given\)"):
            options.one = "1"
        for bad in ("a", [1]):
            with pytest.raises(Error, match="'many' is required to be a list of str"):
                options.many = bad

    def test_a_name_can_be_defined_once(self, options: OptionParser) -> None:
        options.define("a_b")
        with pytest.raises(Error, match=r"Option 'a-b' already defined in .*test_options\.py"):
            options.define("a-b")

    def test_groups(self, options: OptionParser) -> None:
        options.define("a", default=1, group="first")
        options.define("b", default=2)
        assert options.groups() == {"", "first", __file__}
        assert options.group_dict("first") == {"a": 1}
        assert options.group_dict(__file__) == {"b": 2}
        assert options.group_dict("") == options.as_dict()

    def test_callbacks_see_each_new_value(self, options: OptionParser) -> None:
        seen: list[Any] = []
        options.define("a", default=1, callback=seen.append)
        options.define("b", type=int, multiple=True, callback=seen.append)
        parse(options, "--a=2", "--b=1:2")
        options.a = 3
        assert seen == [2, [1, 2], 3]

    def test_a_callback_may_set_its_own_option(self, options: OptionParser) -> None:
        """tornado#2599: it was called for that, too, without end."""
        seen: list[int] = []

        def clamp(value: int) -> None:
            seen.append(value)
            options.a = min(value, 10)

        options.define("a", default=1, callback=clamp)
        parse(options, "--a=50")
        assert (options.a, seen) == (10, [50])
        options.a = 3
        assert (options.a, seen) == (3, [50, 3])

    def test_a_callback_that_raises_is_called_again(self, options: OptionParser) -> None:
        def refuse(value: int) -> None:
            raise LookupError(value)

        options.define("a", default=1, callback=refuse)
        for value in (1, 2):
            with pytest.raises(LookupError):
                options.a = value

    def test_parse_callbacks_run_at_the_end(self, options: OptionParser) -> None:
        runs: list[int] = []
        options.add_parse_callback(lambda: runs.append(1))
        options.parse_command_line(["program"], final=False)
        assert runs == []
        parse(options)
        assert runs == [1]

    def test_mockable(self, options: OptionParser) -> None:
        options.define("x", default=1)
        with mock.patch.object(options.mockable(), "x", 2):
            assert options.x == 2
        assert options.x == 1
        mockable = options.mockable()
        mockable.x = 5
        with pytest.raises(AssertionError, match="reuse"):
            mockable.x = 6


class TestConfigFile:
    def test_variables_are_options(self, options: OptionParser, tmp_path: Path) -> None:
        options.define("port", default=1)
        options.define("host", type=str)
        options.define("hosts", type=str, multiple=True)
        options.define("ids", type=int, multiple=True)
        options.define("span", type=dt.timedelta)
        options.define("where", type=str)
        path = tmp_path / "site.conf"
        path.write_text("port = '7' + '8'\nhost = 'é'\nhosts = 'a,b'\nids = [1, 2]\nspan = '2h'\nwhere = __file__\nunknown = 1\n", "utf-8")
        options.parse_config_file(str(path))
        assert (options.port, options.host, options.hosts, options.ids) == (78, "é", ["a", "b"], [1, 2])
        assert (options.span, options.where) == (dt.timedelta(hours=2), str(path))

    @pytest.mark.parametrize(
        ("text", "message"),
        [("many = 1", "list of int or a comma-separated string"), ("one = 1.5", "to be a int"), ("many = ['a']", "list of int")],
    )
    def test_values_must_fit(self, options: OptionParser, tmp_path: Path, text: str, message: str) -> None:
        options.define("one", type=int)
        options.define("many", type=int, multiple=True)
        path = tmp_path / "site.conf"
        path.write_text(text)
        with pytest.raises(Error, match=message):
            options.parse_config_file(str(path))

    def test_a_file_named_on_the_command_line(self, options: OptionParser, tmp_path: Path) -> None:
        runs: list[int] = []
        options.add_parse_callback(lambda: runs.append(1))
        options.define("port", default=1)
        options.define("host", default="")
        options.define("config", type=str, callback=lambda path: options.parse_config_file(path, final=False))
        path = tmp_path / "site.conf"
        path.write_text("port = 2\nhost = 'file'")
        parse(options, "--port=3", f"--config={path}", "--host=line")
        assert (options.port, options.host, runs) == (2, "line", [1])


def test_help_text(options: OptionParser) -> None:
    options.define("some_port", default=80, metavar="N", group="z", help="a long text that needs more than one line of the help")
    options.define("an-option-whose-name-is-rather-long", group="z", default="")
    out = io.StringIO()
    with mock.patch("sys.argv", ["server.py"]):
        options.print_help(out)
    assert out.getvalue() == textwrap.dedent("""\
        Usage: server.py [OPTIONS]

        Options:

          --help                           show this help and exit

        z options:

          --an-option-whose-name-is-rather-long \n\
          --some-port=N                    a long text that needs more than one line of
                                           the help (default 80)

        """)


def test_the_module_functions_work_on_the_global_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "options", OptionParser())
    runs: list[int] = []
    module.define("a", 1, int, "help", "M", False, "g", runs.append)
    module.define("b")
    module.add_parse_callback(lambda: runs.append(0))
    assert module.parse_command_line(["program", "--a=5", "x"]) == ["x"]
    path = tmp_path / "c"
    path.write_text("a = 6")
    module.parse_config_file(str(path), final=False)
    assert runs == [5, 0, 6]
    assert module.options.groups() == {"", "g", __file__}
    out = io.StringIO()
    module.print_help(out)
    assert "--a=M" in out.getvalue()
    assert "log-file-prefix" not in out.getvalue()


def test_the_module_functions_look_like_the_methods() -> None:
    for name in ("define", "parse_command_line", "parse_config_file", "print_help", "add_parse_callback"):
        function = getattr(module, name)
        method = inspect.signature(getattr(OptionParser, name))
        assert [*inspect.signature(function).parameters.values()] == [*method.parameters.values()][1:]
        assert (function.__name__, function.__qualname__, function.__module__) == (name, name, module.__name__)
        assert f"OptionParser.{name}" in function.__doc__


def test_logging_options_are_defined_globally() -> None:
    assert {"logging", "log_to_stderr", "log_file_prefix", "log_rotate_mode"} <= set(module.options)

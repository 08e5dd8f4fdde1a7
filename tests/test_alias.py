"""`import tornado` served by tornadolike: each case in a Python process of its own, since the alias is for a whole process."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
PTH = ROOT / "tornadolike" / "tornadolike_alias.pth"
_INSTALL = "import tornadolike; tornadolike.install_as_tornado()\n"


def run_python(*arguments: str, stdin: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def aliased(code: str, **variables: str) -> str:
    """What ``code`` prints in a process whose first statement installs the alias."""
    done = run_python("-W", "error", "-c", _INSTALL + textwrap.dedent(code), **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """A directory that a child treats as site-packages: with the .pth file, as the wheel installs it."""
    (tmp_path / PTH.name).write_text(PTH.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "sitecustomize.py").write_text(f"import site; site.addsitedir({str(tmp_path)!r})\n", encoding="utf-8")
    return tmp_path


def with_pth(site_packages: Path, *arguments: str, stdin: str | None = None, switch: str = "1") -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site_packages), str(ROOT)])
    return run_python(*arguments, stdin=stdin, PYTHONPATH=path, TORNADOLIKE_AS_TORNADO=switch)


@pytest.mark.parametrize("name", ["escape", "util", "httputil", "ioloop", "platform", "platform.asyncio"])
def test_both_names_give_one_module(name: str) -> None:
    code = f"""
        import importlib
        ours = importlib.import_module("tornadolike.{name}")
        import tornado.{name}
        print(importlib.import_module("tornado.{name}") is ours)
    """
    assert aliased(code) == "True"
    assert aliased(f"import tornado.{name} as a, tornadolike.{name} as b; print(a is b)") == "True"


def test_forms_of_import() -> None:
    code = """
        import tornado, tornadolike
        from tornado import escape
        from tornado.escape import utf8
        import tornado.platform.asyncio
        print(tornado is tornadolike, escape is tornadolike.escape, utf8 is tornadolike.escape.utf8,
              tornado.platform.asyncio is tornadolike.platform.asyncio, tornado.util.unicode_type)
    """
    assert aliased(code) == "True True True True <class 'str'>"


def test_module_that_does_not_exist() -> None:
    code = """
        import importlib.util
        print(importlib.util.find_spec("tornado.nowhere"))
        try:
            import tornado.nowhere
        except ModuleNotFoundError as error:
            print(error.name)
    """
    assert aliased(code).splitlines() == ["None", "tornado.nowhere"]


def test_private_rooms_are_not_loaded_twice() -> None:
    code = """
        import pkgutil, importlib, tornado
        names = [m.name for m in pkgutil.iter_modules(tornado.__path__, "tornado.")]
        print("tornado._http" in names, importlib.import_module("tornado._http") is importlib.import_module("tornadolike._http"))
    """
    assert aliased(code) == "True True"


def test_reload_gives_the_same_module_with_its_spec() -> None:
    code = """
        import importlib, sys, tornado.escape, tornadolike.escape
        before = tornado.escape.utf8
        again = importlib.reload(tornado.escape)
        print(again is tornadolike.escape, again is sys.modules["tornado.escape"], again.utf8 is not before, again.__spec__.name)
        print(importlib.reload(tornadolike) is tornado, tornado.__name__, tornado.__spec__.name, importlib.reload(tornado.escape).__name__)
    """
    assert aliased(code).splitlines() == ["True True True tornado.escape", "True tornado tornado tornado.escape"]


def test_popped_module_comes_back_as_it_was() -> None:
    code = """
        import sys, tornado.escape
        mine = sys.modules.pop("tornado.escape")
        mine.marked = 1
        import tornado.escape
        print(tornado.escape is mine, sys.modules["tornado.escape"] is mine, tornado.escape.marked)
    """
    assert aliased(code) == "True True 1"


def test_mock_patch_by_name_reaches_our_module() -> None:
    code = """
        from unittest import mock
        import tornadolike.escape
        with mock.patch("tornado.escape.json_encode", return_value="patched"):
            print(tornadolike.escape.json_encode({}))
        print(tornadolike.escape.json_encode({}))
    """
    assert aliased(code).splitlines() == ["patched", "{}"]


def test_pickles_made_by_tornado_load() -> None:
    code = """
        import pickle
        from tornadolike.httputil import HTTPHeaders
        by_name = pickle.loads(b"ctornado.httputil\\nHTTPHeaders\\n.")
        headers = HTTPHeaders(); headers.add("a", "1"); headers.add("a", "2")
        copy = pickle.loads(pickle.dumps(headers))
        print(by_name is HTTPHeaders, copy.get_list("A"))
    """
    assert aliased(code) == "True ['1', '2']"


def test_import_hooks_keyed_on_either_name_see_the_module() -> None:
    code = """
        import importlib.util, sys
        seen, busy = [], set()
        class Notify:
            def find_spec(self, name, path=None, target=None):
                if not name.endswith(".escape") or name in busy:
                    return None
                busy.add(name)
                try:
                    spec = importlib.util.find_spec(name)
                finally:
                    busy.discard(name)
                execute = spec.loader.exec_module
                def exec_module(module):
                    execute(module)
                    seen.append((name, callable(module.utf8)))
                spec.loader.exec_module = exec_module
                return spec
        sys.meta_path.insert(0, Notify())
        import {first}.escape
        print(sorted(seen), sys.modules["tornado.escape"] is sys.modules["tornadolike.escape"])
    """
    for first in ("tornado", "tornadolike"):
        found = aliased(code.replace("{first}", first))
        assert "('tornado.escape', True)" in found
        assert found.endswith("True")


def test_threads_importing_both_names_at_once() -> None:
    code = """
        import importlib, threading
        start, failed = threading.Barrier(8), []
        def load(name):
            start.wait()
            try:
                importlib.import_module(name)
            except BaseException as error:
                failed.append(repr(error))
        names = ["tornado.httputil", "tornadolike.httputil", "tornado.util", "tornadolike.gen"] * 2
        threads = [threading.Thread(target=load, args=[name]) for name in names]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        import tornado.httputil, tornadolike.httputil
        print(failed, tornado.httputil is tornadolike.httputil)
    """
    for _ in range(3):
        assert aliased(code) == "[] True"


def test_source_and_resources_are_found_through_either_name() -> None:
    code = """
        import importlib.resources, importlib.util, inspect, pkgutil, tornado.escape
        spec = importlib.util.find_spec("tornado.util")
        print("def utf8" in inspect.getsource(tornado.escape), spec.origin.endswith("util.py"))
        print("class Configurable" in spec.loader.get_source("tornado.util"), spec.loader.get_code("tornado.util").co_name,
              spec.loader.get_filename("tornado.util") == spec.origin, spec.loader.is_package("tornado.util"))
        print(importlib.resources.files("tornado").joinpath("py.typed").is_file(), len(pkgutil.get_data("tornado", "testing.crt")) > 100)
    """
    assert aliased(code).splitlines() == ["True True", "True <module> True False", "True True"]


def test_module_of_tornado_runs_as_a_script() -> None:
    code = "import runpy; print(runpy.run_module('tornado.util', run_name='other')['Configurable'].__module__)"
    assert aliased(code) == "other"


def test_refuses_when_a_real_tornado_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "tornado").mkdir()
    (tmp_path / "tornado" / "__init__.py").write_text("", encoding="utf-8")
    done = run_python("-c", "import tornado\n" + _INSTALL, PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert done.returncode == 1
    assert "RuntimeError: cannot serve `import tornado`" in done.stderr
    assert "already imported" in done.stderr


def test_installing_twice_and_after_own_modules() -> None:
    code = """
        import sys
        import tornadolike.escape
        tornadolike.install_as_tornado()
        print(sum(type(finder).__name__ == "AliasFinder" for finder in sys.meta_path))
    """
    assert aliased(code) == "1"
    late = run_python("-c", "import sys, tornadolike.escape as ours\n" + _INSTALL + "print(sys.modules['tornado.escape'] is ours)")
    assert late.stdout.strip() == "True"


def test_tests_of_the_real_distribution_without_the_rest_of_it(tmp_path: Path) -> None:
    real = tmp_path / "tornado"
    (real / "test").mkdir(parents=True)
    (real / "__init__.py").write_text("raise AssertionError('executed')", encoding="utf-8")
    (real / "test" / "__init__.py").write_text("", encoding="utf-8")
    (real / "test" / "probe.py").write_text("import tornado\nserved_by = tornado.__name__\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    assert aliased("import tornado.test.probe as probe; print(probe.served_by)", PYTHONPATH=path) == "tornado"


def test_distribution_metadata_answers_when_the_real_one_is_absent() -> None:
    code = """
        import importlib.metadata, sys
        real = [path for path in sys.path if "site-packages" in path]
        sys.path[:] = [path for path in sys.path if path not in real]
        print(importlib.metadata.version("tornado"), importlib.metadata.metadata("tornado")["Name"])
        print([d.metadata["Name"] for d in importlib.metadata.distributions()].count("tornado"))
        print(list(importlib.metadata.distributions(path=["/nowhere"])))
        print(importlib.metadata.requires("tornado"), importlib.metadata.files("tornado"))
    """
    assert aliased(code).splitlines() == [f"{tornadolike.version} tornado", "1", "[]", "None None"]


def test_distribution_metadata_of_the_real_one_stays(tmp_path: Path) -> None:
    info = tmp_path / "tornado-6.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tornado\nVersion: 6.5\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    assert aliased("import importlib.metadata; print(importlib.metadata.version('tornado'))", PYTHONPATH=path) == "6.5"


_NAMES = """
    import inspect, sys, tornado.auth, tornado.httputil, tornado.escape, tornado.web, tornado.ioloop
    from tornado.httputil import HTTPHeaders
    module = sys.modules["tornado.httputil"]
    print(tornado.__name__, tornado.__spec__.name, tornado.__package__, tornado.__loader__.name)
    print(module.__name__, module.__spec__.name, module.__package__, module.__loader__.name, module.__spec__.loader is module.__loader__)
    print(HTTPHeaders.__module__, HTTPHeaders.add.__module__, tornado.httputil.HTTPServerRequest.full_url.__module__)
    print(tornado.escape.utf8.__module__, tornado.web.RequestHandler.xsrf_token.fget.__module__)
    print(tornado.ioloop.IOLoop.current.__module__, tornado.httputil.RequestStartLine.__module__, tornado.auth.GoogleOAuth2Mixin.__module__)
    print("class HTTPHeaders" in inspect.getsource(HTTPHeaders), inspect.getmodule(HTTPHeaders) is module)
    def ours(value, name):
        own = getattr(value, "__module__", None) == name.replace("tornado", "tornadolike", 1)
        return own and not hasattr(value, "_beyond_tornado")
    public = [(name, one) for name, one in list(sys.modules.items()) if name.startswith("tornado.") and "._" not in name]
    wrong = [f"{name}.{key}" for name, one in public for key, value in vars(one).items() if ours(value, name)]
    print(wrong)
"""


@pytest.mark.parametrize("first", ["", "import tornadolike.auth, tornadolike.web\n", "import tornadolike.escape, tornadolike.log\n"])
def test_everything_says_tornado(first: str) -> None:
    """Whichever of our modules were imported before the alias."""
    done = run_python("-W", "error", "-c", first + _INSTALL + textwrap.dedent(_NAMES))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "tornado tornado tornado tornado",
        "tornado.httputil tornado.httputil tornado tornado.httputil True",
        "tornado.httputil tornado.httputil tornado.httputil",
        "tornado.escape tornado.web",
        "tornado.ioloop tornado.httputil tornado.auth",
        "True True",
        "[]",
    ]


def test_without_the_alias_everything_is_our_own() -> None:
    code = """
import tornadolike.web, tornadolike.httputil, sys
print(tornadolike.__name__, tornadolike.web.__name__, tornadolike.web.__spec__.name, tornadolike.httputil.HTTPHeaders.__module__)
print([name for name in sys.modules if name.partition(".")[0] == "tornado"])
"""
    assert run_python("-c", code).stdout.splitlines() == ["tornadolike tornadolike.web tornadolike.web tornadolike.httputil", "[]"]


def test_late_imports_of_the_package_give_the_same_objects() -> None:
    """Functions inside it import by its own name; so do programs that use both."""
    code = """
        import importlib, pkgutil, sys, tornado.web, tornadolike
        twice = []
        for found in pkgutil.walk_packages(tornado.__path__, "tornadolike."):
            if "._bench" in found.name or "_cli" in found.name or found.name.endswith("__main__"):
                continue
            try:
                ours, other = (importlib.import_module(name) for name in (found.name, found.name.replace("tornadolike", "tornado", 1)))
            except ImportError as error:
                assert error.name.partition(".")[0] not in ("tornado", "tornadolike"), error
                continue
            if ours is not other or ours is not sys.modules[found.name]:
                twice.append(found.name)
        print(twice, len([one for one in sys.modules.values() if getattr(one, "__file__", "") == tornado.web.__file__]))
    """
    assert aliased(code) == "[] 2"


def test_which_modules_an_import_brings() -> None:
    """Import hooks and programs rely on what comes with a module: all that Tornado's brings (its C extension has no counterpart)."""
    pytest.importorskip("tornado")
    program = "import json, sys\nimport {0}\nprint(json.dumps([one for one in sys.modules if one.partition('.')[0] == 'tornado']))"
    optional = {"tornado.speedups", "tornado._locale_data"}
    for name in [
        "web",
        "websocket",
        "auth",
        "httpclient",
        "simple_httpclient",
        "testing",
        "log",
        "tcpclient",
        "locale",
        "template",
        "queues",
    ]:
        theirs = run_python("-c", program.format(f"tornado.{name}"))
        ours = run_python("-c", _INSTALL + program.format(f"tornado.{name}"))
        assert set(json.loads(theirs.stdout)) - set(json.loads(ours.stdout)) <= optional, name


_HOOKED = """
    import importlib, importlib.abc, importlib.util, sys
    heard = []

    class Loader(importlib.abc.Loader):
        def __init__(self, loader):
            self.loader = loader
        def create_module(self, spec):
            return self.loader.create_module(spec)
        def exec_module(self, module):
            self.loader.exec_module(module)
            heard.append((module.__name__, len(vars(module)) > 20))
        def __getattr__(self, name):
            return getattr(self.loader, name)

    class Finder(importlib.abc.MetaPathFinder):
        asked = set()
        def find_spec(self, name, path=None, target=None):
            if not name.startswith("tornado.") or "._" in name or name in self.asked:
                return None
            self.asked.add(name)
            try:
                spec = importlib.util.find_spec(name)
                spec.loader = Loader(spec.loader)
                return spec
            finally:
                self.asked.discard(name)

    sys.meta_path.insert(0, Finder())
    import {first}
    print([name for name in ("tornado.httputil", "tornado.httpserver", "tornado.web") if (name, True) in heard])
    print([name for name, _ in heard if not name.startswith("tornado.") or [one for one, _ in heard].count(name) > 1])
    print(importlib.reload(sys.modules["tornado.web"]) is sys.modules["tornadolike.web"])
"""


@pytest.mark.parametrize("first", ["tornado.web", "tornadolike.web"])
def test_agents_that_go_by_the_modules_name_hear_of_it(first: str) -> None:
    """A finder as monitoring agents have it: it wraps the loader, and calls its hooks by ``module.__name__``, once for each module."""
    assert aliased(_HOOKED.replace("{first}", first)).splitlines() == [
        "['tornado.httputil', 'tornado.httpserver', 'tornado.web']",
        "[]",
        "True",
    ]


def test_agents_hear_of_modules_that_were_there_before_the_alias() -> None:
    late = "import tornadolike.web\n" + textwrap.dedent(_HOOKED).replace("import {first}", _INSTALL + "import tornado.web")
    done = run_python("-c", late)
    assert done.stdout.splitlines() == ["['tornado.httputil', 'tornado.httpserver', 'tornado.web']", "[]", "True"], done.stderr


_VALUES = """
    import datetime, io, pickle, sys
    from tornado import gen, httpclient, httputil, ioloop, iostream, locks, options, queues, template, util, web, websocket
    headers = httputil.HTTPHeaders({"X-One": "1"})
    headers.add("Set-Cookie", "a=b"); headers.add("Set-Cookie", "c=d")
    request = httpclient.HTTPRequest("http://a/", headers=headers, body=b"b", method="POST", connect_timeout=3.5)
    values = {
        "headers": headers,
        "file": httputil.HTTPFile(filename="f", body=b"x", content_type="text/plain"),
        "dict": util.ObjectDict(a=1),
        "lines": [httputil.RequestStartLine("GET", "/", "HTTP/1.1"), httputil.ResponseStartLine("HTTP/1.1", 200, "OK")],
        "request": request,
        "response": httpclient.HTTPResponse(request, 200, headers, io.BytesIO(b"body"), request_time=1.5, time_info={"queue": 1}),
        "errors": [
            web.HTTPError(404, "no %s", "x"), web.HTTPError(418, reason="Tea"), web.Finish("x"),
            httpclient.HTTPClientError(599, "Timeout"), iostream.StreamClosedError(), gen.Return(3), util.TimeoutError("t"),
            options.Error("o"), template.ParseError("p", "f.html", 3), queues.QueueEmpty(), websocket.WebSocketClosedError(),
            iostream.UnsatisfiableReadError(), httputil.HTTPInputError("i"), httputil.HTTPOutputError("o"), gen.BadYieldError("y"),
        ],
        "classes": [
            web.RequestHandler, web.Application, web.ErrorHandler, web.authenticated, ioloop.IOLoop, gen.coroutine,
            httputil.HTTPServerRequest, websocket.WebSocketHandler, httputil.url_concat,
            locks.Event, queues.Queue, template.Loader, web.RequestHandler.get,
        ],
    }

    def seen(value):
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, *map(seen, value)]
        if isinstance(value, dict):
            return {key: seen(one) for key, one in value.items()}
        if isinstance(value, httputil.HTTPHeaders):
            return sorted(value.get_all())
        if isinstance(value, httpclient.HTTPResponse):
            return [value.code, seen(value.headers), value.body, value.request.url, value.request_time, value.time_info, value.reason]
        if isinstance(value, httpclient.HTTPRequest):
            return [value.url, seen(value.headers), value.body, value.method, value.connect_timeout]
        if isinstance(value, BaseException):
            kind = type(value)
            state = {name: repr(one) for name, one in vars(value).items() if not name.startswith("_") and not name == "documentation"}
            return [kind.__module__, kind.__name__, str(value), repr(value), repr(value.args), state]
        return [getattr(value, "__module__", ""), getattr(value, "__qualname__", repr(value))]
"""
_WRITE = """
for name, value in values.items():
    print(name, pickle.dumps(value, protocol=2).hex())
"""
_READ = """
for line in sys.stdin.read().splitlines():
    name, pickled = line.split()
    print(name, seen(pickle.loads(bytes.fromhex(pickled))))
"""


def test_pickles_go_both_ways_between_tornado_and_this() -> None:
    pytest.importorskip("tornado")
    values = textwrap.dedent(_VALUES)
    programs = {"tornado": values, "ours": _INSTALL + values}
    written = {side: run_python("-c", program + _WRITE) for side, program in programs.items()}
    assert not any("tornadolike" in bytes.fromhex(line.split()[1]).decode("latin-1") for line in written["ours"].stdout.splitlines())
    read = {
        (writer, reader): run_python("-c", programs[reader] + _READ, stdin=written[writer].stdout)
        for writer in programs
        for reader in programs
    }
    expected = read["tornado", "tornado"].stdout.splitlines()
    assert len(expected) == 8, read["tornado", "tornado"].stderr
    for pair, answer in read.items():
        assert answer.stdout.splitlines() == expected, (pair, answer.stderr)


def test_autoreload_runs_programs(site_packages: Path) -> None:
    """``python -m tornado.autoreload`` is found as a script, and the program that it runs sees Tornado's module."""
    program = site_packages / "program.py"
    program.write_text("import sys, tornado.autoreload as one\nprint(one.__name__, one.__spec__.name, sys.argv[1:])\n", encoding="utf-8")
    done = with_pth(site_packages, "-m", "tornado.autoreload", "--until-success", str(program), "a")
    assert (done.stdout.strip(), done.stderr) == ("tornado.autoreload tornado.autoreload ['a']", "")


def test_patches_by_both_names_are_one() -> None:
    code = """
        from unittest import mock
        import tornado.web, tornadolike.web, tornado.template
        with mock.patch("tornadolike.web.RequestHandler.get_login_url", return_value="/a"), mock.patch("tornado.web.app_log") as log:
            print(tornado.web.RequestHandler.get_login_url(None), tornadolike.web.app_log is log)
        with mock.patch.object(tornado.web, "RequestHandler", autospec=True) as one:
            print(tornadolike.web.RequestHandler is one)
    """
    assert aliased(code).splitlines() == ["/a True", "True"]


def test_both_names_popped_give_a_fresh_module() -> None:
    code = """
        import sys, tornado.locks
        old = sys.modules.pop("tornado.locks")
        assert sys.modules.pop("tornadolike.locks") is old
        import tornado.locks as new, tornadolike.locks
        print(new is not old, new is tornadolike.locks is sys.modules["tornado.locks"], new.Lock is not old.Lock, new.Lock.__module__)
    """
    assert aliased(code) == "True True True tornado.locks"


def test_warnings_are_tornados() -> None:
    code = """
        import warnings
        warnings.filterwarnings("error", module=r"tornado[.].*")
        warnings.filterwarnings("ignore", module="never")
        import asyncio
        from tornado.ioloop import IOLoop
        asyncio.set_event_loop(before := asyncio.new_event_loop())  # whom Tornado asks for, which warns where there is none (3.12, 3.13)
        loop = IOLoop(make_current=False)
        try:
            loop.make_current()
            loop.clear_current()
        except DeprecationWarning as warning:
            print("caught")
        loop.close(all_fds=True)
        before.close()
    """
    done = run_python("-c", _INSTALL + textwrap.dedent(code))
    theirs = run_python("-c", textwrap.dedent(code))
    assert done.stdout == theirs.stdout, (done.stderr, theirs.stderr)


_WHICH = "import pathlib, tornado.util; print(tornado.util.__name__, pathlib.Path(tornado.__file__).parent.name)"


@pytest.mark.parametrize("arguments", [("-c", _WHICH), ("-m", "probe"), ("-",)])
def test_environment_switches_child_processes(site_packages: Path, arguments: tuple[str, ...]) -> None:
    code = _WHICH
    (site_packages / "probe.py").write_text(code, encoding="utf-8")
    done = with_pth(site_packages, *arguments, stdin=code)
    assert (done.stdout.strip(), done.stderr) == ("tornado.util tornadolike", "")


def test_environment_reaches_multiprocessing(site_packages: Path) -> None:
    program = site_packages / "program.py"
    program.write_text(
        textwrap.dedent("""
            import multiprocessing
            def name():
                import os, tornado.util, tornado.httputil
                return tornado.util.__name__, os.path.basename(os.path.dirname(tornado.__file__)), tornado.httputil.HTTPHeaders({"a": "b"})
            if __name__ == "__main__":
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    *names, headers = pool.apply(name)
                    import tornado.httputil
                    print(names, type(headers) is tornado.httputil.HTTPHeaders, list(headers.get_all()))
                    pool.close()
                    pool.join()
        """),
        encoding="utf-8",
    )
    done = with_pth(site_packages, str(program))
    assert done.stdout.strip() == "['tornado.util', 'tornadolike'] True [('A', 'b')]", done.stderr


@pytest.mark.parametrize("switch", ["", "0", "false", "No", "off"])
def test_pth_file_does_nothing_unless_asked(site_packages: Path, switch: str) -> None:
    code = "import sys; print([name for name in sys.modules if name.startswith('tornado.') or name == 'tornado'])"
    assert with_pth(site_packages, "-c", code, switch=switch).stdout.strip() == "[]"


@pytest.mark.parametrize("switch", ["1", "true", "YES", "on"])
def test_words_that_switch_it_on(site_packages: Path, switch: str) -> None:
    assert with_pth(site_packages, "-c", _WHICH, switch=switch).stdout.strip() == "tornado.util tornadolike"


@pytest.mark.parametrize("switch", ["2", "ja", "tornado"])
def test_another_word_ends_the_process_and_says_why(site_packages: Path, switch: str) -> None:
    done = with_pth(site_packages, "-c", "print('ran')", switch=switch)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"TORNADOLIKE_AS_TORNADO='{switch}'" in done.stderr


def test_pth_file_is_one_import_line() -> None:
    # Python's site module executes only lines that begin with "import".
    assert re.fullmatch(r"import [^\n]+\n", PTH.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("loop", "expected"), [("", "asyncio"), ("asyncio", "asyncio"), ("uvloop", "uvloop")])
def test_asyncio_run_of_an_aliased_program_uses_the_chosen_loop(loop: str, expected: str) -> None:
    if expected == "uvloop":
        pytest.importorskip("uvloop")
    code = """
        import asyncio, tornado.ioloop
        async def main():
            return type(asyncio.get_running_loop()).__module__.partition(".")[0]
        print(asyncio.run(main()))
    """
    assert aliased(code, TORNADOLIKE_LOOP=loop) == expected


def test_an_engine_that_cannot_be_had_is_told_when_a_server_listens() -> None:
    code = """
import asyncio, tornado.web
async def main():
    tornado.web.Application().listen(0, "127.0.0.1")
asyncio.run(main())
"""
    done = run_python("-c", _INSTALL + code, TORNADOLIKE_HTTP="nosuch")
    assert done.returncode == 1
    assert "UnknownEngine: TORNADOLIKE_HTTP: unknown HTTP engine 'nosuch' (available: auto, " in done.stderr.splitlines()[-1]

"""`import tornado` served by tornadolike: each case in a Python process of its own, since the alias is for a whole process."""

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


def test_reload_gives_the_same_module_with_its_own_spec() -> None:
    code = """
        import importlib, sys, tornado.escape, tornadolike.escape
        before = tornado.escape.utf8
        again = importlib.reload(tornado.escape)
        print(again is tornadolike.escape, again is sys.modules["tornado.escape"], again.utf8 is not before, again.__spec__.name)
    """
    assert aliased(code) == "True True True tornadolike.escape"


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
    assert aliased("import tornado.test.probe as probe; print(probe.served_by)", PYTHONPATH=path) == "tornadolike"


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


def test_masquerade_names_tornado() -> None:
    code = """
        from tornadolike import _alias
        _alias.install(masquerade=True)
        import inspect, tornado.httputil, tornado.escape
        assert inspect.getsource(tornado.httputil.HTTPHeaders).startswith("class HTTPHeaders")
        print(tornado.__name__, tornado.httputil.__name__, tornado.httputil.HTTPHeaders.__module__, tornado.escape.utf8.__module__,
              tornado.httputil.HTTPHeaders.add.__module__)
    """
    assert aliased(code) == "tornado tornado.httputil tornado.httputil tornado.escape tornado.httputil"


@pytest.mark.parametrize("arguments", [("-c", "import tornado; print(tornado.__name__)"), ("-m", "probe"), ("-",)])
def test_environment_switches_child_processes(site_packages: Path, arguments: tuple[str, ...]) -> None:
    code = "import tornado; print(tornado.__name__)"
    (site_packages / "probe.py").write_text(code, encoding="utf-8")
    done = with_pth(site_packages, *arguments, stdin=code)
    assert (done.stdout.strip(), done.stderr) == ("tornadolike", "")


def test_environment_reaches_multiprocessing(site_packages: Path) -> None:
    program = site_packages / "program.py"
    program.write_text(
        textwrap.dedent("""
            import multiprocessing
            def name():
                import tornado
                return tornado.__name__
            if __name__ == "__main__":
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    print(pool.apply(name))
                    pool.close()
                    pool.join()
        """),
        encoding="utf-8",
    )
    assert with_pth(site_packages, str(program)).stdout.strip() == "tornadolike"


@pytest.mark.parametrize("switch", ["", "0"])
def test_pth_file_does_nothing_unless_asked(site_packages: Path, switch: str) -> None:
    code = "import sys; print([name for name in sys.modules if name.startswith('tornado')])"
    assert with_pth(site_packages, "-c", code, switch=switch).stdout.strip() == "[]"


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

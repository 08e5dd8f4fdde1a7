"""`import tornado`, served by the modules of tornadolike.

Two entries in ``sys.modules`` hold one module object: ``tornado.web is tornadolike.web``. The finder stands first in
``sys.meta_path`` and answers for both names:

* ``tornado.X``: the loader hands out the module ``tornadolike.X``. The package's private rooms are served too, because a
  search along ``tornado.__path__`` would otherwise make second copies of them.
* ``tornadolike.X``: loaded as usual, then imported once more under its other name, *through the import system*. That is what
  lets import hooks keyed on ``tornado.web`` (wrapt, newrelic, ddtrace) see the module; an entry put into ``sys.modules`` by
  hand would not.
* ``tornado.test``: from the real distribution, where that is installed.

The module is imported at the start of every Python process of an environment which sets ``TORNADOLIKE_AS_TORNADO=1``, hence
the few imports.
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution, DistributionFinder

ENVIRONMENT_VARIABLE = "TORNADOLIKE_AS_TORNADO"

_OTHER, _OURS = "tornado", "tornadolike"


def _ours(name: str) -> str:
    return _OURS + name[len(_OTHER) :]


def _other(name: str) -> str:
    return _OTHER + name[len(_OURS) :]


class _Progress:
    """Which module is being imported under which of its names, so that neither name's import ever waits for the other's.

    Without it two threads, one importing each name, could hold one import lock each and want the other's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executed: set[str] = set()
        self._handing_out: set[str] = set()

    def hand_out(self, name: str) -> ModuleType:
        """The module ``name`` of tornadolike, for its other name; imported if it is not there yet."""
        with self._lock:
            module = sys.modules.get(name)
            if module is not None and name in self._executed:
                return module
            self._handing_out.add(name)
        try:
            return importlib.import_module(name)
        finally:
            with self._lock:
                self._handing_out.discard(name)

    def executed(self, name: str) -> bool:
        """Note that ``name`` is executed. True: nobody is importing it under its other name, so the caller has to."""
        with self._lock:
            self._executed.add(name)
            return name not in self._handing_out


_progress = _Progress()


class _ServedLoader:
    """Loader of ``tornado.X``: gives the module ``tornadolike.X``; code, source and resources are that one's as well."""

    def __init__(self, spec: ModuleSpec) -> None:
        self._name = spec.name
        self._loader: Any = spec.loader
        self._kept: dict[str, Any] = {}

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _progress.hand_out(self._name)
        names = ("__spec__", "__loader__", "__path__")
        self._kept = {name: getattr(module, name) for name in names if hasattr(module, name)}
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just replaced these by what belongs to the other name; reload() needs them as they were.
        for name, value in self._kept.items():
            setattr(module, name, value)

    def get_code(self, fullname: str) -> CodeType | None:
        code: CodeType | None = self._loader.get_code(self._name)
        return code

    def get_source(self, fullname: str) -> str | None:
        source: str | None = self._loader.get_source(self._name)
        return source

    def get_filename(self, fullname: str) -> str:
        return str(self._loader.get_filename(self._name))

    def get_data(self, path: str) -> bytes:
        return bytes(self._loader.get_data(path))

    def is_package(self, fullname: str) -> bool:
        return bool(self._loader.is_package(self._name))

    def get_resource_reader(self, fullname: str) -> Any:
        return self._loader.get_resource_reader(self._name)


class _MirroringLoader(SourceFileLoader):
    """Loader of ``tornadolike.X``: when it has run, the module is imported under its other name as well."""

    def exec_module(self, module: ModuleType) -> None:
        other = _other(self.name)
        if _finder.masquerade:
            # Functions inside the package look for half-imported modules under the name that the package goes by.
            sys.modules.setdefault(other, module)
        super().exec_module(module)
        if _finder.masquerade:
            _rename(module, self.name, other)
        if _progress.executed(self.name) and other not in sys.modules:
            importlib.import_module(other)


class AliasFinder:
    """Entry of ``sys.meta_path``; see the module's description."""

    masquerade = False

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        if top == _OTHER:
            return self._find_test() if rest == "test" else self._find_served(fullname)
        if top == _OURS and rest:
            return self._find_own(fullname, path)
        return None

    def _find_served(self, fullname: str) -> ModuleSpec | None:
        if fullname.startswith(f"{_OTHER}.test."):
            return None
        found = importlib.util.find_spec(_ours(fullname))
        if found is None or found.loader is None:
            return None
        if fullname == f"{_OTHER}.ioloop":
            _run_on_chosen_loop()
        # typeshed asks for importlib.abc.Loader, which would cost its import at every start of Python.
        return importlib.util.spec_from_loader(fullname, _ServedLoader(found))  # type: ignore[arg-type]  # see above

    def _find_own(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path)
        public = not fullname.rpartition(".")[2].startswith("_") and not fullname.startswith(f"{_OURS}._")
        if spec is not None and public and type(spec.loader) is SourceFileLoader:
            spec.loader = _MirroringLoader(spec.loader.name, spec.loader.path)
        return spec

    def _find_test(self) -> ModuleSpec | None:
        real = PathFinder.find_spec(_OTHER)  # finds the distribution without executing any of it
        if real is None or real.submodule_search_locations is None:
            return None
        return PathFinder.find_spec(f"{_OTHER}.test", list(real.submodule_search_locations))

    def find_distributions(self, context: "DistributionFinder.Context | None" = None) -> "Iterable[Distribution]":
        """Metadata of a distribution ``tornado``, for those who ask its version while the real one is not installed."""
        from tornadolike._alias_metadata import stand_in

        return stand_in(self, context)


_finder = AliasFinder()


def install(*, masquerade: bool = False) -> None:
    """Serve ``import tornado`` from tornadolike in this process; see `tornadolike.install_as_tornado`.

    ``masquerade`` also makes modules, classes and functions say that they are Tornado's (``__module__``). It is meant for
    Tornado's own test suite, which compares those names, and has to come before any module of tornadolike is imported.
    """
    if masquerade and not _finder.masquerade:
        _finder.masquerade = True
        sys.modules[_OURS].__name__ = _OTHER
    if _finder in sys.meta_path:
        return
    strangers = [name for name in sys.modules if name.partition(".")[0] == _OTHER and sys.modules[name] is not sys.modules.get(_ours(name))]
    if strangers:
        raise RuntimeError(
            f"cannot serve `import tornado` from tornadolike: the real {min(strangers)} is already imported; install the alias before it"
        )
    sys.meta_path.insert(0, _finder)
    for name in [name for name in sys.modules if name.startswith(f"{_OURS}.") and not name.startswith(f"{_OURS}._")]:
        importlib.import_module(_other(name))


def _rename(module: ModuleType, name: str, other: str) -> None:
    module.__name__ = other
    for value in list(vars(module).values()):
        _rename_value(value, name, other)


def _rename_value(value: Any, name: str, other: str) -> None:
    value = getattr(value, "__func__", value) if isinstance(value, (classmethod, staticmethod)) else value
    if not isinstance(value, (type, FunctionType)) or value.__module__ != name:
        return
    if isinstance(value, FunctionType):
        value.__module__ = other
        return
    first_line = vars(value).get("__firstlineno__")
    value.__module__ = other
    if first_line is not None:
        # From Python 3.13 on inspect needs it, and a new __module__ takes it away.
        value.__firstlineno__ = first_line  # type: ignore[attr-defined]  # typeshed for 3.11 does not know it
    for member in list(vars(value).values()):
        _rename_value(member, name, other)


def _run_on_chosen_loop() -> None:
    """Make ``asyncio.run(main())`` of an aliased program use the loop that ``TORNADOLIKE_LOOP`` names, as `IOLoop` does.

    Through the runner's ``loop_factory``: loop policies are on their way out of Python.
    """
    if not os.environ.get("TORNADOLIKE_LOOP"):
        return
    import asyncio

    from tornadolike._loop import factory

    if getattr(asyncio.Runner, "_tornadolike", False):
        return

    class Runner(asyncio.Runner):  # type: ignore[misc]  # final for typeshed only
        _tornadolike = True

        def __init__(self, *, debug: bool | None = None, loop_factory: Any = None) -> None:
            super().__init__(debug=debug, loop_factory=loop_factory or factory.new_event_loop)

    Runner.__qualname__ = "Runner"
    for module in (asyncio, asyncio.runners):
        module.Runner = Runner  # type: ignore[attr-defined]  # replacing the class is the point

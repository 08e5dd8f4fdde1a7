"""`import tornado`, served by the modules of tornadolike, which then are Tornado's in all that they say of themselves.

In a process that serves ``import tornado`` each public module goes by Tornado's name: ``tornadolike/web.py`` is executed as
``tornado.web``, so that ``__name__``, ``__spec__``, and the ``__module__`` of its classes and functions are what monitoring agents,
import hooks, pickles, warning filters and tracebacks look for. ``tornadolike.web`` is another name for the same module object.
The finder stands before Python's own search in ``sys.meta_path`` and answers for both names:

* ``tornado.X``, public: Python's own search along ``tornado.__path__`` finds the file; the loader notes the module under its other
  name when it has run. A module which was imported as ``tornadolike.X`` before is taken over and renamed, not executed again.
* ``tornadolike.X``, public: imports ``tornado.X`` through the import system and gives that module.
* the package's private rooms stay what they are; ``tornado._X`` gives ``tornadolike._X``, of which a search along
  ``tornado.__path__`` would otherwise make a second copy.
* ``tornado.test``: from the real distribution, where that is installed.

The module is imported at the start of every Python process of an environment which sets ``TORNADOLIKE_AS_TORNADO=1``, hence
the few imports.
"""

import functools
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution, DistributionFinder

ENVIRONMENT_VARIABLE = "TORNADOLIKE_AS_TORNADO"

_OTHER, _OURS = "tornado", "tornadolike"
_EVERYWHERE = ("_imported_names", "_beyond", "_inside", "_http")
_ON, _OFF = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def wanted(value: str) -> bool:
    """What a value of ``TORNADOLIKE_AS_TORNADO`` asks for; upper and lower case are one. Raises `ValueError` for another word."""
    if value.strip().lower() in _ON:
        return True
    if value.strip().lower() in _OFF:
        return False
    raise ValueError(
        f"{ENVIRONMENT_VARIABLE}={value!r}: say 1, true, yes or on to serve `import tornado` from tornadolike, 0 or nothing not to"
    )


def start_up(*, always: bool = False) -> None:
    """What the ``.pth`` files run at the start of each Python process: serve ``import tornado`` if the environment asks for it.

    ``always``: also where it says nothing about it, as in an environment in which ``tornadolike alias on`` was run.
    Python would go on behind an exception from there, on the other Tornado or on none: a value that is no answer ends the process.
    """
    try:
        value = os.environ.get(ENVIRONMENT_VARIABLE, "")
        on = wanted(value) if value else always
    except ValueError as error:
        sys.stderr.write(f"tornadolike: {error}\n")
        sys.stderr.flush()
        os._exit(2)
    if on:
        install()


def _public(name: str) -> bool:
    """Whether this is a module that users see: it goes by Tornado's name. Private rooms keep ours."""
    return not any(part.startswith("_") for part in name.split(".")[1:])


def _ours(name: str) -> str:
    return _OURS + name[len(_OTHER) :]


def _other(name: str) -> str:
    return _OTHER + name[len(_OURS) :]


class _CanonicalLoader(SourceFileLoader):
    """Loader of ``tornado.X``: executes our source under that name, and notes the module under ours as well."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        # Not through the import system, whose locks two threads that import one name each would take in opposite order.
        sys.modules.setdefault(_ours(self.name), module)


class _AdoptingLoader(_CanonicalLoader):
    """Loader of a ``tornado.X`` that is there already, under our name: nothing is executed, the module is renamed."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return sys.modules.get(_ours(spec.name))

    def exec_module(self, module: ModuleType) -> None:
        # From now on (reload, runpy) the module is loaded like the others.
        module.__loader__ = (SourceFileLoader if self.name == _OTHER else _CanonicalLoader)(self.name, self.path)
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__
        if self.name != _OTHER:
            _rename(module, _ours(self.name), self.name)
            return
        # The package itself has nothing that is Tornado's. What nearly all its modules take from it is put there under the name that it
        # has: ``from tornadolike import _inside`` would look for a module of ``tornado``, and give it a second name.
        for name in _EVERYWHERE:
            importlib.import_module(f"{_OURS}.{name}")


class _OtherNameLoader:
    """Loader of a module's second name: gives the module that its first name gives, and asks that one's loader about it."""

    def __init__(self, canonical: ModuleSpec) -> None:
        self._name = canonical.name
        self._loader: Any = canonical.loader
        self._spec: ModuleSpec | None = None
        self._module_loader: Any = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec, self._module_loader = module.__spec__, getattr(module, "__loader__", None)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just replaced the spec by the second name's; reload() needs the first.
        module.__spec__, module.__loader__ = self._spec, self._module_loader

    def __getattr__(self, name: str) -> Any:
        """``get_code``, ``get_source``, ``get_data``, ...: those that take a module's name get the first one."""
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self._loader, name)
        if name not in ("get_code", "get_source", "get_filename", "is_package", "get_resource_reader"):
            return found
        return functools.partial(_ask, found, self._name)


def _ask(method: Any, name: str, fullname: str | None = None) -> Any:
    return method(name)


class AliasFinder:
    """Entry of ``sys.meta_path``; see the module's description."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        if top == _OTHER:
            if rest == "test":
                return self._find_test()
            if rest.startswith("test."):
                return None
            return self._find_canonical(fullname, path, target) if _public(fullname) else self._find_second(fullname, _ours(fullname))
        if top == _OURS and rest and _public(fullname):
            return self._find_second(fullname, _other(fullname))
        return None

    def _find_canonical(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        if fullname == _OTHER:
            package = sys.modules[_OURS]
            spec = importlib.util.spec_from_file_location(_OTHER, package.__file__, submodule_search_locations=list(package.__path__))
        else:
            spec = PathFinder.find_spec(fullname, path)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return spec
        if fullname == f"{_OTHER}.ioloop":
            _run_on_chosen_loop()
        adopted = target is None and _ours(fullname) in sys.modules
        loader = _AdoptingLoader if adopted else _CanonicalLoader
        spec.loader = loader(spec.loader.name, spec.loader.path)
        return spec

    def _find_second(self, fullname: str, canonical: str) -> ModuleSpec | None:
        found = importlib.util.find_spec(canonical)
        if found is None or found.loader is None:
            return None
        return importlib.util.spec_from_loader(fullname, _OtherNameLoader(found))

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


def install() -> None:
    """Serve ``import tornado`` from tornadolike in this process; see `tornadolike.install_as_tornado`."""
    if _finder in sys.meta_path:
        return
    strangers = [name for name in sys.modules if name.partition(".")[0] == _OTHER and sys.modules[name] is not sys.modules.get(_ours(name))]
    if strangers:
        raise RuntimeError(
            f"cannot serve `import tornado` from tornadolike: the real {min(strangers)} is already imported; install the alias before it"
        )
    # Before Python's own search, which may find the other Tornado; behind the hooks of agents, which are to be asked first.
    sys.meta_path.insert(sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0, _finder)
    # Its name alone: hooks on "tornado" are to see its import, which is still to come.
    sys.modules[_OURS].__name__ = sys.modules[_OURS].__package__ = _OTHER
    for name in [name for name in sys.modules if name.startswith(f"{_OURS}.") and _public(name)]:
        importlib.import_module(_other(name))


def _rename(module: ModuleType, name: str, other: str) -> None:
    module.__name__ = other
    module.__package__ = other if hasattr(module, "__path__") else other.rpartition(".")[0]
    for value in list(vars(module).values()):
        _rename_value(value, name, other)


def _rename_value(value: Any, name: str, other: str) -> None:
    if not isinstance(value, (type, FunctionType)):
        # Memoised functions, and type variables, which from Python 3.12 on have no __dict__.
        if getattr(value, "__dict__", {}).get("__module__") == name or _is_type_variable(value, name):
            value.__module__ = other
        for one in _functions_of(value):
            _rename_value(one, name, other)
        return
    if value.__module__ != name or "_beyond_tornado" in vars(value):
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


def _is_type_variable(value: Any, module: str) -> bool:
    kind = type(value)
    return kind.__module__ == "typing" and kind.__name__ in ("TypeVar", "ParamSpec") and value.__module__ == module


def _functions_of(value: Any) -> Iterator[Any]:
    """What stands behind a descriptor or a wrapper: that of a method, a property, a cached property, a memoised function."""
    kind = type(value)
    if kind is property:
        yield from (one for one in (value.fget, value.fset, value.fdel) if isinstance(one, FunctionType))
    elif kind in (classmethod, staticmethod):
        yield value.__func__
    elif kind is functools.cached_property:
        yield value.func
    elif kind is type(_memoised):
        yield value.__wrapped__


@functools.lru_cache(maxsize=1)
def _memoised() -> None: ...


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

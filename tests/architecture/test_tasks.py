"""Who holds each task that we make: asyncio does so weakly, and a task that nobody holds may vanish while it waits.

`convert_yielded` holds what it makes, in ``IOLoop._pending_tasks``. Whoever calls ``create_task`` or ``ensure_future`` has to put the
task somewhere: into an attribute, into a collection, or into the hands of its caller.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tornadolike

PACKAGE = Path(tornadolike.__file__).parent
MAKERS = {"create_task", "ensure_future"}
# What keeps its argument until it is done: collections, and our own places for tasks that nobody else holds.
KEEPERS = {"add", "append", "_keep", "_register_task", "setdefault"}
# In these modules, by their names, what is known of each place.
KNOWN = {
    "gen.py _wrap_awaitable": "_register_task(task)",
    "platform/asyncio.py _launch": "self._thread_manager_task",
    "_web_io/tasks.py start": "_keep(task)",
}


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def holders(source: str) -> list[tuple[str, str]]:
    """For each task that a module makes the function that makes it, and who holds it: ``nobody``, too."""
    found = []
    for function in _functions(ast.parse(source)):
        parents = {child: node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
        inner = {node for one in _functions(function) if one is not function for node in ast.walk(one)}
        made = [node for node in ast.walk(function) if _called(node) in MAKERS and node not in inner]
        found += [(function.name, _holder(node, parents, function)) for node in made]
    return found


def _holder(made: ast.AST, parents: dict[ast.AST, ast.AST], function: ast.AST) -> str:
    parent = parents[made]
    while isinstance(parent, ast.IfExp | ast.BoolOp | ast.Starred | ast.List | ast.Tuple | ast.ListComp):
        parent = parents[parent]
    if isinstance(parent, ast.Await | ast.Return | ast.Yield):
        return type(parent).__name__.lower()
    if isinstance(parent, ast.Call) and _called(parent) in KEEPERS | {"gather", "wait", "add_future", "run_until_complete"}:
        return ast.unparse(parent.func)
    if isinstance(parent, ast.Assign | ast.AnnAssign):
        target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target
        return ast.unparse(target) if isinstance(target, ast.Attribute | ast.Subscript) else _holder_of_name(target, function)
    return "nobody"


def _holder_of_name(target: ast.expr, function: ast.AST) -> str:
    """A local variable ends with its function, unless that waits, or hands it on."""
    name = target.id if isinstance(target, ast.Name) else ""
    waited = "nobody"
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _called(node) in KEEPERS and name in [getattr(one, "id", "") for one in node.args]:
            return f"{_called(node)}({name})"
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute) and getattr(node.value, "id", "") == name:
            return ast.unparse(node.targets[0])
        if isinstance(node, ast.Await | ast.Return) and name in [getattr(one, "id", "") for one in ast.walk(node)]:
            waited = type(node).__name__.lower()
    return waited


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "_bench" not in path.parts)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_task_is_held(path: Path) -> None:
    unheld = [function for function, holder in holders(path.read_text(encoding="utf-8")) if holder == "nobody"]
    assert not unheld, f"nobody holds the tasks that are made in {', '.join(unheld)}"


def test_the_places_that_are_known() -> None:
    for place, holder in KNOWN.items():
        file, function = place.split()
        assert (function, holder) in holders((PACKAGE / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("body", "holder"),
    [
        ("loop.create_task(x)", "nobody"),
        ("asyncio.ensure_future(x).add_done_callback(f)", "nobody"),
        ("task = create_task(x)\n    task.add_done_callback(f)", "nobody"),
        ("tasks.add(create_task(x))", "tasks.add"),
        ("task = create_task(x)\n    self.tasks.add(task)", "add(task)"),
        ("self.task = create_task(x)", "self.task"),
        ("self.task = task = create_task(x)", "self.task"),
        ("task = create_task(x)\n    self.task = task", "self.task"),
        ("return create_task(x)", "return"),
        ("task = create_task(x)\n    return task", "return"),
        ("await create_task(x)", "await"),
        ("self.tasks[key] = ensure_future(x)", "self.tasks[key]"),
    ],
)
def test_what_counts_as_held(body: str, holder: str) -> None:
    assert holders(f"async def made():\n    {body}\n") == [("made", holder)]

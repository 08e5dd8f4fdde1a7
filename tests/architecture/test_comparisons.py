"""Functions are compared with those that were made in the places that docs/design/index.md lists, and nowhere else."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DESIGN = (ROOT / "docs" / "design" / "index.md").read_text(encoding="utf-8")

# In each module the methods that it keeps as they were made, to compare with them later.
KEPT = {
    "iostream": {"BaseIOStream.write", "IOStream.read_from_fd", "IOStream.write_to_fd"},
    "web": {"RequestHandler.write", "RequestHandler.flush"},
}
# What is compared where it stands, and gains nothing: Tornado warns of whoever overrides it.
IN_PLACE = {"testing": {"AsyncTestCase.get_new_ioloop"}}
# The makers of such comparisons of several at once.
MAKERS = {"as_made": {"web"}, "_making_of": {"_web_io/request_collector"}}


@functools.cache
def modules() -> list[tuple[str, ast.Module]]:
    package = ROOT / "tornadolike"
    paths = [path for path in sorted(package.rglob("*.py")) if "_bench" not in path.parts]
    return [(str(path.relative_to(package).with_suffix("")), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def kept_methods(tree: ast.Module) -> Iterator[str]:
    """Methods of classes of a module that it binds to names of its own."""
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for value in node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]:
                if is_method(value, classes):
                    yield ast.unparse(value)


def is_method(value: ast.expr, classes: set[str]) -> bool:
    return isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and value.value.id in classes and value.attr.islower()


def compared_in_place(tree: ast.Module) -> Iterator[str]:
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is | ast.IsNot) and is_method(node.comparators[0], classes):
            yield ast.unparse(node.comparators[0])


def test_no_other_methods_are_compared() -> None:
    assert {name: kept for name, tree in modules() if (kept := set(kept_methods(tree)))} == KEPT
    assert {name: found for name, tree in modules() if (found := set(compared_in_place(tree)))} == IN_PLACE


@pytest.mark.parametrize("maker", MAKERS)
def test_no_others_are_compared_together(maker: str) -> None:
    found = set()
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == maker:
                found.add(name)
    assert found == MAKERS[maker]


def test_the_design_lists_them() -> None:
    rows = "".join(line for line in DESIGN.splitlines() if line.startswith("| "))
    for name in {method.rpartition(".")[2] for kept in KEPT.values() for method in kept} | {"as_made", "request_collector"}:
        assert re.search(rf"\b{name}\b", rows), name

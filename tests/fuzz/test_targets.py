"""A short run of every fuzz target: seeds, seeds with bytes changed, and garbage."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tornadolike_fuzz_targets", Path(__file__).with_name("targets.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


targets = _load()


@pytest.fixture(autouse=True)
def _listings(logs: Any) -> Iterator[None]:
    """A template that is no Python is shown in the log with its code, as it should be."""
    yield
    logs.records[:] = [record for record in logs.records if "code:\n" not in record.getMessage()]


EDITS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), st.binary(max_size=4)), max_size=6)


@pytest.mark.parametrize("name", targets.TARGETS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # what the compiler thinks of a template's expressions
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_but_what_is_promised(name: str, data: st.DataObject) -> None:
    target = targets.TARGETS[name]
    target(data.draw(st.binary(max_size=300)))
    wire = data.draw(st.sampled_from(targets.seeds(name)))
    for position, removed, inserted in data.draw(EDITS):
        wire = wire[:position] + inserted + wire[position + removed :]
    target(wire)


@pytest.mark.parametrize("name", targets.TARGETS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_the_corpus(name: str) -> None:
    """What was found once, and what fuzzing begins with."""
    corpus = targets.seeds(name)
    assert corpus
    for data in corpus:
        targets.TARGETS[name](data)


def test_every_corpus_has_a_target() -> None:
    assert {path.name for path in targets.CORPUS.iterdir()} == set(targets.TARGETS)

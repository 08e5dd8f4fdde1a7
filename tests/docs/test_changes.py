"""Fragments become a section of the page on changes."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tornadolike

CHANGES = Path(tornadolike.__file__).parent.parent / "docs" / "changes"


@pytest.fixture(scope="module")
def collation(program: Callable[[str], ModuleType]) -> Any:
    return program("changes/collation.py")


def test_the_fragments_there_are(collation: Any) -> None:
    found = {path.name: path.read_text(encoding="utf-8").strip() for path in collation.paths(CHANGES / "fragments")}
    assert [name for name, text in found.items() if not text.endswith(".") or text.count("\n\n")] == []
    assert {name for name in found if name.count(".") != 2} == set()


def test_releases(collation: Any, tmp_path: Path) -> None:
    page, fragments = tmp_path / "index.md", tmp_path / "fragments"
    fragments.mkdir()
    page.write_text("# Changes\n\n## Releases\n\nNone yet.\n", encoding="utf-8")
    (fragments / "b.fixed.md").write_text("B no longer fails.\n", encoding="utf-8")
    (fragments / "a.added.md").write_text("A is new:\nreally.\n", encoding="utf-8")
    collation.release("0.1.0", dt.date(2030, 1, 2), page, fragments)
    first = "### 0.1.0 (2030-01-02)\n\n**Added**\n\n* A is new:\n  really.\n\n**Fixed**\n\n* B no longer fails.\n"
    assert page.read_text(encoding="utf-8") == f"# Changes\n\n## Releases\n\n{first}"
    assert list(fragments.iterdir()) == []
    (fragments / "c.removed.md").write_text("C is gone.", encoding="utf-8")
    collation.release("0.2.0", dt.date(2031, 1, 2), page, fragments)
    second = "### 0.2.0 (2031-01-02)\n\n**Removed**\n\n* C is gone.\n"
    assert page.read_text(encoding="utf-8") == f"# Changes\n\n## Releases\n\n{second}\n{first}"


def test_what_cannot_be_released(collation: Any, tmp_path: Path) -> None:
    page = tmp_path / "index.md"
    page.write_text("# Changes\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no fragments"):
        collation.release("1", dt.date(2030, 1, 1), page, tmp_path / "none")
    (tmp_path / "a.added.md").write_text("A.", encoding="utf-8")
    page.rename(tmp_path / "page.txt")
    with pytest.raises(ValueError, match="no heading"):
        collation.release("1", dt.date(2030, 1, 1), tmp_path / "page.txt", tmp_path)
    (tmp_path / "b.improved.md").write_text("B.", encoding="utf-8")
    with pytest.raises(ValueError, match=r"b.improved.md: the kind must be one of"):
        collation.paths(tmp_path)

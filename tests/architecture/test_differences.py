"""docs/differences.md names a test for each difference; those tests exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::([\w:]+))?`")


def test_every_test_that_is_named_exists() -> None:
    text = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
    named = set(NAMED.findall(text))
    assert len(named) > 40
    missing = []
    for file, name in named:
        path = ROOT / file
        source = path.read_text(encoding="utf-8") if path.exists() else ""
        wanted = name.rpartition(":")[2]
        if not source or (wanted and not re.search(rf"(?:def|class) {wanted}\b", source)):
            missing.append(f"{file}::{name}")
    assert not missing

"""tests/hostile/advisories.txt lists published advisories; each one is tested by name, or docs/hardening.md says why it does not apply."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
IDENTIFIER = re.compile(r"(?:CVE|PYSEC|WS)-\d{4}-\d+|GHSA(?:-[0-9a-z]{4}){3}", re.IGNORECASE)
NOT_APPLICABLE = re.compile(r"^\| (?P<names>[^|]*\d{4}[^|]*) \| (?P<reason>[^|]{20,}) \|$", re.MULTILINE)


def listed() -> list[list[str]]:
    """The names of each advisory."""
    lines = (ROOT / "tests" / "hostile" / "advisories.txt").read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def test_every_advisory_is_tested_or_explained() -> None:
    advisories = listed()
    assert len(advisories) > 60
    assert all(IDENTIFIER.fullmatch(name) for names in advisories for name in names)
    # In the name of a test, hyphens are underscores and letters are small.
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")).replace("_", "-")
    tested = {name.upper() for name in IDENTIFIER.findall(tests)}
    page = (ROOT / "docs" / "hardening.md").read_text(encoding="utf-8")
    explained = {name.upper() for row in NOT_APPLICABLE.finditer(page) for name in IDENTIFIER.findall(row["names"])}
    assert [names for names in advisories if not {name.upper() for name in names} & (tested | explained)] == []


def test_what_is_explained_is_listed() -> None:
    page = (ROOT / "docs" / "hardening.md").read_text(encoding="utf-8")
    known = {name for names in listed() for name in names}
    assert set(IDENTIFIER.findall(page)) <= known

"""The scenarios in which tornadolike differs from Tornado on purpose, from ``deliberate.toml``."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("deliberate.toml")


@dataclass(frozen=True)
class Deliberate:
    """Which scenarios (a regular expression), why, and what each side's recording (as JSON text) has to match."""

    scenarios: str
    reason: str
    tornado: str
    ours: str

    def covers(self, name: str) -> bool:
        return re.fullmatch(self.scenarios, name, re.DOTALL) is not None


def declared(path: Path = LIST) -> list[Deliberate]:
    """Raises `ValueError` for an entry without a reason, or which does not say what each side shows."""
    found = [Deliberate(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("difference", [])]
    for one in found:
        if not (one.reason.strip() and one.tornado.strip() and one.ours.strip()):
            raise ValueError(f"{path.name}: {one.scenarios} does not say why, or what each side shows")
    return found

"""The fragments of ``docs/changes/fragments`` as one text; at a release, as a section of the page.

python docs/changes/collation.py 0.2.0      # writes the section into docs/changes/index.md and deletes the fragments
"""

import datetime as dt
import sys
from pathlib import Path

HERE = Path(__file__).parent
KINDS = ("added", "changed", "fixed", "removed")
_HEADING = "## Releases\n"
_NONE_YET = "\nNone yet.\n"


def paths(directory: Path) -> list[Path]:
    """The fragments, by name. Raises `ValueError` for one whose name says no kind."""
    found = sorted(directory.glob("*.md"))
    for path in found:
        if kind(path) not in KINDS:
            raise ValueError(f"{path.name}: the kind must be one of {', '.join(KINDS)}")
    return found


def kind(path: Path) -> str:
    return path.stem.rpartition(".")[2]


def collated(directory: Path) -> str:
    """The fragments in Markdown, by kind; "" without any."""
    sections = []
    for one in KINDS:
        texts = [path.read_text(encoding="utf-8") for path in paths(directory) if kind(path) == one]
        if texts:
            items = "\n".join("* " + text.strip().replace("\n", "\n  ") for text in texts)
            sections.append(f"**{one.capitalize()}**\n\n{items}\n")
    return "\n".join(sections)


def release(version: str, date: dt.date, page: Path, directory: Path) -> None:
    """Put the fragments into ``page`` under ``version`` and delete them. Raises `ValueError` where there are none."""
    text = collated(directory)
    if not text:
        raise ValueError(f"no fragments in {directory}")
    before, heading, after = page.read_text(encoding="utf-8").partition(_HEADING)
    if not heading:
        raise ValueError(f"{page} has no heading {_HEADING.strip()!r}")
    earlier = after.replace(_NONE_YET, "", 1)
    page.write_text(f"{before}{heading}\n### {version} ({date})\n\n{text}{earlier}", encoding="utf-8")
    for path in paths(directory):
        path.unlink()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    release(sys.argv[1], dt.datetime.now(dt.UTC).date(), HERE / "index.md", HERE / "fragments")

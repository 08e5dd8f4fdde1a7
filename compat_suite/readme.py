"""``python -m compat_suite.readme results.json [README.md]``: the figures of a whole run, put into the README between two marks."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- compat_suite: begin -->", "<!-- compat_suite: end -->"


def figures(results: dict[str, Any]) -> str:
    """A Markdown table of the results that ``python -m compat_suite all --json FILE`` wrote."""
    ours: Counter[str] = Counter()
    tornado: Counter[str] = Counter()
    excluded = 0
    for module in results["upstream"]:
        ours.update(module["tornadolike"]["outcomes"].values())
        tornado.update(module["tornado"]["outcomes"].values())
        excluded += len(module["excluded"])
    scenarios = results["differential"]
    declared = sum(bool(scenario["deliberate"]) for scenario in scenarios)
    different = sum(bool(scenario["different"]) and not scenario["deliberate"] for scenario in scenarios)
    packages = results["downstream"]
    same = [package["package"] for package in packages if not package["different"]]
    names = results["surface"]
    census = results["census"]
    in_use = f"{len(census['names'])} in {len(census['packages'])} packages, of which {len(census['missing'])} are missing"
    rows = [
        ("names of Tornado in published packages", in_use),
        ("Tornado's public names that differ", len(names["unlisted"])),
        ("Tornado's own tests", f"{ours['passed']} passed (Tornado: {tornado['passed']}), {excluded} excluded"),
        ("differential scenarios", f"{len(scenarios)}, of which {declared} differ on purpose and {different} otherwise"),
        ("downstream packages", f"{len(same)} of {len(packages)} as on Tornado, on asyncio and on uvloop: {', '.join(same)}"),
    ]
    return "\n".join(["| what | result |", "|---|---|", *[f"| {what} | {result} |" for what, result in rows]])


def put_into(text: str, table: str, begin: str = BEGIN, end: str = END) -> str:
    """``text`` with ``table`` in place of what stands between the marks."""
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"no {begin} and {end}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def main(argv: Sequence[str]) -> int:
    if len(argv) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    path = Path(argv[1] if len(argv) == 2 else "README.md")
    results = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    path.write_text(put_into(path.read_text(encoding="utf-8"), figures(results)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

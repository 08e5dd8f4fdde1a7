"""The report shows every part, marks what differs and needs nothing from elsewhere."""

# ruff: noqa: E501 - tables, whose rows do not get better by being broken up

import json
from pathlib import Path
from typing import Any

import pytest

from compat_suite import report

_RESULTS: dict[str, Any] = {
    "surface": {"differences": {"tornado.web.X": "missing: class()"}, "unlisted": ["tornado.web.X"]},
    "upstream": [
        {"module": "tornado.test.web_test", "tornado": {"outcomes": {"a": "passed", "b": "passed"}}, "tornadolike": {"outcomes": {"a": "passed", "b": "failed"}}, "excluded": [], "differences": {"b": "<oh>"}},
    ],
    "differential": [{"name": "http1/x", "different": "--- a <tag>", "deliberate": "", "remarks": []}, {"name": "web/y", "different": "", "deliberate": "", "remarks": []}],
    "downstream": [{"package": "p", "version": "1.2", "about": "tests", "subset": "", "tornado": {"t": "passed"}, "ours": {"asyncio": {"t": "failed"}}, "different": {"asyncio: t": "Tornado: passed; tornadolike: failed"}, "seconds": [1, 2]}],
}  # fmt: skip


def test_page_shows_all_parts_and_what_differs() -> None:
    page = report.page(dict.fromkeys(_RESULTS, 1), _RESULTS)
    for expected in (
        "tornado.web.X",
        "web_test",
        "&lt;oh&gt;",
        "http1/x",
        "--- a &lt;tag&gt;",
        "p 1.2",
        "1 tests or steps, as on Tornado: 0 on asyncio",
    ):
        assert expected in page
    assert page.count("class=bad") == 4 + 4
    assert "http://" not in page
    assert "src=" not in page


def test_parts_that_did_not_run_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    statuses = {"surface": 0, "downstream": 2}
    assert "did not run" in report.page(statuses, {"surface": {"differences": {}, "unlisted": []}, "downstream": None})
    report.print_summary(statuses)
    assert capsys.readouterr().out.split("\n")[2:4] == ["surface        as it should be", "downstream     did not run"]


def test_files(tmp_path: Path) -> None:
    report.write({"surface": 1}, {"surface": _RESULTS["surface"]}, html=str(tmp_path / "r.html"), as_json=str(tmp_path / "r.json"))
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8")) == _RESULTS["surface"]
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    report.write({}, _RESULTS, html=None, as_json=str(tmp_path / "all.json"))
    assert json.loads((tmp_path / "all.json").read_text(encoding="utf-8")) == _RESULTS

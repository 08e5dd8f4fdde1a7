"""Table, record and page of the same figures."""

import json
import re
import xml.dom.minidom
from dataclasses import replace

from tornadolike._bench import charts, growth, page, record, table, targets
from tornadolike._bench.comparing import Plan
from tornadolike._bench.figures import Comparison, Load, Percentiles, Result, Round
from tornadolike._bench.scenarios import Settings


def comparison() -> Comparison:
    def result(name: str, *cpu: float, error: str | None = None) -> Result:
        return Result(name, [Round(Load(10_000, 1.0, Percentiles(0.01, 0.02, 0.03)), one, 30 << 20) for one in cpu], error)

    results = [result("tornado asyncio", 1.0, 1.2, 1.1), result("tornadolike uvloop", 0.2, 0.2, 0.22), result("bad", error="says <no>")]
    return Comparison("hello", "Hello & more", "request", "cpu_us", results)


def test_table_has_figures_ratio_and_errors() -> None:
    text = table.render([comparison()])
    assert text.splitlines()[0] == "Hello & more  [hello]"
    line = next(line for line in text.splitlines() if "tornadolike" in line)
    assert re.split(r"  +", line.strip()) == [
        "tornadolike uvloop",
        "20.0 (20.0-22.0)",
        "5.00 (5.00-6.00)",
        "10,000",
        "10.0",
        "20.0",
        "30.0",
        "30.0",
    ]
    assert "  bad: ERROR: says <no>" in text


def test_record_is_plain_data() -> None:
    data = json.loads(json.dumps(record.of(record.Measured([comparison()]), Plan(), ["tornadolike", "bench"])))
    assert data["environment"]["command"] == "tornadolike bench"
    assert data["environment"]["versions"]["h11"]
    (scenario,) = data["scenarios"]
    assert scenario["first"] == "tornado asyncio"
    good, bad = scenario["candidates"][1:]
    assert good["cpu_us"] == {"median": 20.0, "low": 20.0, "high": 22.0}
    assert (bad["error"], bad["cpu_us"], bad["times_less"]) == ("says <no>", None, None)
    assert (good["each_round"], bad["each_round"]) == ([20.0, 20.0, 22.0], [])


def test_page_is_self_contained_and_escaped() -> None:
    text = page.render(record.of(record.Measured([comparison()]), Plan(), ["tornadolike", "bench", "<x>"]))
    assert "&lt;x&gt;" in text
    assert "says &lt;no&gt;" in text
    assert "Hello &amp; more" in text
    assert not re.search(r"(?:src|href)=|@import|url\(", text)
    (chart,) = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    drawn = xml.dom.minidom.parseString(chart)
    widths = [float(bar.getAttribute("width")) for bar in drawn.getElementsByTagName("rect")]
    assert len(widths) == 2
    assert widths[0] == 5.5 * widths[1]


def test_page_fits_a_phone() -> None:
    """Text of 15 units in a chart of 450 that shrinks to a phone's 311 pixels is 10 pixels high; what is wider scrolls by itself."""
    text = page.render(record.of(record.Measured([comparison()], grown=[grown()]), Plan(), []))
    assert 'name="viewport" content="width=device-width' in text
    assert "section { " in text
    assert re.search(r"section \{[^}]*overflow-x: auto", text)
    widths = {name: int(width) for name, width in re.findall(r'<svg class="(\w+)" viewBox="0 0 (\d+)', text)}
    assert widths == {"bars": 450, "lines": 800}
    assert re.findall(r"svg\.(\w+) \{ min-width", text) == ["lines"]


def grown() -> growth.Growth:
    family = replace(growth.families(Settings())[2], sizes=(1, 10))

    def at(size: int) -> Comparison:
        results = [
            Result("tornado", [Round(Load(100, 1.0), 0.1 * size, 0)]),
            Result("quadratic", [Round(Load(100, 1.0), 0.1 * size**2, 0)]),
        ]
        return Comparison(f"x-{size}", "X", "burst", "cpu_us", [*results, Result("bad", error="gone")])

    return growth.Growth(family, [at(1), at(10)])


def test_page_with_targets_and_growth() -> None:
    verdict = targets.judge([comparison()], [targets.Target("hello", "tornadolike uvloop", ("tornado asyncio",), 7)])
    measured = record.Measured([comparison()], verdict, [grown()])
    assert measured.failed()
    data = json.loads(json.dumps(record.of(measured, Plan(), [])))
    assert data["targets"][0]["verdict"] == "short by 29 %"
    assert data["growth"][0]["candidates"][1] == {
        "name": "quadratic",
        "error": None,
        "costs": [1000.0, 100000.0],
        "power": 2.0,
        "linear": False,
    }
    text = page.render(data)
    for what in ("0 of 1 met", '<td class="bad">short by 29 %</td>', '<td class="bad">NO</td>', "bad: gone"):
        assert what in text
    xml.dom.minidom.parseString(re.findall(r"<svg.*?</svg>", text, re.DOTALL)[-1])


def test_a_chart_is_a_file_of_its_own() -> None:
    drawn = charts.file(charts.lines([1, 10], [charts.Series("tornado", [5.0, 50.0]), charts.Series("a & b", [5.0, 5.0])], "a <label>"))
    root = xml.dom.minidom.parseString(drawn).documentElement
    assert root is not None
    assert (root.namespaceURI, root.getAttribute("aria-label")) == ("http://www.w3.org/2000/svg", "a <label>")
    steep, key = root.getElementsByTagName("polyline")[:2]
    (_, low), (_, high) = (map(float, pair.split(",")) for pair in steep.getAttribute("points").split(" "))
    assert low > high
    assert key.getAttribute("stroke-dasharray")
    assert root.getElementsByTagName("style")[0].firstChild is not None


def test_page_of_nothing_but_errors() -> None:
    failed = Comparison("hello", "Hello", "request", "cpu_us", [Result("bad", error="gone")])
    assert "<svg" not in page.render(record.of(record.Measured([failed]), Plan(), []))


def test_numbers_are_short() -> None:
    assert [table.number(value) for value in (None, 0.123, 12.34, 123.4, 12345.6)] == ["-", "0.12", "12.3", "123", "12,346"]

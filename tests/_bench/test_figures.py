"""Medians, spreads and ratios."""

import pytest

from tornadolike._bench.figures import Comparison, Load, Percentiles, Result, Round, Spread


def result(name: str, *cpu_seconds: float, error: str | None = None) -> Result:
    return Result(name, [Round(Load(1000, 2.0, Percentiles(0.001, 0.002, 0.003)), cpu, 1 << 20) for cpu in cpu_seconds], error)


def test_percentiles() -> None:
    assert Percentiles.of(range(1000)) == Percentiles(500, 990, 999)
    assert Percentiles.of([7.0]) == Percentiles(7.0, 7.0, 7.0)
    assert Percentiles.of([]) is None


def test_figures_of_rounds() -> None:
    one = result("a", 0.1, 0.3, 0.2)
    assert one.spread("cpu_us") == Spread(200.0, 100.0, 300.0)
    assert one.spread("per_second") == Spread(500.0, 500.0, 500.0)
    assert one.spread("p999_ms") == Spread(3.0, 3.0, 3.0)
    assert one.spread("resident_mib") == Spread(1.0, 1.0, 1.0)
    assert one.spread("memory_kib") is None


def test_memory_per_connection() -> None:
    load = Load(100, 1.0, memory_bytes=204800.0)
    assert Result("a", [Round(load, 0.0, 0)]).spread("memory_kib") == Spread(2.0, 2.0, 2.0)


def test_ratio_is_taken_round_by_round() -> None:
    # The machine was three times slower in the second round: the ratio does not notice.
    ratio = result("b", 0.1, 0.3).ratio(result("a", 0.2, 0.6), "cpu_us")
    assert ratio is not None
    assert (ratio.low, ratio.high) == (pytest.approx(2.0), pytest.approx(2.0))


def test_an_error_is_no_number() -> None:
    broken = result("b", 0.1, error="answers wrongly")
    assert broken.spread("cpu_us") is None
    assert broken.ratio(result("a", 0.2), "cpu_us") is None
    assert result("a", 0.2).ratio(broken, "cpu_us") is None
    assert Comparison("n", "t", "request", "cpu_us", [broken, result("c", 0.1)]).first.candidate == "c"

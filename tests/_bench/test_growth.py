"""How cost grows: what is counted at each size, and what counts as linear."""

import pytest

from tornadolike._bench import candidates, growth
from tornadolike._bench.comparing import Plan
from tornadolike._bench.figures import Load, Result, Round
from tornadolike._bench.scenarios import Settings


def line(*costs: float, sizes: tuple[int, ...] = (1, 10, 100)) -> growth.Line:
    return growth.Line(sizes, [Result("a", [Round(Load(1, 1.0), cost * 1e-6, 0)]) for cost in costs])


def test_powers() -> None:
    assert growth.powers([1, 10, 100], [5.0, 50.0, 5000.0]) == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize(
    ("costs", "linear"),
    [
        ((50, 51, 60), True),  # a fixed cost hides the growth
        ((1, 10, 100), True),
        ((1, 10, 120), True),  # noise
        ((1, 10, 200), False),
        ((50, 60, 1100), False),  # the fixed cost must not hide a square
        ((1, 30, 100), False),
    ],
)
def test_linear(costs: tuple[float, ...], linear: bool) -> None:
    assert line(*costs).linear() is linear


def test_a_candidate_with_an_error_has_no_verdict() -> None:
    broken = growth.Line((1, 10), [Result("a", error="gone"), Result("a", error="gone")])
    assert (broken.costs(), broken.power(), broken.linear(), broken.error) == ([], None, None, "gone")


def test_everything_that_grows_is_measured() -> None:
    ours = [one for one in candidates.find(["asyncio"], ["h11"]) if one.framework == "tornadolike"]
    said: list[str] = []
    plan = Plan(rounds=1, seconds=0.02, settings=Settings(connections=2, many=100))
    grown = growth.measure(ours, plan, said.append)
    assert [one.family.name for one in grown] == ["headers", "body", "pipelined", "connections"]
    for one in grown:
        (measured,) = one.lines()
        assert measured.error is None
        assert len(measured.costs()) == len(one.family.sizes)
        assert min(measured.costs()) > 0
    assert "growth of body: round 1 of 1, tornadolike asyncio h11" in said
    text = growth.render(grown)
    assert "1,024  10,240" in text
    assert "[growth: connections]" in text

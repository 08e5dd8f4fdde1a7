"""Bookkeeping of idle connections, here plain strings, with a clock of numbers."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tornadolike._client.pool import IdlePool


def make(max_idle: int = 10, per_key: int = 10) -> IdlePool[str]:
    return IdlePool(max_idle, per_key)


def test_empty() -> None:
    pool = make()
    assert pool.take("a") is None
    assert pool.next_deadline() is None
    assert pool.expire(1e9) == []
    assert pool.drain() == []


def test_what_was_put_is_lent_once() -> None:
    pool = make()
    assert pool.put("a", "one", 0) == []
    assert pool.take("b") is None
    assert pool.take("a") == "one"
    assert pool.take("a") is None
    assert len(pool) == 0


def test_the_latest_is_lent_first() -> None:
    pool = make()
    for name in ("one", "two", "three"):
        pool.put("a", name, 0)
    assert [pool.take("a"), pool.take("a"), pool.take("a")] == ["three", "two", "one"]


def test_no_more_than_allowed_for_one_key() -> None:
    pool = make(per_key=2)
    pool.put("a", "one", 0)
    pool.put("b", "other", 0)
    pool.put("a", "two", 0)
    assert pool.put("a", "three", 0) == ["one"]
    assert len(pool) == 3


def test_no_more_than_allowed_altogether() -> None:
    pool = make(max_idle=2)
    pool.put("a", "one", 0)
    pool.put("b", "two", 0)
    assert pool.put("c", "three", 0) == ["one"]
    assert pool.take("a") is None


def test_a_pool_of_nothing() -> None:
    assert make(max_idle=0).put("a", "one", 0) == ["one"]
    assert make(per_key=0).put("a", "one", 0) == ["one"]


def test_expiry() -> None:
    pool = make()
    pool.put("a", "one", 15)
    pool.put("a", "two", 10)
    pool.put("b", "three", 12)
    assert pool.next_deadline() == 10
    assert pool.expire(9.9) == []
    assert pool.expire(10) == ["two"]
    assert pool.next_deadline() == 12
    assert pool.expire(99) == ["one", "three"]


def test_a_dead_connection_is_forgotten() -> None:
    pool = make()
    pool.put("a", "one", 0)
    assert pool.discard("one")
    assert not pool.discard("one")
    assert pool.take("a") is None


def test_drain() -> None:
    pool = make()
    pool.put("a", "one", 0)
    pool.put("b", "two", 0)
    assert pool.drain() == ["one", "two"]
    assert (len(pool), pool.take("a")) == (0, None)


class PoolMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order: nothing is lent twice, nothing gets lost, and the limits hold."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = make(max_idle=4, per_key=2)
        self.now = 0.0
        self.made = 0
        self.idle: dict[str, str] = {}

    def gone(self, connections: list[str]) -> None:
        for connection in connections:
            del self.idle[connection]

    @rule(key=st.sampled_from("abc"), seconds=st.integers(1, 4))
    def put(self, key: str, seconds: int) -> None:
        self.made += 1
        connection = f"{key}{self.made}"
        self.idle[connection] = key
        self.gone(self.pool.put(key, connection, self.now + seconds))

    @rule(key=st.sampled_from("abc"))
    def take(self, key: str) -> None:
        connection = self.pool.take(key)
        assert (connection is None) == (key not in self.idle.values())
        if connection is not None:
            assert self.idle.pop(connection) == key

    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        if self.idle:
            connection = data.draw(st.sampled_from(sorted(self.idle)))
            assert self.pool.discard(connection)
            del self.idle[connection]

    @rule(seconds=st.integers(0, 4))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.gone(self.pool.expire(self.now))
        deadline = self.pool.next_deadline()
        assert deadline is None or deadline > self.now

    @invariant()
    def limits(self) -> None:
        assert len(self.pool) == len(self.idle) <= 4
        assert all(list(self.idle.values()).count(key) <= 2 for key in "abc")


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

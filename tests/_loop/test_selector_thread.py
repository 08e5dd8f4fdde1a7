"""The thread that waits with select: rounds, wake-ups, files that vanish, the end."""

import queue
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tornadolike._loop.selector_thread import SelectThread

Reports = "queue.SimpleQueue[tuple[list[Any], list[Any]]]"


@pytest.fixture
def reports() -> Any:
    return queue.SimpleQueue()


@pytest.fixture
def select_thread(reports: Any) -> Iterator[SelectThread]:
    thread = SelectThread(lambda readable, writable: reports.put((readable, writable)))
    thread.thread.start()
    yield thread
    thread.close()
    assert not thread.thread.is_alive()


def test_a_round_reports_what_is_ready_once(select_thread: SelectThread, reports: Any) -> None:
    left, right = socket.socketpair()
    with left, right:
        right.send(b"x")
        select_thread.begin_round([select_thread.waker_r, left], [])
        assert reports.get(timeout=5) == ([left], [])
        select_thread.begin_round([select_thread.waker_r], [left])
        assert reports.get(timeout=5) == ([], [left])
        assert reports.empty()


def test_wake_ends_a_round_and_many_are_as_good_as_one(select_thread: SelectThread, reports: Any) -> None:
    select_thread.begin_round([select_thread.waker_r], [])
    for _ in range(10_000):
        select_thread.wake()
    assert reports.get(timeout=5) == ([select_thread.waker_r], [])
    while True:
        try:
            select_thread.waker_r.recv(1 << 20)
        except BlockingIOError:
            break
    select_thread.drain()


def test_a_file_that_was_closed_meanwhile_ends_the_round_as_a_wake_up(select_thread: SelectThread, reports: Any) -> None:
    left, right = socket.socketpair()
    left.close()
    right.close()
    select_thread.wake()
    select_thread.begin_round([select_thread.waker_r, left], [right])
    assert reports.get(timeout=5) == ([select_thread.waker_r], [])


def test_close_ends_a_thread_in_select_and_may_be_repeated(select_thread: SelectThread) -> None:
    select_thread.begin_round([select_thread.waker_r], [])
    select_thread.close()
    assert not select_thread.thread.is_alive()
    assert select_thread.waker_r.fileno() == select_thread.waker_w.fileno() == -1
    select_thread.close()
    select_thread.wake()


def test_close_of_a_thread_that_never_started_frees_the_sockets() -> None:
    thread = SelectThread(lambda readable, writable: None)
    thread.close()
    assert thread.waker_r.fileno() == -1

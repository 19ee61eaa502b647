"""Mappers: bounded, complete, and honest about errors."""

from __future__ import annotations

import threading
import time

import pytest

from mingolotss import mappers


def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_every_task_gives_its_result_once(pool):
    """Whatever the order, nothing is lost and nothing comes twice."""
    with getattr(mappers, pool)(2) as mapper:
        assert sorted(mapper(double, range(25))) == list(range(0, 50, 2))


def test_few_tasks_are_taken_ahead():
    """A plan of millions is never in memory as tasks: two for each worker are."""
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield number

    with mappers.threads(2) as mapper:
        results = mapper(double, tasks())
        for _ in range(10):
            next(results)
        assert len(taken) <= 10 + 2 * 2 + 1
        results.close()


def test_an_error_stops_the_rest():
    """What has not begun does not begin after an error."""
    begun, lock = [], threading.Lock()

    def fail(number):
        with lock:
            begun.append(number)
        if number == 3:
            raise ValueError(number)
        time.sleep(0.01)

    with pytest.raises(ValueError, match="3"), mappers.threads(2) as mapper:
        list(mapper(fail, range(1000)))
    assert len(begun) < 20

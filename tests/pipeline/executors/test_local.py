"""Mappers: bounded, complete, and honest about errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path

import pytest

from builds import command
from mingolotss.errors import InputError
from mingolotss.pipeline.executors import local as executors
from skies import random_sky


def double(number: int) -> int:
    return 2 * number


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_every_task_gives_its_result_once(pool):
    """Whatever the order, nothing is lost and nothing comes twice."""
    with getattr(executors, pool)(2) as mapper:
        assert sorted(mapper(double, range(25))) == list(range(0, 50, 2))


@pytest.mark.slow
def test_workers_start_before_there_is_work():
    """A command reads its catalogue while they start; nothing is left of them after it.

    The executor starts no second worker while the first one is idle, which it can be on a busy
    machine: the first has then done its first task before the second was given.
    """
    before = set(active_children())
    with executors.processes(2):
        limit = time.monotonic() + 60
        while not set(active_children()) - before:
            assert time.monotonic() < limit
            time.sleep(0.01)
    assert set(active_children()) == before


@pytest.mark.slow
@pytest.mark.parametrize("error", [InputError, KeyboardInterrupt])
def test_what_stops_the_caller_stops_workers_that_are_starting(error):
    """However early it comes, the error is the caller's own and no worker is left."""
    before = set(active_children())
    with pytest.raises(error), executors.processes(2):
        raise error("early")
    assert set(active_children()) == before


def test_few_tasks_are_taken_ahead():
    """A plan of millions is never in memory as tasks: two for each worker are.

    As many again may be finished at once, of which the first results have been taken.
    """
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield number

    with executors.threads(2) as mapper:
        results = mapper(double, tasks())
        for _ in range(10):
            next(results)
        assert len(taken) <= 10 + 2 * 2 + 2 * 2
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

    with pytest.raises(ValueError, match="3"), executors.threads(2) as mapper:
        list(mapper(fail, range(1000)))
    assert len(begun) < 20


def pause(folder: str) -> None:
    """Say who is at work, and work for long."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


# A shell starts what it runs in the background with SIGINT ignored, which Python then leaves so.
CALLER = """
import signal, sys
from mingolotss.pipeline.executors import local as executors
from test_local import pause
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with executors.processes(2) as mapper:
        list(mapper(pause, [sys.argv[1]] * 2))
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_caller(tmp_path, how):
    """Killed or interrupted, a build leaves no worker behind."""
    script = tmp_path / "caller.py"
    script.write_text(CALLER)
    (tmp_path / "at-work").mkdir()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])
    }
    command = [sys.executable, script, tmp_path / "at-work"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as caller:
        until(lambda: len(list((tmp_path / "at-work").iterdir())) == 2)
        workers = [int(path.name) for path in (tmp_path / "at-work").iterdir()]
        assert all(alive(worker) for worker in workers)
        caller.send_signal(how)
        try:
            _, said = caller.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            caller.kill()  # the test fails; it must not wait for this process forever
            raise
    until(lambda: not any(alive(worker) for worker in workers))
    assert said.count("Traceback") == (how == signal.SIGINT)  # the caller's own, and no worker's


def until(true) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not asked about does not."""
    state = Path(f"/proc/{pid}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def die(number: int) -> int:
    """End like a process that ran out of memory."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_worker_that_dies_is_one_line():
    """What to do is said; nothing waits forever."""
    with (
        pytest.raises(InputError, match=r"died.*same command again"),
        executors.processes(2) as mapper,
    ):
        list(mapper(die, range(8)))


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.6, 1.2, 1.8, 2.4])
def test_ctrl_c_is_one_line(tmp_path, delay):
    """A terminal sends it to every process of the command; one of them answers."""
    sky = random_sky(tmp_path / "in", 40, seed=2, kinds=("float32",))
    line = command("build", "--catalogue", sky.catalogue, "--service", f"folder:{sky.folder}",
                   "--out", tmp_path / "out", "--workers", 2)  # fmt: skip
    with subprocess.Popen(
        line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    ) as build:
        time.sleep(delay)
        with suppress(ProcessLookupError):
            os.killpg(build.pid, signal.SIGINT)
        _, said = build.communicate(timeout=60)
    assert "forkserver" not in said
    if build.returncode == 130:
        assert said.splitlines()[-1] == (
            "mingolotss: interrupted; run the same command again to resume"
        )
        assert "Traceback" not in said
    else:  # before the program began, or after it ended
        assert build.returncode in {0, 1, -signal.SIGINT}

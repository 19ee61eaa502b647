"""Workers begin with the stamps of a new build while its splits are planned, and change nothing."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from builds import contents
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import InputError
from mingolotss.pipeline import head_start as head_starts
from mingolotss.pipeline import plan as planning
from mingolotss.pipeline.executors.base import EarlyMapper, WorkerDiedError
from mingolotss.pipeline.executors.local import processes, threads
from mingolotss.pipeline.head_start import HeadStart
from mingolotss.pipeline.pending_splits import pending_splits
from mingolotss.pipeline.run import build
from named_builds import make_recipe, write_mosaic

N = 150  # sources of three parts
SPLIT = "stratified:train=0.8,test=0.2,seed=0"


class EagerThreads:
    """An `EarlyMapper` of two threads that takes all tasks at once.

    Parameters
    ----------
    dies_at : int, optional
        The part at which a worker dies, once.
    """

    def __init__(self, dies_at: int = -1) -> None:
        self.dies_at, self.begun = dies_at, 0

    def __call__(self, function, tasks, /):
        """Return the results."""
        return [function(task) for task in tasks]

    @contextmanager
    def start(self, function, tasks, /):
        """Begin with all tasks."""
        with ThreadPoolExecutor(2) as pool:
            futures = {pool.submit(function, task): task for task in tasks}
            self.begun += len(futures)

            def results():
                dead = [task for task in futures.values() if task.index == self.dies_at]
                yield from (future.result() for future, task in futures.items() if task not in dead)
                if dead:
                    raise WorkerDiedError("a worker died", tasks=dead)

            yield results()


@pytest.fixture
def make(tmp_path):
    """Return a function that builds from one mosaic into a folder, with a mapper."""
    names = [f"S{index}" for index in range(N)]
    sky = write_mosaic(tmp_path / "mosaics" / "F+1-mosaic.fits", N)
    catalogue = Catalogue.from_columns(
        names, sky.ra.deg, sky.dec.deg, labels=np.arange(N) % 2, classes=("A", "B")
    )

    def make_build(name, mapper=map, **changes):
        recipe = make_recipe(**{"split.plan": SPLIT, **changes})
        service = f"mosaics:{tmp_path / 'mosaics'}"
        return build(
            recipe, out=tmp_path / name, catalogue=catalogue, service=service, mapper=mapper
        ).out

    return make_build


def slow_splits(monkeypatch, before):
    """Call a function when the splits are planned, after the workers have begun."""
    plan_splits = planning.plan_splits

    def plan_slowly(*arguments):
        before()
        return plan_splits(*arguments)

    monkeypatch.setattr(planning, "plan_splits", plan_slowly)


def test_a_head_start_gives_the_same_files(make):
    """Every file of the build is equal to the byte, in all formats without FITS."""
    mapper = EagerThreads()
    assert contents(make("early", mapper)) == contents(make("late"))
    assert mapper.begun == 3


def test_nothing_is_written_before_the_plan_is_recorded(make, tmp_path, monkeypatch):
    """The stamps of all parts exist in memory, and the folder has its lock alone."""
    stamps, files = threading.Semaphore(0), []
    waiting = head_starts.PendingSplits.wait

    def wait_and_tell(pending):
        stamps.release()
        return waiting(pending)

    def look():
        for _ in range(2):  # the two threads have made their first parts
            assert stamps.acquire(timeout=60)
        time.sleep(0.01)
        files.extend(path.name for path in (tmp_path / "out").rglob("*"))

    monkeypatch.setattr(head_starts.PendingSplits, "wait", wait_and_tell)
    slow_splits(monkeypatch, look)
    make("out", EagerThreads())
    assert files == [".build.lock"]


def test_an_error_of_planning_leaves_nothing(make, tmp_path, monkeypatch):
    """Workers that wait are released, and the same mapper makes the next build."""
    mapper = EagerThreads()

    def fail():
        raise InputError("no splits")

    with monkeypatch.context() as patch:
        slow_splits(patch, fail)
        with pytest.raises(InputError, match="no splits"):
            make("out", mapper)
    assert mapper.begun == 3
    assert not (tmp_path / "out").exists()
    assert contents(make("out", mapper)) == contents(make("late"))


def test_a_worker_that_dies_early_is_replaced(make):
    """Its part is made again, alone, and every part once."""
    mapper = EagerThreads(dies_at=1)
    assert contents(make("early", mapper)) == contents(make("late"))


@pytest.mark.parametrize("other", ["threads", "fits", "remote", "parts", "recorded"])
def test_some_builds_get_no_head_start(make, tmp_path, monkeypatch, other):
    """Threads share the interpreter; FITS files have the split; a resumed build has parts."""
    mapper, changes = EagerThreads(), {}
    if other == "fits":
        changes = {"formats": ["fits"]}
    elif other == "remote":
        monkeypatch.setattr(head_starts, "reads_ahead", lambda _: True)
    elif other in {"parts", "recorded"}:
        out = make("out")
        if other == "parts":
            (out / "recipe.toml").unlink()
    if other == "threads":
        with threads(2) as mapper:
            assert not isinstance(mapper, EarlyMapper)
            make("out", mapper)
        return
    make("out", mapper, **changes)
    assert mapper.begun == 0


def test_workers_wait_for_splits_that_never_come():
    """They end when the folder is removed."""
    with pending_splits() as pending:
        waiting = ThreadPoolExecutor(1).submit(pending.wait)
        time.sleep(0.01)
        assert not waiting.done()
    with pytest.raises(InputError, match="given up while it was planned"):
        waiting.result(timeout=60)


def test_without_room_for_temporary_files_there_is_no_head_start(make, tmp_path, monkeypatch):
    """The build goes on as it would without one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    mapper = EagerThreads()
    make("out", mapper)
    assert mapper.begun == 0


@pytest.mark.slow
def test_worker_processes_begin_early(make, tmp_path, monkeypatch):
    """Processes give the files of one thread, also after an error of planning."""
    begun = []
    go_on = HeadStart.go_on
    monkeypatch.setattr(
        HeadStart, "go_on", lambda *arguments: begun.append(go_on(*arguments)) or begun[-1]
    )

    def fail():
        time.sleep(0.5)
        raise InputError("no splits")

    with processes(2) as mapper:
        with monkeypatch.context() as patch:
            slow_splits(patch, fail)
            with pytest.raises(InputError, match="no splits"):
                make("early", mapper)
        assert not (tmp_path / "early").exists()
        assert not begun
        early = contents(make("early", mapper))
        again = contents(make("early", mapper))
    assert [one is None for one in begun] == [False, True]
    assert early == again == contents(make("late"))


@pytest.mark.slow
def test_tasks_begin_before_their_results_are_asked_for():
    """What has not begun at the end of the block does not begin; the mapper can be used again."""
    with processes(1) as mapper:
        with mapper.start(abs, [-1, -2, -3]) as results:
            assert sorted(results) == [1, 2, 3]
        with mapper.start(time.sleep, [0.2] * 100):
            pass
        with mapper.start(abs, iter([-1, "no number"])) as results, pytest.raises(TypeError):
            list(results)
        assert [*mapper(abs, [-4])] == [4]

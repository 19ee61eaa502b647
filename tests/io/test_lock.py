"""A lock keeps processes apart, ends with its process, and leaves no file behind."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mingolotss.io.lock import file_lock, lock_path, remove_stale_lock

SPAWN = multiprocessing.get_context("spawn")


def count_up(lock: Path, counter: Path, times: int) -> None:
    """Add to a number in a file; without a lock, processes would overwrite each other's sums."""
    for _ in range(times):
        with file_lock(lock):
            value = int(counter.read_text())
            time.sleep(0.001)
            counter.write_text(str(value + 1))


def hold(lock: Path, ready: Path) -> None:
    """Hold a lock until the process is killed."""
    with file_lock(lock):
        ready.touch()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds a lock, and return it with the path of the lock."""
    lock, ready = tmp_path / "in" / ".x.lock", tmp_path / "ready"
    process = SPAWN.Process(target=hold, args=(lock, ready))
    process.start()
    deadline = time.monotonic() + 30
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield process, lock
    process.kill()
    process.join()


def test_processes_take_turns(tmp_path):
    """Three processes that count in one file lose nothing, and the lock file is gone at the end."""
    lock, counter = tmp_path / ".x.lock", tmp_path / "counter"
    counter.write_text("0")
    processes = [SPAWN.Process(target=count_up, args=(lock, counter, 30)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert counter.read_text() == "90"
    assert [path.name for path in tmp_path.iterdir()] == ["counter"]


def test_threads_take_turns(tmp_path):
    """The lock also keeps the threads of one process apart."""
    lock, counter = tmp_path / ".x.lock", tmp_path / "counter"
    counter.write_text("0")
    threads = [threading.Thread(target=count_up, args=(lock, counter, 20)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counter.read_text() == "60"


def test_without_waiting_a_held_lock_is_an_error(holder):
    """The error comes at once, and neither the lock nor its file is touched."""
    process, lock = holder
    start = time.monotonic()
    with (
        pytest.raises(BlockingIOError, match="held by another process"),
        file_lock(lock, wait=False),
    ):
        pass
    remove_stale_lock(lock)
    assert time.monotonic() - start < 10
    assert lock.exists()
    assert process.is_alive()


def test_a_killed_process_blocks_nobody(holder):
    """The file of a killed process stays until the lock is used again, or is removed as stale."""
    process, lock = holder
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    assert lock.exists()
    with file_lock(lock, wait=False):
        assert lock.exists()
    assert not lock.exists()
    lock.touch()
    remove_stale_lock(lock)
    assert not lock.exists()
    remove_stale_lock(lock)  # nothing to remove
    assert not lock.exists()


def test_the_folder_may_go_away_while_a_process_waits(tmp_path):
    """A download that fails removes the folder it created; the next process creates it again."""
    lock = tmp_path / "root" / ".x.lock"
    entered = threading.Event()

    def wait_for_the_lock() -> None:
        with file_lock(lock):
            entered.set()

    with file_lock(lock):
        waiting = threading.Thread(target=wait_for_the_lock)
        waiting.start()
        time.sleep(0.1)
        assert not entered.is_set()
        shutil.rmtree(lock.parent)
    waiting.join(30)
    assert entered.is_set()


def test_an_error_in_the_block_releases_the_lock(tmp_path):
    """The next one can hold it."""
    lock = lock_path(tmp_path / "x.csv")
    with pytest.raises(ZeroDivisionError), file_lock(lock):
        raise ZeroDivisionError
    with file_lock(lock, wait=False):
        assert lock == tmp_path / ".x.csv.lock"


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    """A file is in the place of the folder."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), file_lock(tmp_path / "file" / ".x.lock"):
        pass


WITHOUT_FCNTL = """
import sys, warnings
sys.modules["fcntl"] = None
warnings.simplefilter("ignore")  # filelock warns that it has no lock of the operating system
from pathlib import Path
from mingolotss.io.lock import file_lock
lock = Path(sys.argv[1])
with file_lock(lock):
    try:
        with file_lock(lock, wait=False):
            print("both")
    except BlockingIOError:
        print("one")
print(lock.exists())
"""


def test_the_lock_works_without_fcntl(tmp_path):
    """Not every platform has fcntl."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FCNTL, tmp_path / ".x.lock"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["one", "False"], done.stderr

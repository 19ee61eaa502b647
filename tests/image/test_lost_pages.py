"""A mapped file that is cut short reads as zeros where it is watched, and nowhere else."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mingolotss.image.kernel_library import available
from mingolotss.image.lost_pages import LostPages

pytestmark = pytest.mark.skipif(
    not (available() and sys.platform.startswith("linux")), reason="needs the kernel, and Linux"
)
PAGE = mmap.PAGESIZE


def mapped(path):
    """Map four pages, of which two are then cut off."""
    path.write_bytes(b"x" * 4 * PAGE)
    with path.open("rb") as stream:
        pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    os.truncate(path, 2 * PAGE)
    return pages


def test_lost_pages_are_zeros_and_counted(tmp_path):
    pages = mapped(tmp_path / "a")
    with LostPages() as lost:
        assert pages[: 2 * PAGE] == b"x" * 2 * PAGE
    assert lost.pages == 0
    with LostPages() as lost:
        assert pages[:] == b"x" * 2 * PAGE + bytes(2 * PAGE)
    assert lost.pages == 2
    with LostPages() as lost:
        assert pages[:] == b"x" * 2 * PAGE + bytes(2 * PAGE)
    assert lost.pages == 0


def test_a_page_counts_in_the_innermost_block(tmp_path):
    with LostPages() as outer:
        first, second = mapped(tmp_path / "a"), mapped(tmp_path / "b")
        with LostPages() as inner:
            assert not any(first[2 * PAGE :])
        assert second[3 * PAGE] == 0
    assert (inner.pages, outer.pages) == (2, 1)


def test_each_thread_watches_for_itself(tmp_path):
    counts = []

    def read(number):
        pages = mapped(tmp_path / f"{number}")
        for _ in range(number):
            with LostPages():
                pass
        with LostPages() as lost:
            assert not any(pages[2 * PAGE :])
        counts.append(lost.pages)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [2] * 8


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from test_lost_pages import PAGE, mapped
from mingolotss.image.lost_pages import LostPages
with LostPages():
    pass
{before}
mapped(Path({file!r}))[3 * PAGE]
"""


def test_a_signal_from_another_process_ends_the_process_as_ever():
    script = (
        "import os, signal\n"
        "from mingolotss.image.lost_pages import LostPages\n"
        "with LostPages(): os.kill(os.getpid(), signal.SIGBUS)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGBUS, done.stderr


@pytest.mark.parametrize("before", ["", "import faulthandler; faulthandler.enable()"])
def test_a_fault_that_nobody_watches_ends_the_process_as_ever(tmp_path, before):
    """Other programs in the process get no zeros without a word."""
    path = [str(Path(__file__).parent), *sys.path]
    script = SCRIPT.format(path=path, before=before, file=str(tmp_path / "a"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGBUS, done.stderr
    assert (b"Bus error" in done.stderr) == bool(before)

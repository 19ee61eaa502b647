"""Addresses at which no Dask scheduler answers: one line within 20 s."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mingolotss.errors import InputError, ServiceUnavailableError
from mingolotss.pipeline.executors.dask import cluster

pytest.importorskip("distributed", reason="needs the extra dask")

from distributed import LocalCluster

pytestmark = pytest.mark.slow
LONGEST_S = 20


def silent(connection: socket.socket) -> None:
    """Accept, and say nothing."""
    threading.Event().wait(LONGEST_S)
    connection.close()


def closing(connection: socket.socket) -> None:
    connection.close()


def other(connection: socket.socket) -> None:
    """Speak another protocol, as an SSH or mail server does."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 100)
    connection.close()


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(
                        target=answer, args=(listener.accept()[0],), daemon=True
                    ).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("answer", [silent, closing, other])
@pytest.mark.parametrize("prefix", ["tcp://", ""])
def test_a_port_without_a_scheduler(answer, prefix):
    if answer is other and not prefix:
        pytest.skip("one address is enough for the library")
    began = time.monotonic()
    with (
        server(answer) as port,
        pytest.raises(ServiceUnavailableError, match="reach the Dask scheduler") as caught,
        cluster(f"{prefix}127.0.0.1:{port}"),
    ):
        raise AssertionError
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < LONGEST_S


@pytest.mark.parametrize("address", ["nothing.json", "tcp://127.0.0.1:1", "127.0.0.1:99999"])
def test_nothing_there(address):
    began = time.monotonic()
    with pytest.raises((InputError, ServiceUnavailableError)), cluster(address):
        raise AssertionError
    assert time.monotonic() - began < LONGEST_S


def test_a_scheduler_without_workers(caplog):
    """Workers may come later; until then a line says what the build waits for."""
    with LocalCluster(n_workers=0, dashboard_address=None) as scheduler:
        with cluster(scheduler.scheduler_address):
            [line] = [one.getMessage() for one in caplog.records if "no worker yet" in one.msg]
            assert scheduler.scheduler_address in line
            assert "`dask worker`" in line
        caplog.clear()
        scheduler.scale(1)
        scheduler.wait_for_workers(1)
        with cluster(scheduler.scheduler_address) as mapper:
            assert list(mapper(abs, [-1, 2])) == [1, 2]
        assert "no worker yet" not in caplog.text

"""A host that cannot be reached at all is found out in seconds; a later outage is waited for."""

import logging
import pickle
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from mingolotss.errors import ServiceUnavailableError
from mingolotss.io.http import Limits, RetryPolicy, Transport, UnreachableHostError
from misbehave import Line, always, first, running

FIRST_S = 0.6
POLICY = RetryPolicy(
    attempts=3, first_s=0.05, longest_s=0.2, outage_s=20.0, first_contact_s=FIRST_S
)
BUSY = always(b"", "503 Service Unavailable")


def transport(policy: RetryPolicy = POLICY, **options: object) -> Transport:
    limits = Limits(connect_s=10.0, read_s=0.3, total_s=30.0)
    return Transport(limits=limits, retry_policy=policy, **options)


@contextmanager
def dropping(host: str = "127.0.0.1") -> Iterator[tuple[str, int]]:
    """Listen on an address that drops SYN packets: nobody accepts, and its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_refused_soon(client: Transport, url: str, match: str) -> None:
    """Many requests fail together, within the time for the first contact of one."""
    began, errors = time.monotonic(), []

    def get(number: int) -> None:
        with pytest.raises(UnreachableHostError) as caught:
            client.get(f"{url}/{number}")
        errors.append(str(caught.value))

    threads = [threading.Thread(target=get, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 5
    assert len(errors) == 12
    texts = "\n".join(errors)
    assert match in texts
    assert "<mingolotss" not in texts
    assert "_Connection" not in texts


def test_a_name_that_does_not_resolve(monkeypatch):
    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    reason = "archive.invalid cannot be reached (its name does not resolve: Temporary failure in"
    is_refused_soon(transport(), "https://archive.invalid", reason)


def test_a_name_server_that_drops_packets(monkeypatch):
    end = threading.Event()

    def resolve(*_: object, **__: object) -> list[object]:
        end.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        reason = "archive.invalid cannot be reached (archive.invalid was not resolved in time)"
        is_refused_soon(transport(), "http://archive.invalid", reason)
    finally:
        end.set()


def test_a_refused_connection():
    url = f"http://127.0.0.1:{closed_port()}"
    is_refused_soon(transport(), url, "Connection refused")


def test_a_host_that_drops_packets():
    with dropping() as (host, port):
        is_refused_soon(transport(), f"http://{host}:{port}", f"Connection to {host} timed out")


def test_an_address_that_drops_packets_leaves_time_for_the_next(monkeypatch):
    """A name with a dead address first, as IPv6 in a network without it, is reached."""
    original = socket.getaddrinfo
    with dropping("127.0.0.2") as dead, running({"*": always(b"x")}) as server:
        here = server.server_address

        def resolve(host: str, port: int, **options: object) -> list[object]:
            if host != "archive.test":
                return original(host, port, **options)
            return [entry for address in (dead, here) for entry in original(*address, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert transport().get("http://archive.test/a").body == b"x"


def test_an_outage_after_an_answer_is_waited_for_and_reported(caplog):
    """Each pause of a second or more is one line; the clock is turned on by the pauses."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    policy = RetryPolicy(attempts=2, first_s=8.0, longest_s=30.0, outage_s=300.0)
    script = {"/a": always(b"a"), "/b": first(4, BUSY, always(b"b"))}
    with running(script) as server, caplog.at_level(logging.WARNING):
        client = transport(policy, clock=lambda: now[0], sleep=sleep, rng=random.Random(1))  # noqa: S311
        client.get(f"{server.url}/a")
        assert client.get(f"{server.url}/b").body == b"b"
    host = server.url.removeprefix("http://")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4
    assert all(line.startswith(f"waiting for {host}, retry in ") for line in lines)
    assert all(line.endswith(" s (status 503)") for line in lines)
    assert now[0] > POLICY.first_contact_s


def test_a_short_pause_is_not_reported(caplog):
    with running({"*": first(2, BUSY, always(b"a"))}) as server:
        assert transport().get(f"{server.url}/a").body == b"a"
    assert not caplog.records


def test_a_copy_for_a_worker_knows_which_hosts_were_reached():
    """The archive restarts between plan and build: the workers wait for it."""
    with running({"*": always(b"a")}) as server:
        client = transport()
        client.get(f"{server.url}/a")
    copy = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(client))))
    assert copy.limiter_for(server.url).reached
    assert not copy.limiter_for("http://127.0.0.1:9").reached


@pytest.mark.slow
def test_a_host_that_accepts_and_says_nothing_is_given_up_once():
    """Five attempts for the first request; the other sources do not wait as long again."""

    def silent(_line: Line, _number: int) -> None:
        time.sleep(0.6)

    with running({"*": silent}) as server:
        client = transport()
        with pytest.raises(ServiceUnavailableError, match="asked 3 times"):
            client.get(f"{server.url}/a")
        asked = server.asked.total()
        with pytest.raises(ServiceUnavailableError, match="not asked"):
            client.get(f"{server.url}/b")
        assert server.asked.total() == asked


def test_contact_without_a_request():
    with running({"*": always(b"x")}) as server:
        client = transport()
        client.require_contact(f"{server.url}/a")
        client.require_contact(f"{server.url}/a")
        assert server.asked.total() == 0
    with pytest.raises(UnreachableHostError, match="cannot be reached"):
        transport().require_contact(f"http://127.0.0.1:{closed_port()}/a")

"""Deadlines that hold, and hosts that may not be asked, against real servers on this machine."""

import gzip
import itertools
import re
import socket
import ssl
import threading
import time

import pytest
import trustme

from mingolotss.errors import ServiceAnswerError, ServiceError, ServiceUnavailableError
from mingolotss.io.http import Limits, RetryPolicy, Transport
from mingolotss.io.http.connections import is_public
from misbehave import Line, Reply, always, running

ONCE = RetryPolicy(attempts=1, first_s=0.0, longest_s=0.01, outage_s=0.0)
BODY = bytes(range(256)) * 20


def transport(**limits: float) -> Transport:
    settings = {"connect_s": 1.0, "read_s": 1.0, "total_s": 5.0, "max_bytes": 1 << 20} | limits
    return Transport(limits=Limits(**settings), retry_policy=ONCE)


def raw(*pieces: bytes, pause_s: float = 0.0, repeat: bool = False) -> Reply:
    """Send bytes as they are, with pauses between them, once or until the client hangs up."""

    def reply(line: Line, _: int) -> None:
        for piece in itertools.cycle(pieces) if repeat else pieces:
            line.wfile.write(piece)
            time.sleep(pause_s)

    return reply


def slowly(head: bytes, piece: bytes) -> Reply:
    """Send the head, and then the same piece every 50 ms for ever."""

    def reply(line: Line, _: int) -> None:
        line.wfile.write(head)
        while True:
            line.wfile.write(piece)
            time.sleep(0.05)

    return reply


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW = {
    "status line": slowly(b"HTTP/1.1 2", b"0"),
    "header name": slowly(OK, b"x"),
    "header value": slowly(OK + b"X-A: ", b"x"),
    "headers": slowly(OK, b"X: y\r\n"),
    "interim responses": slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": slowly(OK + b"Content-Length: 100000\r\n\r\n", b"x"),
    "body without a length": slowly(OK + b"\r\n", b"x"),
    "chunk size": slowly(CHUNKED, b"0"),
    "chunk extension": slowly(CHUNKED + b"5;", b"a"),
    "chunks": slowly(CHUNKED, b"1\r\nx\r\n"),
    "trailer": slowly(CHUNKED + b"0\r\n", b"X: y\r\n"),
    "gzip of nothing": slowly(OK + b"Content-Encoding: gzip\r\n\r\n", b"\x1f"),
    "page of an error": slowly(b"HTTP/1.1 404 Not Found\r\n\r\n", b"x"),
}


@pytest.mark.parametrize("name", SLOW)
def test_one_clock_for_the_whole_request(name):
    """A byte every 50 ms never runs into the time-out of one read, but into that of the whole."""
    began = time.monotonic()
    with running({"*": SLOW[name]}) as server, pytest.raises(ServiceUnavailableError):
        transport(total_s=0.4).get(f"{server.url}/a")
    assert time.monotonic() - began < 4


def test_the_clock_runs_on_through_redirects():
    """Each redirect is quick enough by itself."""

    def redirect(line: Line, number: int) -> None:
        time.sleep(0.2)
        line.send(b"", "302 Found", Location=f"/{number}/{line.path.count('/')}")

    began = time.monotonic()
    with running({"*": redirect}) as server, pytest.raises(ServiceError):
        transport(total_s=0.5, redirects=50).get(f"{server.url}/a")
    assert time.monotonic() - began < 4


def test_the_handshake_of_tls_has_the_same_clock():
    """A server that accepts the connection and then trickles no handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []
        thread = threading.Thread(target=lambda: accepted.append(listener.accept()), daemon=True)
        thread.start()
        began = time.monotonic()
        with pytest.raises(ServiceUnavailableError):
            transport(connect_s=0.3).get(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        assert time.monotonic() - began < 4
        thread.join(5)
        accepted[0][0].close()


def test_a_slow_body_over_tls_is_stopped(tmp_path):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    limits = Limits(read_s=1.0, total_s=0.5)
    client = Transport(limits=limits, retry_policy=ONCE, ca_certs=str(tmp_path / "ca.pem"))
    with running({"/a": SLOW["headers"], "/b": always(BODY)}) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = server.url.replace("http:", "https:")
        assert client.get(f"{url}/b").body == BODY
        began = time.monotonic()
        with pytest.raises(ServiceUnavailableError, match=r"in 0\.5 s, not yet all"):
            client.get(f"{url}/a")
    assert time.monotonic() - began < 4


def test_a_resolver_that_does_not_answer_is_left_behind(monkeypatch):
    """`getaddrinfo` cannot be interrupted; the request ends nevertheless."""
    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait(30))
    began = time.monotonic()
    with pytest.raises(ServiceUnavailableError, match="not resolved in time"):
        transport(connect_s=0.2).get("http://archive.example/")
    assert time.monotonic() - began < 4
    never.set()


FLOODS = {
    "headers": raw(OK, b"X: " + b"y" * 60_000 + b"\r\n", repeat=True),
    "short headers": raw(OK + b"X: y\r\n" * 5000, repeat=True),
    "one header": raw(OK + b"X: ", b"y" * 65536, repeat=True),
    "100 Continue": raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, repeat=True),
    "102 Processing": raw(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000, repeat=True),
    "103 with headers": raw(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 100, repeat=True),
    "chunk extensions": raw(CHUNKED, b"1;" + b"a" * 60_000 + b"\r\nx\r\n", repeat=True),
    "a chunk line": raw(CHUNKED + b"1;", b"a" * 65536, repeat=True),
    "status line": raw(b"HTTP/1.1 200 ", b"O" * 65536, repeat=True),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_without_content_ends_soon(name):
    """Bytes that are no content are limited, and not only in time."""
    sent = []

    def counting(line: Line, number: int) -> None:
        write = line.wfile.write
        line.wfile.write = lambda data: (sent.append(len(data)), write(data))
        FLOODS[name](line, number)

    began = time.monotonic()
    with running({"*": counting}) as server, pytest.raises(ServiceUnavailableError) as caught:
        transport(total_s=60.0).get(f"{server.url}/a")
    assert time.monotonic() - began < 30
    assert sum(sent) < 16 << 20  # the buffers of the two sockets included
    assert "\n" not in str(caught.value)


def test_a_flood_of_trailers_ends_soon():
    """The content is whole before them, so that both its delivery and an error are right."""
    flood = raw(CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n" * 5000, repeat=True)
    began = time.monotonic()
    with running({"*": flood}) as server:
        try:
            assert transport(total_s=60.0).get(f"{server.url}/a").body == b"x"
        except ServiceUnavailableError as error:
            # Python 3.14 counts trailers itself.
            assert re.search("without content|trailers", str(error))  # noqa: PT017
    assert time.monotonic() - began < 30


def test_small_chunks_are_content():
    """Five bytes of framing around each byte are unusual, but valid."""
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY * 9)
    with running({"*": raw(CHUNKED + body + b"0\r\n\r\n")}) as server:
        assert transport(max_bytes=1 << 22, total_s=60.0).get(f"{server.url}/a").body == BODY * 9


def test_interim_responses_before_the_final_one_are_skipped():
    """Whatever their number from 100 on, as RFC 9110, section 15.2, demands of a client."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    answer = hints + OK + b"Content-Length: 4\r\n\r\nbody"
    with running({"*": raw(answer)}) as server:
        assert transport().get(f"{server.url}/a").body == b"body"


LENGTHS = {
    "too long": (b"Content-Length: 9999\r\n", ServiceUnavailableError),
    "negative": (b"Content-Length: -5\r\n", None),
    "not a number": (b"Content-Length: many\r\n", None),
    "a superscript": (b"Content-Length: \xb2\r\n", None),
    "twice the same": (b"Content-Length: 5120\r\nContent-Length: 5120\r\n", None),
    "twice, different": (b"Content-Length: 5120\r\nContent-Length: 7\r\n", ServiceUnavailableError),
    "10^20": (b"Content-Length: 100000000000000000000\r\n", ServiceError),
    "5000 digits": (b"Content-Length: " + b"9" * 5000 + b"\r\n", None),
    "over the limit": (b"Content-Length: 1048577\r\n", ServiceAnswerError),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_wrong_content_length_is_no_other_error(name):
    """The whole body, or an error of a service: never a traceback, and never half a body."""
    header, error = LENGTHS[name]
    with running({"*": raw(OK + header + b"Connection: close\r\n\r\n" + BODY)}) as server:
        if error is None:
            assert transport().get(f"{server.url}/a").body == BODY
        else:
            with pytest.raises(error):
                transport().get(f"{server.url}/a")


@pytest.mark.slow
def test_a_server_that_closes_anywhere_is_a_passing_fault():
    """At each byte of the status line and the headers, and within the body."""
    answer = OK + b"Content-Type: text/plain\r\nContent-Length: 9\r\n\r\nsome text"
    for end in range(len(answer)):
        with running({"*": raw(answer[:end])}) as server, pytest.raises(ServiceUnavailableError):
            transport().get(f"{server.url}/a")


@pytest.mark.parametrize("end", [lambda _: None, Line.reset], ids=["FIN", "RST"])
def test_a_kept_connection_that_the_server_closes_is_no_fault(end):
    """The request that was on its way is repeated over a new connection, in the same attempt."""

    def once(line: Line, _: int) -> None:
        line.wfile.write(OK + b"Content-Length: 4\r\n\r\ntext")
        while line.rfile.readline().strip():  # the next request, which has no answer here
            pass
        end(line)

    client = transport()
    with running({"*": once}) as server:
        answers = [client.get(f"{server.url}/{number}").body for number in range(3)]
        assert answers == [b"text"] * 3
        assert sorted(server.asked) == ["/0", "/1", "/2"]


def test_a_new_connection_that_brings_nothing_is_a_fault():
    """Else a server that answers nobody would be asked for ever."""
    with running({"*": raw(b"")}) as server:
        with pytest.raises(ServiceUnavailableError, match="asked 1 times"):
            transport().get(f"{server.url}/a")
        assert server.asked["/a"] == 1


PAUSES = [
    "1000000000", "-5", "soon", "²", "9" * 400, "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 01 Jan 2100 00:00:00 GMT", "Mon, 99 Foo 2024",
]  # fmt: skip


@pytest.mark.parametrize("value", PAUSES)
def test_any_retry_after_is_one_passing_fault(value):
    """The longest pause is that of the policy."""
    head = f"HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    policy = RetryPolicy(attempts=2, first_s=0.01, longest_s=0.02, longest_retry_after_s=0.1,
                         outage_s=0.2)  # fmt: skip
    client = Transport(limits=Limits(read_s=1.0), retry_policy=policy)
    began = time.monotonic()
    busy = raw(head.encode("utf-8"))
    with running({"*": busy}) as server, pytest.raises(ServiceUnavailableError, match="status 503"):
        client.get(f"{server.url}/a")
    assert time.monotonic() - began < 30


def test_a_bomb_in_a_content_encoding_is_stopped():
    """Once compressed, and twice."""
    once = gzip.compress(bytes(100 << 20))
    for encoding, body in (("gzip", once), ("gzip, gzip", gzip.compress(once))):
        bomb = always(body, Content_Encoding=encoding)
        with (
            running({"*": bomb}) as server,
            pytest.raises(ServiceAnswerError, match="over the"),
        ):
            transport().get(f"{server.url}/a")


PRIVATE = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1",  # noqa: S104
    "::1", "::", "fe80::1", "fe80::1%lo", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2002:a00:1::1", "2001:0:1:2:3:4:5:6",
]  # fmt: skip


def test_addresses_that_are_not_public():
    assert not [address for address in PRIVATE if is_public(address)]
    public = [
        "8.8.8.8",
        "131.180.1.1",
        "2001:4860:4860::8888",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ]
    assert [address for address in public if is_public(address)] == public


LEADING = [
    "http://127.0.0.1:{port}/secret", "http://127.1:{port}/", "http://2130706433:{port}/",
    "http://0x7f000001:{port}/", "http://0177.0.0.1:{port}/", "http://0:{port}/",
    "http://localhost:{port}/", "http://LOCALHOST.:{port}/", "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/",
    "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://[fe80::1]/",
    "//127.0.0.1:{port}/secret", "http:\\\\127.0.0.1:{port}/", "http://archive.example@127.0.0.1/",
    "http://archive.example:80@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@archive.example/",
    "http://archive.example\\@127.0.0.1:{port}/", "http://127.0.0.1:{port}#@archive.example/",
    "http://127.0.0.1%09:{port}/", "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/",
    "data:text/plain,x", "dict://127.0.0.1/", "jar:http://127.0.0.1!/", "javascript:1", "http://[::1",
    "http://127.0.0.1:99999/", "http:///x", "http://\u2460\u2461\u2466.0.0.1:{port}/",
]  # fmt: skip


@pytest.mark.parametrize("address", LEADING)
def test_an_answer_leads_to_no_other_host_on_this_machine(address, monkeypatch):
    """A public archive names the address; the server behind it is never asked."""
    _resolve_archive(monkeypatch, itertools.repeat("203.0.113.9"))
    with running({"*": always(b"secret")}) as server:
        url = address.format(port=server.server_address[1])
        with pytest.raises(ServiceError) as caught:
            transport(connect_s=0.3).get(url, service="http://archive.example/siap")
        assert not server.asked
    assert "secret" not in str(caught.value).replace(url, "")


@pytest.mark.parametrize("address", LEADING)
def test_a_redirect_leads_to_no_other_host_either(address):
    """The service is on 127.0.0.2, and redirects to whatever it likes."""
    with running({"*": always(b"secret")}) as server:
        url = address.format(port=server.server_address[1])
        location = url.encode().decode("latin-1")
        client = transport(connect_s=0.3)
        leading = {"*": always(b"", "302 Found", Location=location)}
        with running(leading, "127.0.0.2") as service, pytest.raises(ServiceError):
            client.get(f"{service.url}/a")
        assert not server.asked


def _resolve_archive(monkeypatch, addresses) -> list[str]:
    """Let ``archive.example`` and ``evil.example`` resolve to one address after the other."""
    original, resolved = socket.getaddrinfo, []

    def getaddrinfo(host, port, *arguments, **options):
        if host.rstrip(".") in {"archive.example", "evil.example"}:
            host = next(addresses)
            resolved.append(host)
        return original(host, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return resolved


def test_a_name_is_resolved_once_and_the_checked_address_is_asked(monkeypatch):
    """DNS rebinding: public when it is checked, private when it is connected to."""
    resolved = _resolve_archive(monkeypatch, iter(["192.0.2.7", "127.0.0.1", "127.0.0.1"]))
    asked = []
    monkeypatch.setattr(
        "mingolotss.io.http.connections.is_public", lambda address: address == "192.0.2.7"
    )
    original = socket.socket.connect
    monkeypatch.setattr(
        socket.socket, "connect",
        lambda self, address: asked.append(address[0]) or original(self, ("127.0.0.1", 9)),
    )  # fmt: skip
    with pytest.raises(ServiceError):
        transport(connect_s=0.3).get("http://evil.example/x", service="http://8.8.8.8/")
    assert (resolved, asked) == (["192.0.2.7"], ["192.0.2.7"])


def test_a_name_in_an_answer_that_is_private_is_refused(monkeypatch):
    _resolve_archive(monkeypatch, itertools.repeat("127.0.0.1"))
    with running({"*": always(b"secret")}) as server:
        url = f"http://evil.example:{server.server_address[1]}/"
        with pytest.raises(ServiceAnswerError, match=r"a private address .127\.0\.0\.1. of"):
            transport().get(url, service="http://8.8.8.8/")
        assert not server.asked


def test_a_public_archive_that_becomes_private_is_not_followed(monkeypatch):
    """The user named a public host; its name then resolves to a service on this machine."""
    _resolve_archive(monkeypatch, iter(["203.0.113.5", "127.0.0.1", "127.0.0.1"]))
    monkeypatch.setattr(
        "mingolotss.io.http.connections.is_public", lambda address: address == "203.0.113.5"
    )
    client = transport(connect_s=0.2)
    with running({"*": always(b"secret")}) as server:
        url = f"http://archive.example:{server.server_address[1]}/"
        with pytest.raises(ServiceUnavailableError):
            client.get(url)  # nobody is there
        time.sleep(0.05)
        with pytest.raises(ServiceAnswerError, match="a private address"):
            client.get(url)
        assert not server.asked


def test_a_local_service_leads_to_its_own_host():
    """A DaCHS on this machine: by another port, and by another name of the same address."""
    with running({"*": always(BODY)}) as server, running({"*": always(b"x")}) as service:
        port = server.server_address[1]
        for url in (f"http://127.0.0.1:{port}/", f"http://localhost:{port}/"):
            assert transport().get(url, service=service.url).body == BODY
        named = f"http://localhost:{service.server_address[1]}/"
        assert transport().get(f"http://127.0.0.1:{port}/", service=named).body == BODY


def test_an_open_connection_is_not_lent_to_an_answer_of_another_service():
    """The user's own server is asked first; then an answer of a public archive names it."""

    def keep_alive(line: Line, _: int) -> None:
        line.wfile.write(OK + b"Content-Length: 4\r\n\r\nbody")
        line.rfile.readline()

    client = transport()
    with running({"*": keep_alive}) as server:
        assert client.get(f"{server.url}/mine").body == b"body"
        with pytest.raises(ServiceAnswerError, match="private address"):
            client.get(f"{server.url}/theirs", service="http://8.8.8.8/siap")
        assert "/theirs" not in server.asked

"""The HTTP client against a server with faults: what is kept, what is retried, and how often."""

import contextlib
import errno
import gzip
import io
import pickle
import random
import ssl
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import trustme
from astropy.io import fits

from mingolotss.errors import (
    InputError,
    ServiceAnswerError,
    ServiceError,
    ServiceUnavailableError,
    TruncatedFileError,
)
from mingolotss.io.http import Limits, RetryPolicy, Transport, require_complete_fits
from mingolotss.io.http import client as client_module
from mingolotss.service.concurrency import concurrent_map
from mingolotss.sky.fits_header import format_card, join_cards, pad_to_block
from misbehave import Line, Server, always, first, refusing, running
from serving import serving

QUICK = RetryPolicy(
    attempts=4, first_s=0.02, longest_s=0.1, longest_retry_after_s=0.3, outage_s=0.4
)


def fits_bytes(shape: tuple[int, int] = (30, 40)) -> bytes:
    """A FITS file with a header block and some blocks of data."""
    file = io.BytesIO()
    fits.PrimaryHDU(np.arange(shape[0] * shape[1], dtype=">f4").reshape(shape)).writeto(file)
    return file.getvalue()


GOOD = fits_bytes()
REFUSED = f"Failed to connect: [Errno {errno.ECONNREFUSED}]"


def transport(**limits: float) -> Transport:
    wanted = {"connect_s": 2.0, "read_s": 0.3, "total_s": 2.0, "max_bytes": 1 << 20} | limits
    return Transport(limits=Limits(**wanted), retry_policy=QUICK, rng=random.Random(7))  # noqa: S311


def cut(line: Line, _: int) -> None:
    """Declare the full length, and send half."""
    line.head(Content_Length=str(len(GOOD)))
    line.wfile.write(GOOD[: len(GOOD) // 2])


def cut_without_length(line: Line, _: int) -> None:
    """Send half of a response that ends with the connection."""
    line.head()
    line.wfile.write(GOOD[: len(GOOD) // 2])


def cut_chunks(line: Line, _: int) -> None:
    """Send one chunk, but not the last one."""
    line.head(Transfer_Encoding="chunked")
    line.wfile.write(b"1000\r\n" + GOOD[:4096] + b"\r\n")


def reset(line: Line, _: int) -> None:
    cut(line, 0)
    line.reset()


def stall(line: Line, _: int) -> None:
    line.head(Content_Length=str(len(GOOD)))
    line.wfile.write(GOOD[:100])
    time.sleep(0.6)


def silent(line: Line, _: int) -> None:
    time.sleep(0.6)


PASSING = {
    "cut": cut,
    "cut-without-length": cut_without_length,
    "cut-chunks": cut_chunks,
    "reset": reset,
    "stall": stall,
    "silent": silent,
    "empty": always(b""),
    "500": always(b"oops", "500 Internal Server Error"),
    "502": always(b"oops", "502 Bad Gateway"),
    "429": always(b"slow down", "429 Too Many Requests"),
    "503": always(b"later", "503 Service Unavailable"),
    "503-retry-after": always(b"later", "503 Service Unavailable", Retry_After="0"),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_temporary_fault_is_retried_until_the_file_is_complete(name, tmp_path):
    """After two bad responses and a good one, the file is complete; there were three requests."""
    with running({"*": first(2, PASSING[name], always(GOOD))}) as server:
        kept = transport().fetch(
            f"{server.url}/a.fits", tmp_path / "a.fits", validator=require_complete_fits
        )
    assert kept.path.read_bytes() == GOOD
    assert kept.size == len(GOOD)
    assert server.asked["/a.fits"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSING)
def test_a_lasting_fault_is_an_error_and_leaves_no_file(name, tmp_path):
    """The number of requests is limited, there is one clear error, and no file."""
    with running({"*": PASSING[name]}) as server:
        with pytest.raises(ServiceUnavailableError, match=rf"fetch {server.url}/a\.fits: ") as told:
            transport().fetch(
                f"{server.url}/a.fits", tmp_path / "a.fits", validator=require_complete_fits
            )
        assert told.value.url == f"{server.url}/a.fits"
    assert QUICK.attempts <= server.asked["/a.fits"] <= 16
    assert not list(tmp_path.iterdir())


FINAL = {
    "404": (always(b"gone", "404 Not Found"), "status 404"),
    "410": (always(b"no", "410 Gone"), "status 410"),
    "loop": (always(b"", "302 Found", Location="/a.fits"), "more than 5 redirects"),
    "to-file": (always(b"", "302 Found", Location="file:///etc/passwd"), "not followed"),
    "to-private": (always(b"", "302 Found", Location="http://10.0.0.1/x"), "private address"),
    "to-metadata": (
        always(b"", "301 Moved", Location="http://169.254.169.254/latest"),
        "private address",
    ),
    "to-other-loopback": (
        always(b"", "307 Moved", Location="http://[::1]:9/x"),
        "private address",
    ),
    "no-location": (always(b"", "302 Found"), "no Location"),
    "ten-gigabytes": (
        lambda line, _: line.head(Content_Length=str(10 * 10**9)),
        "10000000000 bytes or more, over the limit",
    ),
    "bad-gzip": (always(b"\x1f\x8bnonsense and more of it"), "gzip file that cannot be read"),
}


@pytest.mark.parametrize("name", FINAL)
def test_a_final_error_is_not_retried(name, tmp_path):
    """The same request would have the same response: there is no retry and no file."""
    reply, words = FINAL[name]
    with running({"*": reply}) as server, pytest.raises(ServiceAnswerError, match=words):
        transport().fetch(
            f"{server.url}/a.fits", tmp_path / "a.fits", validator=require_complete_fits
        )
    assert server.asked.total() <= 6
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_download_is_never_in_memory(tmp_path, packed):
    """48 MB arrive with less than 6 MB of memory, as FITS and as FITS in gzip."""
    rows, header = 3000, GOOD[:2880]
    for axis, old, new in ((1, 40, 4000), (2, 30, rows)):
        card = f"NAXIS{axis}  = {old:20d}".encode()
        assert card in header
        header = header.replace(card, f"NAXIS{axis}  = {new:20d}".encode())
    size = -(-4000 * rows * 4 // 2880) * 2880
    body = header + bytes(size)
    path, sent = tmp_path / "a.fits", gzip.compress(body, 1) if packed else body
    with running({"*": always(sent)}) as server:
        client = transport(max_bytes=1 << 30, total_s=60.0, read_s=30.0)
        client.get(f"{server.url}/a")  # imports and buffers
        tracemalloc.start()
        client.fetch(f"{server.url}/a", path, validator=require_complete_fits)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert path.stat().st_size == len(body)
    assert peak < 6 << 20


def test_a_full_disk_is_one_line_and_no_rejection(tmp_path, monkeypatch):
    """The build ends and is resumed later; nothing is recorded about the image."""

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(client_module.Transport, "_content", full)
    with running({"*": always(GOOD)}) as server, pytest.raises(InputError, match="no space left"):
        transport().fetch(f"{server.url}/a", tmp_path / "a.fits")
    assert server.asked.total() == 1
    assert not list(tmp_path.iterdir())


LATER = {
    "html": (
        always(b"<html><title>x</title><body>No such <b>field</b>"),
        "HTML page.*No such field",
    ),
    "text": (always(b"the database is being restored"), "no FITS file: .the database is"),
    "403": (always(b"no", "403 Forbidden"), "status 403"),
    "401": (always(b"no", "401 Unauthorized"), "status 401.*give USER:PASSWORD@ before"),
    "202": (always(b"staging from tape", "202 Accepted"), "status 202: .staging from tape"),
}


@pytest.mark.parametrize("name", LATER)
def test_an_error_that_may_pass_is_left_to_the_next_run(name, tmp_path):
    """A page with status 200 may be about maintenance: no retry now, and no final refusal."""
    reply, words = LATER[name]
    with running({"*": reply}) as server, pytest.raises(ServiceUnavailableError, match=words):
        transport().fetch(
            f"{server.url}/a.fits", tmp_path / "a.fits", validator=require_complete_fits
        )
    assert server.asked.total() == 1
    assert not list(tmp_path.iterdir())


def test_a_flood_without_length_is_stopped_at_the_limit():
    """A chunked response has no length: it is stopped when it exceeds the limit, not at its end."""
    sent = []

    def flood(line: Line, _: int) -> None:
        line.head(Transfer_Encoding="chunked")
        for _ in range(10_000):
            line.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")
            sent.append(65536)

    with running({"*": flood}) as server, pytest.raises(ServiceAnswerError, match="over the limit"):
        transport().get(f"{server.url}/a")
    assert sum(sent) < 64 << 20


def test_a_slow_body_is_stopped_by_the_total_time_out():
    """Bytes that keep coming reset the read time-out again and again, but not the total one."""

    def trickle(line: Line, _: int) -> None:
        line.head(Content_Length="1000")
        for _ in range(200):
            line.wfile.write(b".")
            time.sleep(0.02)

    retry_policy = RetryPolicy(attempts=2, first_s=0.01)
    client = Transport(limits=Limits(read_s=1.0, total_s=0.3), retry_policy=retry_policy)
    began = time.monotonic()
    with running({"*": trickle}) as server, pytest.raises(ServiceUnavailableError, match="not yet"):
        client.get(f"{server.url}/a")
    assert time.monotonic() - began < 3
    assert server.asked["/a"] == 2


def test_a_redirect_on_the_same_host_is_followed():
    script = {"/a": always(b"", "302 Found", Location="b?x=1"), "/b": always(GOOD)}
    with running(script) as server:
        answer = transport().get(f"{server.url}/a")
    assert answer.url == f"{server.url}/b?x=1"
    assert answer.body == GOOD


def test_refused_connections_are_waited_for():
    """If a server restarts, the request succeeds once the server is back."""
    with running({"*": always(GOOD)}) as server:
        url, port = f"{server.url}/a", server.server_address[1]
    late = RetryPolicy(attempts=2, first_s=0.02, longest_s=0.1, outage_s=10)
    client = Transport(limits=Limits(connect_s=1), retry_policy=late)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(client.get, url) for _ in range(8)]
        time.sleep(0.5)
        with serving(Server({"*": always(GOOD)}, port=port)):
            assert {task.result(10).body for task in waiting} == {GOOD}


def test_an_unavailable_host_fails_all_its_requests():
    """In one outage with 200 sources, the later ones fail at once, without a wait of their own."""
    client = transport()
    began = time.monotonic()
    with refusing() as url, ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: _error(client, f"{url}/{n}"), range(200)))
    assert time.monotonic() - began < 8
    assert [text for text in told if f"cannot be reached ({REFUSED}" not in text] == []


def _error(client: Transport, url: str) -> str:
    with pytest.raises(ServiceUnavailableError) as told:
        client.get(url)
    return str(told.value)


def test_retry_after_is_obeyed_and_capped():
    """The pause that a server asks for applies to the whole host, up to the limit of 0.3 s."""
    busy = always(b"", "429 Too Many Requests", Retry_After="3600")
    with running({"/a": first(1, busy, always(GOOD)), "/b": always(GOOD)}) as server:
        client = transport()
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(client.get, f"{server.url}/a")
            while not server.asked["/a"]:
                time.sleep(0.005)
            time.sleep(0.05)
            two = pool.submit(client.get, f"{server.url}/b")
            assert one.result().body == two.result().body == GOOD
        times = sorted(server.times)
    assert 0.28 < times[1] - times[0] < 2
    assert server.asked == {"/a": 2, "/b": 1}


def test_no_more_connections_at_once_than_allowed():
    """Twenty threads share three connections, counted until the response is sent."""
    inside, most, lock = 0, 0, threading.Lock()

    def slow(line: Line, _: int) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.02)
        with lock:
            inside -= 1
        line.send(GOOD)

    with running({"*": slow}) as server:
        client = transport(connections=3, read_s=20.0, total_s=20.0)
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda n: client.get(f"{server.url}/{n}"), range(40)))
        assert most == 3
        assert server.asked.total() == 40
        assert all(agent.startswith("mingolotss/") for agent in server.agents)


@pytest.mark.parametrize("packed", ["body", "encoding"])
def test_gzip_is_decompressed(packed, tmp_path):
    """FITS in gzip, as a file or as a content encoding, is stored as plain FITS."""
    extra = {"Content_Encoding": "gzip"} if packed == "encoding" else {}
    with running({"*": always(gzip.compress(GOOD), **extra)}) as server:
        kept = transport().fetch(
            f"{server.url}/a", tmp_path / "a.fits", validator=require_complete_fits
        )
    assert kept.path.read_bytes() == GOOD


def test_a_gzip_bomb_is_stopped():
    bomb = gzip.compress(bytes(50 << 20))
    gz = always(bomb, Content_Encoding="gzip")
    with running({"*": gz}) as server, pytest.raises(ServiceAnswerError, match="over the limit"):
        transport().get(f"{server.url}/a")
    with pytest.raises(ServiceAnswerError, match="unfolds into more"):
        require_complete_fits(bomb, max_bytes=1 << 20)
    with pytest.raises(ServiceAnswerError, match="unfolds into more"):
        require_complete_fits(
            gzip.compress(b"SIMPLE  =") + bomb, max_bytes=1 << 20
        )  # in the second member
    with pytest.raises(ServiceAnswerError, match="cannot be read"):
        require_complete_fits(gzip.compress(GOOD) + b"more")
    assert require_complete_fits(gzip.compress(GOOD[:99]) + gzip.compress(GOOD[99:])) == GOOD


def test_a_certificate_that_does_not_verify_is_not_accepted(tmp_path):
    """The server supports TLS, but its certificate is not from a trusted authority."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    with running({"*": always(GOOD)}) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = server.url.replace("http:", "https:") + "/a"
        with pytest.raises(ServiceUnavailableError, match="certificate does not verify"):
            transport().get(url)
        assert not server.asked
        trusting = Transport(limits=Limits(read_s=2), retry_policy=QUICK, ca_certs=str(pem))
        assert trusting.get(url).body == GOOD


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "file:///etc/passwd", "x.fits", "http://", "http://[x"]
)
def test_only_web_addresses_are_fetched(url):
    with pytest.raises(ServiceAnswerError, match="fetch "):
        transport().get(url)


@pytest.mark.parametrize("status", ["404 Not Found", "416 Range Not Satisfiable", "500 Oops"])
def test_an_error_carries_the_status_of_the_response(status):
    """Callers look at `status` and not at the text of the message."""
    with running({"*": always(b"no", status)}) as server, pytest.raises(ServiceError) as caught:
        transport().get(f"{server.url}/a")
    assert caught.value.status == int(status[:3])


def test_an_error_without_a_status_has_none():
    """A page with status 200 is refused for its content, not for its status."""
    page = always(b"<html>no such field")
    with running({"*": page}) as server, pytest.raises(ServiceUnavailableError) as caught:
        transport().get(f"{server.url}/a", validator=require_complete_fits)
    assert caught.value.status is None


def test_an_ignored_range_is_refused_before_the_file_is_transferred():
    whole, words = always(bytes(900_000)), "offers only the whole file"
    with running({"*": whole}) as server, pytest.raises(ServiceAnswerError, match=words):
        transport().get(f"{server.url}/m", headers={"Range": "bytes=0-99"})
    assert server.asked["/m"] == 1


def test_every_truncation_of_a_fits_file_is_detected():
    """A file with two extensions that is truncated anywhere is not complete."""
    file = io.BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(2000))])
    fits.HDUList([fits.PrimaryHDU(np.ones((30, 40))), fits.ImageHDU(np.ones(9)), table]).writeto(
        file
    )
    body = file.getvalue()
    assert require_complete_fits(body) == body
    units = {0}
    with fits.open(io.BytesIO(body)) as opened:
        units |= {hdu._data_offset + hdu._data_size for hdu in opened}
    ends = {-(-unit // 2880) * 2880 for unit in units}
    for length in range(1, len(body), 360):
        if length in ends:
            continue
        with pytest.raises(TruncatedFileError):
            require_complete_fits(body[:length])


@pytest.mark.parametrize(
    "body", [b"SIMPLE  =" + b" " * 4000, b"<VOTABLE>", b"\x00" * 5000, b"SIMPLE  =   T" * 300]
)
def test_other_files_are_refused(body):
    with pytest.raises((ServiceAnswerError, TruncatedFileError)):
        require_complete_fits(body)


SIZES = [
    {"NAXIS": 1, "NAXIS1": 2880, "PCOUNT": -5760, "GCOUNT": 1},
    {"NAXIS": 1, "NAXIS1": 2880, "PCOUNT": 0, "GCOUNT": -2},
    {"NAXIS": 2, "NAXIS1": -2880, "NAXIS2": 3},
    {"NAXIS": 1, "NAXIS1": 10**30},
    {"NAXIS": -1},
]


@pytest.mark.parametrize("sizes", SIZES)
def test_a_header_with_impossible_sizes_does_not_loop(sizes):
    """A unit of negative length would lead back to the same header, again and again."""
    cards = {"SIMPLE": "T", "BITPIX": 8} | sizes
    header = join_cards([format_card(name, value) for name, value in cards.items()])
    body = pad_to_block(header, b" ") * 3
    began = time.monotonic()
    with contextlib.suppress(ServiceAnswerError, TruncatedFileError):
        require_complete_fits(body)
    assert time.monotonic() - began < 5


def test_a_transport_can_be_pickled():
    """A copy has the same settings and opens its own connections."""
    copy = pickle.loads(pickle.dumps(transport()))
    with running({"*": always(GOOD)}) as server:
        assert copy.get(f"{server.url}/a").body == GOOD
    assert copy.limits == transport().limits


def test_back_offs_end_when_the_results_are_not_read():
    """After Ctrl-C, or another end of the loop over results, nothing waits 30 s for a retry."""
    sleepy = RetryPolicy(attempts=5, first_s=30.0, longest_s=60.0)
    busy = always(b"", "500 Internal Server Error")
    with running({"/0": always(GOOD), "*": busy}) as server:
        client = Transport(retry_policy=sleepy)
        results = concurrent_map(client, lambda n: _status(client, f"{server.url}/{n}"), range(9))
        assert next(results) == "200"
        began = time.monotonic()
        results.close()
        assert time.monotonic() - began < 5


def _status(client: Transport, url: str) -> str:
    try:
        return str(client.get(url).status)
    except ServiceUnavailableError as error:
        return str(error)

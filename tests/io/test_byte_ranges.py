"""Byte ranges from servers that send less, something else, or another file than before."""

import itertools

import pytest
from fsspec.implementations.local import LocalFileSystem

from mingolotss.errors import ServiceAnswerError, ServiceError, ServiceUnavailableError
from mingolotss.io.byte_ranges import (
    FileChangedError,
    FileVersion,
    HttpFile,
    RangeSupport,
)
from mingolotss.io.http import Limits, RetryPolicy, Transport
from mingolotss.io.store_ranges import StoreFile
from misbehave import Line, Reply, running

CONTENT = bytes(range(256)) * 40
RANGES = [(10, 40), (100, 1100), (5000, 5001), (9000, 10_000)]
PARTS = [CONTENT[start:stop] for start, stop in RANGES]
PARTIAL = "206 Partial Content"


def transport() -> Transport:
    policy = RetryPolicy(attempts=2, first_s=0.0, longest_s=0.01, outage_s=0.0)
    return Transport(limits=Limits(read_s=2.0), retry_policy=policy)


def requested(line: Line) -> list[tuple[int, int]]:
    """Return the ranges of a request, the ends excluded."""
    ranges = line.request_headers["range"].removeprefix("bytes=").split(",")
    pairs = (one.split("-") for one in ranges)
    return [(int(first), int(last) + 1) for first, last in pairs]


def serving(longest: int, parts: int = 10**9, content: bytes = CONTENT, **headers: str) -> Reply:
    """Serve ranges, at most some bytes of each, and at most some of the ranges."""

    def reply(line: Line, _: int) -> None:
        ends = len(content), longest
        spans = [(start, min(stop, start + ends[1], ends[0])) for start, stop in requested(line)]
        labels = [f"bytes {start}-{stop - 1}/{len(content)}" for start, stop in spans]
        if len(spans) == 1:
            body = content[slice(*spans[0])]
            line.send(body, PARTIAL, Content_Range=labels[0], **headers)
            return
        body = b"".join(
            b"\r\n--e\r\nContent-Range: " + label.encode() + b"\r\n\r\n" + content[slice(*span)]
            for label, span in list(zip(labels, spans, strict=True))[:parts]
        )
        kind = "multipart/byteranges; boundary=e"
        line.send(body + b"\r\n--e--\r\n", PARTIAL, Content_Type=kind, **headers)

    return reply


@pytest.mark.parametrize("longest", [10**6, 700, 300])
@pytest.mark.parametrize("parts", [10**6, 3, 1])
def test_what_is_missing_is_asked_on_from_where_it_ended(longest, parts):
    """RFC 9110, section 15.3.7: a server may send a part of what was requested."""
    with running({"*": serving(longest, parts)}) as server:
        file = HttpFile(f"{server.url}/a", transport(), RangeSupport())
        assert file.read_ranges(RANGES) == PARTS
        assert file.read_start(2000) == CONTENT[:2000]
        assert file.read_start(10**5) == CONTENT


def test_nothing_is_requested_twice():
    """After a short answer, the next request begins where it ended."""
    asked = []
    short = serving(400)

    def note(line: Line, number: int) -> None:
        asked.append(requested(line))
        short(line, number)

    with running({"*": note}) as server:
        file = HttpFile(f"{server.url}/a", transport(), RangeSupport())
        assert file.read_ranges([(100, 1100)]) == [CONTENT[100:1100]]
    assert asked == [[(100, 1100)], [(500, 1100)], [(900, 1100)]]


def test_answers_of_one_byte_end():
    with running({"*": serving(1)}) as server:
        file = HttpFile(f"{server.url}/a", transport(), RangeSupport())
        with pytest.raises(ServiceUnavailableError, match="answers that each end early"):
            file.read_ranges([(0, 5000)])
        with pytest.raises(ServiceUnavailableError, match="answers that each end early"):
            file.read_start(5000)
    assert server.asked.total() < 120


NONSENSE = [
    "", "bytes", "bytes 10-39", "bytes 9-39/10240", "bytes 10-40/10240", "bytes 10-39/5",
    "bytes 39-10/10240", "bytes -10-39/10240", "bytes 10-99999999999999999999/*",
    "lines 10-39/10240", "bytes \xb2-39/10240", "bytes */10240", "bytes 10-39/10240, 0-1/2",
    "\x1b[2Jbytes 10-39/10240",
]  # fmt: skip


@pytest.mark.parametrize("label", NONSENSE)
def test_another_range_is_an_error_of_the_service(label):
    """The bytes are right or there are none, and the message has no control characters."""

    def reply(line: Line, _: int) -> None:
        line.send(CONTENT[10:40], PARTIAL, Content_Range=label)

    with running({"*": reply}) as server, pytest.raises(ServiceError) as caught:
        HttpFile(f"{server.url}/a", transport(), RangeSupport()).read_ranges([(10, 40)])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("change", [-1, 1, 20_000])
def test_a_body_of_another_length_than_its_range_is_an_error(change):
    def reply(line: Line, _: int) -> None:
        body = (CONTENT * 3)[10 : 40 + change]
        line.send(body, PARTIAL, Content_Range="bytes 10-39/10240")

    with running({"*": reply}) as server, pytest.raises(ServiceUnavailableError):
        HttpFile(f"{server.url}/a", transport(), RangeSupport()).read_ranges([(10, 40)])


def test_a_range_of_a_compressed_answer_is_refused():
    with running({"*": serving(10**6, Content_Encoding="identity")}) as server:
        file = HttpFile(f"{server.url}/a", transport(), RangeSupport())
        assert file.read_ranges([(10, 40)]) == [PARTS[0]]
    with running({"*": serving(10**6, Content_Encoding="br")}) as server:
        file = HttpFile(f"{server.url}/a", transport(), RangeSupport())
        with pytest.raises(ServiceAnswerError, match="compressed answer"):
            file.read_ranges([(10, 40)])


OTHER = CONTENT[::-1]
CHANGES = {
    "entity tag": (serving(10**6, ETag='"a"'), serving(10**6, content=OTHER, ETag='"b"')),
    "date": (
        serving(10**6, Last_Modified="Thu, 01 Jan 2024 00:00:00 GMT"),
        serving(10**6, content=OTHER, Last_Modified="Thu, 01 Jan 2015 00:00:00 GMT"),
    ),
    "length": (serving(10**6), serving(10**6, content=CONTENT + b"x")),
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("ranges", [RANGES, RANGES[:1]])
def test_a_file_that_changes_on_the_server_is_noticed(kind, ranges):
    """An older date is another file as well as a newer one."""
    before, after = CHANGES[kind]
    with running({"*": before}) as server:
        file = HttpFile(f"{server.url}/a", transport(), RangeSupport())
        file.read_start(500)
        assert file.read_ranges(ranges) == PARTS[: len(ranges)]
        server.script["*"] = after
        with pytest.raises(FileChangedError, match="changed on the server after its header"):
            file.read_ranges(ranges)


def test_a_file_that_changes_between_two_requests_of_one_reading_is_noticed():
    """400 ranges take three requests."""
    ranges = [(start, start + 2) for start in range(0, 1200, 3)]
    count = itertools.count()

    def reply(line: Line, number: int) -> None:
        serving(10**6, ETag=f'"{next(count) // 2}"')(line, number)

    with running({"*": reply}) as server, pytest.raises(FileChangedError):
        HttpFile(f"{server.url}/a", transport(), RangeSupport()).read_ranges(ranges)


def test_versions_differ_in_what_is_known_of_both():
    whole = FileVersion('"a"', "today", 5)
    assert not whole.differs_from(FileVersion())
    assert not whole.differs_from(FileVersion(length=5))
    for other in (FileVersion('"b"'), FileVersion("", "tomorrow"), FileVersion(length=6)):
        assert whole.differs_from(other)
        assert other.differs_from(whole)


@pytest.mark.parametrize("error", [RuntimeError("no credentials"), OSError(5, "io"), KeyError("k")])
def test_any_error_of_a_library_for_object_stores_may_pass(error, monkeypatch):
    """botocore, aiohttp and google.auth raise errors that are no OSError."""

    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(LocalFileSystem, "cat_file", fail)
    with pytest.raises(ServiceUnavailableError, match=r"^read file:///etc/hostname: "):
        StoreFile("file:///etc/hostname").read_start(10)


@pytest.mark.parametrize("content", [OTHER, CONTENT + b"x"])
def test_a_file_that_changes_in_an_object_store_is_noticed(content, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    file = StoreFile(f"file://{path}")
    assert file.read_start(10) == CONTENT[:10]
    assert file.read_ranges(RANGES) == PARTS
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(FileChangedError):
        file.read_ranges(RANGES)

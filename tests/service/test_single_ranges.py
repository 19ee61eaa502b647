"""Mosaics on servers that send one range in an answer, as object stores do: bytes and requests."""

from __future__ import annotations

import io
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from astropy.io import fits

import far_mosaics as sky
from compilers import needs_kernel
from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.requests import CutoutRequest, CutoutRequests
from mingolotss.io import range_plan
from mingolotss.io.fits_layout import find_image
from mingolotss.io.http import Limits, RetryPolicy, Transport
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.service import SERVICES, archive_hosts
from mingolotss.service.archive_hosts import is_archive
from mingolotss.service.local.mosaics import MosaicsService

N = 24
HEADERS = 16 * 2880  # bytes that are read of each file to find its header
PLAIN = {"/P1-mosaic.fits": sky.plain(sky.noise(1)), "/P1-mosaic-rms.fits": sky.plain(sky.noise(2))}
PACKED = {"/P1-mosaic.fits.fz": sky.packed(sky.noise(1))}


def service(place: sky.Far, **limits: int) -> MosaicsService:
    policy = RetryPolicy(attempts=3, first_s=0.0, longest_s=0.01, outage_s=0.0)
    return MosaicsService(place.url, Transport(limits=Limits(**limits), retry_policy=policy))


def requests(root: str, files: dict[str, bytes], count: int = N) -> CutoutRequests:
    image, rms = ([root + path for path in files] + [""])[:2]
    ra, dec = sky.places(count)
    return CutoutRequests.from_requests(
        [
            CutoutRequest(Candidate("P1", image, rms), Source(row, f"S{row}", *place))
            for row, place in enumerate(zip(ra.tolist(), dec.tolist(), strict=True))
        ]
    )


def cut(place: sky.Far, count: int = N, **limits: int) -> CutoutArray:
    """Cut squares out of the mosaic of a server, all but the last of which are on it."""
    place.forget()
    asked = requests(place.url, place.files, count)
    return service(place, **limits).cutouts(asked, sky.SIZE_DEG)


def assert_same(cutouts: CutoutArray, expected: CutoutArray) -> None:
    for one, other in zip(cutouts, expected, strict=True):
        if isinstance(other, Cutout):
            assert isinstance(one, Cutout), one
            np.testing.assert_array_equal(one.image, other.image)
            if other.rms is not None:
                np.testing.assert_array_equal(one.rms, other.rms)
        else:
            assert type(one) is type(other)


@needs_kernel
@pytest.mark.parametrize("mean_bytes", [1 << 10, 16 << 10])
@pytest.mark.parametrize("files", [PLAIN, PACKED], ids=["plain", "packed"])
def test_requests_are_those_of_the_rule(monkeypatch, files, mean_bytes):
    """Exactly these ranges, each of them once, and the same pixels as from other servers."""
    monkeypatch.setattr(range_plan, "_MEAN_BYTES", mean_bytes)
    with sky.far(files) as many, sky.far(files, many=False) as place:
        assert_same(cut(place), cut(many))
        for path, content in files.items():
            layout = find_image(content)
            sent = [spans for name, spans in place.sent if name == path]
            start = [(0, HEADERS)]
            own = [spans for spans in sent if len(spans) == 1 and spans != start]
            expected = sky.joined(sky.ranges_of(sky.needed_bytes(content, N)), mean_bytes)
            if layout.is_compressed:
                rows = fits.getheader(io.BytesIO(content), 1, disable_image_compression=True)
                length = rows["NAXIS1"] * rows["NAXIS2"]
                expected.append((layout.offset, layout.offset + length))
            if path == next(iter(files)):  # a first request of two ranges was refused
                expected.append((0, 2049))
                assert [len(spans) for spans in sent].count(2) == 1
            assert sorted(own) == sorted([one] for one in expected)
            assert len(sent) - len(own) == 1 + (path == next(iter(files)))


@needs_kernel
@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("files", [PLAIN, PACKED], ids=["plain", "packed"])
def test_bytes_are_few_where_cutouts_are_many(monkeypatch, files, many):
    """Gaps are 13 % of the needed bytes at most, and with all headers it is less than a fifth."""
    monkeypatch.setattr(range_plan, "_MEAN_BYTES", 1 << 10)  # the mosaic is a small one
    with sky.far(files, many=many) as place:
        cut(place, 40)
        needed = sum(int(sky.needed_bytes(content, 40).sum()) for content in files.values())
        assert place.nbytes <= 1.2 * needed + len(files) * HEADERS
        spans = [span for _, spans in place.sent for span in spans if span[1] > HEADERS]
        if not many:
            assert sum(stop - start for start, stop in spans) <= 1.15 * needed


@pytest.mark.parametrize("count", [2, 5, 9])
def test_a_few_cutouts_are_few_requests(count):
    """Not one for each of their rows: waiting would take longer than the bytes."""
    with sky.far(PLAIN, many=False) as place:
        cutouts = cut(place, count)
        assert len(cutouts.errors) == 1
        needed = sum(int(sky.needed_bytes(content, count).sum()) for content in PLAIN.values())
        rows = sum(y1 - y0 for y0, y1, _, _ in sky.boxes(count))
        others = 4 + 2 * count  # headers, and what the server refuses
        assert len(place.sent) <= needed / (16 << 10) + others
        assert len(place.sent) < rows / 4


@pytest.mark.parametrize(
    ("many", "archive", "most"), [(False, False, 16), (False, True, 4), (True, False, 4)]
)
def test_requests_at_a_time(monkeypatch, many, archive, most):
    """More of them to a server that sends one range in an answer, except to an archive."""
    monkeypatch.setattr(range_plan, "_MEAN_BYTES", 8 << 10)
    monkeypatch.setattr(range_plan, "REQUEST_BYTES", 1 << 16)
    if archive:
        monkeypatch.setattr(archive_hosts, "_HOSTS", frozenset({"127.0.0.1"}))
    lock, running = threading.Lock(), [0, 0]  # now, and at most

    def slowly(line, spans):
        with lock:
            running[0] += 1
            running[1] = max(running)
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return False

    with sky.far(PLAIN, many=many) as place:
        place.before = slowly
        cut(place)
        assert len(place.sent) > 30
        assert running[1] <= most
        assert running[1] > 4 or most == 4


def test_the_limit_of_the_user_is_kept_and_failures_are_repeated():
    """Each request fails once; the pixels are those of a server that is well."""
    failed, lock = set[tuple[str, tuple[int, int]]](), threading.Lock()

    def fail_once(line, spans):
        with lock:
            if len(spans) > 1 or (line.path, spans[0]) in failed:
                return False
            failed.add((line.path, spans[0]))
        line.send(b"try again", "500 Internal Server Error")
        return True

    with sky.far(PLAIN, many=False) as place:
        expected = cut(place)
        place.before = fail_once
        assert_same(cut(place, range_connections=1, connections=1), expected)
        assert len(failed) > 10


def test_every_archive_that_has_a_service_is_known():
    """A new service brings its host, so that no archive gets more requests than before."""
    for name in SERVICES.names():
        url = getattr(SERVICES.get(name), "URL", "")
        assert not url or is_archive(url), urlsplit(url).hostname
    assert is_archive("https://USER@LOFAR-surveys.org.:443/x")
    assert not is_archive("https://example.org/lofar-surveys.org")
    assert not is_archive("s3://lofar-surveys/x")

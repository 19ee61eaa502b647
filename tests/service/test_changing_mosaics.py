"""Mosaics that are replaced on the server between header and rows: never shifted pixels."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.errors import ServiceUnavailableError
from mingolotss.io.fits import read_image
from mingolotss.io.http import Limits, RetryPolicy, Transport
from mingolotss.model import Candidate, Source
from mingolotss.service.base import CutoutRequest
from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.service.remote.range_mosaics import RangesService
from mingolotss.sky.wcs import simple_header
from misbehave import Line, Server, running

SHAPE, SIZE_DEG = (90, 80), 16 * 1.5 / 3600
SOURCES = [
    Source(0, "a", 10.0, 20.0),
    Source(1, "b", 10.005, 20.003),
    Source(2, "c", 9.996, 19.998),
]


class Mosaic:
    """A mosaic on a server; every version has other pixels, another header, another position."""

    def __init__(self, sign: str) -> None:
        self.sign, self.number = sign, 0

    @property
    def body(self) -> bytes:
        header = fits.Header.fromstring(
            simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode()
        )
        header["CRPIX1"] += 3 * self.number
        for line in range(40 * self.number):
            header["HISTORY"] = f"line {line}"
        rng = np.random.default_rng(self.number)
        stream = io.BytesIO()
        hdus = [fits.PrimaryHDU(rng.normal(size=SHAPE).astype("f4"), header)]
        fits.HDUList(hdus + [fits.ImageHDU()] * self.number).writeto(stream)
        return stream.getvalue()

    def reply(self, line: Line, _: int) -> None:
        """Send the list of the folder, or ranges of the present version."""
        if line.path.endswith("/"):
            line.send(b'<a href="P1-mosaic.fits">P1</a>')
            return
        signs = {
            "etag": {"ETag": f'"{self.number}"'},
            "older": {"Last_Modified": f"Thu, 0{9 - self.number} Jan 2024 00:00:00 GMT"},
            "length": {},
        }
        body = self.body
        spans = [
            (int(first), min(int(last), len(body) - 1))
            for first, last in re.findall(r"(\d+)-(\d+)", line.request_headers["range"])
        ]
        if len(spans) > 1:
            line.send(b"one range at a time", "416 Range Not Satisfiable")
            return
        ((first, last),) = spans
        line.send(
            body[first : last + 1], "206 Partial Content",
            Content_Range=f"bytes {first}-{last}/{len(body)}", **signs[self.sign],
        )  # fmt: skip

    def expected(self, source: Source) -> np.ndarray:
        """Return the pixels around a source in the present version, by astropy."""
        with fits.open(io.BytesIO(self.body)) as opened:
            pixels, wcs = opened[0].data, WCS(opened[0].header)
        x, y = (round(float(v)) for v in wcs.wcs_world2pix(source.ra, source.dec, 0))
        return pixels[y - 8 : y + 8, x - 8 : x + 8]


def transport() -> Transport:
    policy = RetryPolicy(attempts=2, first_s=0.0, longest_s=0.01, outage_s=0.0)
    return Transport(limits=Limits(read_s=2.0), retry_policy=policy)


def fetched(server: Server, service: RangesService, source: Source) -> np.ndarray:
    """Return the pixels of a cutout that is fetched to the workspace."""
    request = CutoutRequest(Candidate("P1", f"{server.url}/P1-mosaic.fits"), source)
    return read_image_of(service.fetch_files(request, SIZE_DEG).image)


def read_image_of(path: str) -> np.ndarray:
    return read_image(Path(path)).data


@pytest.mark.parametrize("sign", ["etag", "older", "length"])
def test_ranges_reads_the_header_of_a_changed_mosaic_anew(sign, tmp_path):
    """While a service runs, and between two runs, which keep the header on disk."""
    mosaic = Mosaic(sign)
    with running({"*": mosaic.reply}) as server:
        service = RangesService(f"{server.url}/", transport=transport(), workspace=tmp_path)
        np.testing.assert_array_equal(
            fetched(server, service, SOURCES[0]), mosaic.expected(SOURCES[0])
        )
        mosaic.number = 1
        np.testing.assert_array_equal(
            fetched(server, service, SOURCES[1]), mosaic.expected(SOURCES[1])
        )
        mosaic.number = 2
        later = RangesService(f"{server.url}/", transport=transport(), workspace=tmp_path)
        np.testing.assert_array_equal(
            fetched(server, later, SOURCES[2]), mosaic.expected(SOURCES[2])
        )


@pytest.mark.parametrize("sign", ["etag", "older", "length"])
def test_mosaics_rejects_what_changes_and_then_reads_it_anew(sign):
    """The rejection may pass: the next run, or the next chunk, has the pixels of the new file."""
    mosaic = Mosaic(sign)
    with running({"*": mosaic.reply}) as server:
        service = MosaicsService(server.url, transport())
        requests = [
            CutoutRequest(Candidate("P1", f"{server.url}/P1-mosaic.fits"), source)
            for source in SOURCES
        ]
        cutouts = service.cutouts(requests[:1], SIZE_DEG)
        np.testing.assert_array_equal(cutouts[0].image, mosaic.expected(SOURCES[0]))
        mosaic.number = 1
        changed = service.cutouts(requests[1:2], SIZE_DEG)[0]
        assert isinstance(changed, ServiceUnavailableError)
        assert "the file was changed on the server" in str(changed)
        cutouts = service.cutouts(requests[1:], SIZE_DEG)
        for cutout, source in zip(cutouts, SOURCES[1:], strict=True):
            np.testing.assert_array_equal(cutout.image, mosaic.expected(source))

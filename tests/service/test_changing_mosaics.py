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
from mingolotss.service.local.copied_tiles import open_copied
from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.service.remote.range_mosaics import RangesService
from mingolotss.service.remote_mosaic import RemoteMosaics
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

    def __init__(self, sign: str, *, packed: bool = False) -> None:
        self.sign, self.packed, self.number = sign, packed, 0
        self.name = "P1-mosaic.fits.fz" if packed else "P1-mosaic.fits"
        self.asked = 0  # requests for the beginning of the file

    @property
    def pixels(self) -> np.ndarray:
        return np.random.default_rng(self.number).normal(size=SHAPE).astype("f4")

    @property
    def body(self) -> bytes:
        header = fits.Header.fromstring(
            simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode()
        )
        header["CRPIX1"] += 3 * self.number
        for line in range(40 * self.number):
            header["HISTORY"] = f"line {line}"
        stream = io.BytesIO()
        hdus = [fits.PrimaryHDU(self.pixels, header)]
        if self.packed:
            lossless = {"compression_type": "GZIP_2", "quantize_level": 0}
            hdus = [fits.PrimaryHDU(), fits.CompImageHDU(self.pixels, header, **lossless)]
        fits.HDUList(hdus + [fits.ImageHDU()] * self.number).writeto(stream)
        return stream.getvalue()

    def reply(self, line: Line, _: int) -> None:
        """Send the list of the folder, or ranges of the present version."""
        if line.path.endswith("/"):
            line.send(f'<a href="{self.name}">P1</a>'.encode())
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
        self.asked += first == 0
        line.send(
            body[first : last + 1], "206 Partial Content",
            Content_Range=f"bytes {first}-{last}/{len(body)}", **signs[self.sign],
        )  # fmt: skip

    def expected(self, source: Source) -> np.ndarray:
        """Return the pixels around a source in the present version, by astropy."""
        with fits.open(io.BytesIO(self.body)) as opened:
            pixels, wcs = self.pixels, WCS(opened[self.packed].header)
        x, y = (round(float(v)) for v in wcs.wcs_world2pix(source.ra, source.dec, 0))
        return pixels[y - 8 : y + 8, x - 8 : x + 8]


def transport() -> Transport:
    policy = RetryPolicy(attempts=2, first_s=0.0, longest_s=0.01, outage_s=0.0)
    return Transport(limits=Limits(read_s=2.0), retry_policy=policy)


def fetched(
    server: Server, service: RangesService, source: Source, name: str = "P1-mosaic.fits"
) -> np.ndarray:
    """Return the pixels of a cutout that is fetched to the workspace."""
    request = CutoutRequest(Candidate("P1", f"{server.url}/{name}"), source)
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


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("sign", ["etag", "older", "length"])
def test_a_stored_header_of_a_file_that_changed_is_read_again(sign, packed, tmp_path):
    """In the next run, which looks for sources by their positions."""
    mosaic = Mosaic(sign, packed=packed)
    with running({"*": mosaic.reply}) as server:

        def run(row: int) -> None:
            service = RangesService(f"{server.url}/", transport=transport(), workspace=tmp_path)
            source = SOURCES[row]
            (candidate,) = service.search_source(source, SIZE_DEG).candidates
            assert candidate.image == f"{server.url}/{mosaic.name}"
            pixels = fetched(server, service, source, mosaic.name)
            np.testing.assert_array_equal(pixels, mosaic.expected(source))

        run(0)
        assert mosaic.asked == 1
        mosaic.number = 1
        run(1)
        assert mosaic.asked == 2
        run(2)  # with the header that was stored now
        assert mosaic.asked == 2


@pytest.mark.parametrize("sign", ["etag", "older", "length"])
def test_a_change_that_is_found_when_a_mosaic_is_opened_is_no_error(sign, tmp_path):
    """The table of the tiles is read with the stored header, and does not belong to it."""
    mosaic = Mosaic(sign, packed=True)
    with running({"*": mosaic.reply}) as server:
        address = f"{server.url}/{mosaic.name}"
        for number in (0, 1, 1):
            mosaic.number = number
            opened = RemoteMosaics(open_copied, transport(), tmp_path).get(address)
            np.testing.assert_array_equal(opened.box(0, SHAPE[0], 0, SHAPE[1]), mosaic.pixels)
        assert mosaic.asked == 2


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

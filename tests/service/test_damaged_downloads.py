"""Downloads that do not have their own checksums, and downloads that change after the build."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.errors import TruncatedFileError
from mingolotss.io.http import UndamagedFits
from mingolotss.qa.verify import verify
from mingolotss.service.base import Naming
from misbehave import always, first, running
from small_archive import DEC, RA, cutout, make, script


def summed(extra: bool = False) -> bytes:
    """The cutout of the second source with checksums, and perhaps with an extension."""
    buffer = io.BytesIO()
    with fits.open(io.BytesIO(cutout(RA[1], DEC[1]))) as hdus:
        if extra:
            hdus.append(fits.ImageHDU(np.arange(12.0), name="MORE"))
        hdus.writeto(buffer, checksum=True)
    return buffer.getvalue()


def damaged(body: bytes, place: int = 60_000) -> bytes:
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def requests(server) -> int:
    return sum(n for path, n in server.asked.items() if path.startswith("/1/P1_5-mosaic.fits"))


def test_a_file_that_is_damaged_on_its_way_is_requested_again(tmp_path):
    body = summed()
    bad = first(1, always(damaged(body)), always(body))
    with running(script(bad)) as server:
        assert [row["status"] for row in make(server, tmp_path / "b")] == ["written"] * 3
        assert requests(server) == 2
    assert (tmp_path / "b" / "cutouts" / "bad_P1+5-mosaic.fits").read_bytes() == body


def test_a_file_that_is_damaged_in_the_archive_is_a_rejection_that_says_so(tmp_path):
    """Not more than two requests: the next answer would be the same."""
    with running(script(always(damaged(summed())))) as server:
        rows = make(server, tmp_path / "b")
        assert [row["status"] for row in rows] == ["written", "rejected", "written"]
        assert "DATASUM" in rows[1]["reason"]
        assert "images.checksums" in rows[1]["reason"]
        assert requests(server) == 2


def test_checksums_are_not_compared_if_the_recipe_says_so(tmp_path):
    with running(script(always(damaged(summed())))) as server:
        naming = Naming(checksums="none")
        rows = make(server, tmp_path / "b", naming=naming)
        assert [row["status"] for row in rows] == ["written"] * 3
        assert requests(server) == 1


@pytest.mark.parametrize("place", [3000, 60_000, -2000])
def test_every_unit_is_compared(place, tmp_path):
    """The pixels of the image and those of an extension, as bytes and as a file."""
    body = summed(extra=True)
    validate = UndamagedFits()
    assert validate(body) == body
    bad = damaged(body, place % len(body))
    with pytest.raises(TruncatedFileError, match="damaged on its way"):
        validate(bad)
    path = tmp_path / "a.fits"
    path.write_bytes(bad)
    assert validate(path) == path  # the second time
    with pytest.raises(TruncatedFileError, match="damaged on its way"):
        UndamagedFits()(path)


@pytest.mark.parametrize("name", ["bad_P1+5-mosaic.fits", "good-1_P1+5-mosaic-rms.fits"])
def test_verify_notices_a_download_that_has_changed(name, tmp_path):
    out = tmp_path / "b"
    with running(script()) as server:
        make(server, out)
    assert verify(out).good
    path = out / "cutouts" / name
    path.write_bytes(damaged(path.read_bytes()))
    assert verify(out).problems == [f"cutouts/{name}: changed since the build"]
    path.unlink()
    assert verify(out).good  # downloads may be deleted

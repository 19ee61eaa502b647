"""A fault of the system while a file is read is no property of the image: the next run reads it."""

import errno
import os
from pathlib import Path

import pytest

from mingolotss.errors import UnreadableFileError
from mingolotss.io import fits
from mingolotss.io.fits import read_image
from mingolotss.service.local import mosaic_file
from mingolotss.service.local.mosaics import MosaicsService
from misbehave import running
from small_archive import NAMES, catalogue, make, script

NUMBERS = ["EMFILE", "ENFILE", "ENOMEM", "EIO", "ESTALE", "EACCES"]


def failing(name, original, bad):
    """Return a function like the one that maps files, which fails for one file."""

    def map_file(path):
        if bad in str(path):
            number = getattr(errno, name)
            raise OSError(number, os.strerror(number), str(path))
        return original(path)

    return map_file


@pytest.mark.parametrize("name", [*NUMBERS, "memory"])
def test_a_download_that_cannot_be_read_now_is_read_in_the_next_run(name, tmp_path, monkeypatch):
    """One rejection now, nothing is requested again, and a whole build once the fault is over."""
    out, original = tmp_path / "build", fits.map_file

    def no_memory(path):
        if "bad_" in str(path):
            raise MemoryError
        return original(path)

    with running(script()) as server:
        broken = no_memory if name == "memory" else failing(name, original, "bad_")
        monkeypatch.setattr(fits, "map_file", broken)
        found = make(server, out)
        assert [row["status"] for row in found] == ["written", "rejected", "written"]
        assert found[1]["stage"] == "fetch"
        assert "bad_P1+5-mosaic" in found[1]["reason"]
        requests = server.asked.total()
        monkeypatch.setattr(fits, "map_file", original)
        assert [row["status"] for row in make(server, out)] == ["written"] * len(NAMES)
        assert server.asked.total() == requests


@pytest.mark.parametrize("name", NUMBERS)
def test_a_mosaic_that_cannot_be_read_now_is_not_left_out(name, tmp_path, monkeypatch):
    """It would be a damaged mosaic, and its sources would be without an image for good."""
    (tmp_path / "P1-mosaic.fits").write_bytes(b"SIMPLE")
    monkeypatch.setattr(mosaic_file, "map_file", failing(name, fits.map_file, "P1"))
    service = MosaicsService(str(tmp_path))
    with pytest.raises(UnreadableFileError, match=r"open .*P1-mosaic\.fits: "):
        service.search_all(catalogue(), 0.1)


def test_a_missing_file_is_a_property_of_the_image():
    with pytest.raises(Exception, match="No such file") as caught:
        read_image(Path("/nonexistent/a.fits"))
    assert not caught.value.retry

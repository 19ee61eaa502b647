"""Mosaics in folders as people have them, on this machine, at an fsspec address and on the web."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest

from fits_files import put
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, InputError
from mingolotss.service.base import CutoutRequest, fetch_cutouts, open_service, search_all
from survey_images import write_images
from survey_server import survey


@contextmanager
def local(folder: Path) -> Iterator[str]:
    """Give the service of a folder."""
    yield f"mosaics:{folder}"


@contextmanager
def in_memory(folder: Path) -> Iterator[str]:
    """Give the service of a copy of the folder at an fsspec address with special characters."""
    root = f"memory://{uuid.uuid4().hex}[1]"
    filesystem, path = fsspec.core.url_to_fs(root)
    for file in folder.rglob("*"):
        if file.is_file():
            filesystem.pipe(f"{path}/{file.relative_to(folder).as_posix()}", file.read_bytes())
    yield f"mosaics:{root}"


@contextmanager
def on_the_web(folder: Path, service: str = "mosaics") -> Iterator[str]:
    """Give the service of a web server that lists the folder."""
    images = write_images(folder.parent / "images")
    with survey(images, folder) as server:
        yield f"{service}:{server.url}/files"


@contextmanager
def by_ranges(folder: Path) -> Iterator[str]:
    """Give the service that downloads from such a web server."""
    with on_the_web(folder, "ranges") as address:
        yield address


Place = Callable[[Path], object]
PLACES = [local, in_memory, on_the_web, by_ranges]
CATALOGUE = Catalogue.from_columns(["A", "B", "C"], [180.0, 190.0, 200.0], [50.0] * 3)


def values(address: str, workspace: Path) -> tuple[dict[str, object], list[str]]:
    """Return for each source the value of its images by field, and the notices."""
    service = open_service(address, workspace=workspace)
    table = search_all(service, CATALOGUE, 0.003)
    images = {}
    for row, candidates in enumerate(table):
        requests = [CutoutRequest(candidate, CATALOGUE.source(row)) for candidate in candidates]
        cutouts = fetch_cutouts(service, requests, 0.003)
        images[CATALOGUE.names[row]] = {
            request.candidate.field: float(cutout.image[0, 0])
            for request, cutout in zip(requests, cutouts, strict=True)
        } or service.reason_without_image(CATALOGUE.names[row])
    return images, service.notices()


@pytest.mark.parametrize("place", PLACES)
def test_equal_names_are_kept_apart_everywhere(tmp_path, place):
    """``+`` and ``_`` in names, upper case, special characters and hidden files."""
    folder = tmp_path / "files"
    put(folder / "P1+50-mosaic.fits", 1)
    put(folder / "P1_50-mosaic.fits", 2, 190.0)
    put(folder / "50% #2 ä?-MOSAIC.FITS", 3, 200.0)
    put(folder / "._P1+50-mosaic.fits", 4)
    put(folder / ".old-mosaic.fits", 5)
    (folder / "P1+50-mosaic.fits.md5").write_bytes(b"x")
    (folder / "P9-mosaic.fits.part").write_bytes(b"x")
    with place(folder) as address:
        images, notices = values(address, tmp_path / "out")
    assert images == {"A": {"P1+50": 1}, "B": {"P1_50": 2}, "C": {"50% #2 ä?": 3}}
    assert notices == ["passed over 'P9-mosaic.fits.part': an incomplete download"]


@pytest.mark.parametrize("place", PLACES)
def test_one_name_in_several_folders_is_kept_apart(tmp_path, place):
    """Three epochs of one field, one of them with an rms map; a folder further down is named."""
    folder = tmp_path / "files"
    for value, (epoch, ra) in enumerate({"e1": 180.0, "e 2": 180.0, "e+3": 190.0}.items(), 1):
        put(folder / epoch / "T_1-mosaic.fits", value, ra)
    put(folder / ".git" / "T_1-mosaic.fits", 9)
    put(folder / "e1" / "deeper" / "T_1-mosaic.fits", 9)
    with place(folder) as address:
        images, notices = values(address, tmp_path / "out")
    assert images == {"A": {"e1/T_1": 1, "e 2/T_1": 2}, "B": {"e+3/T_1": 3}, "C": ""}
    [line] = notices
    assert line.startswith("passed over 'e1/deeper/")


@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_mosaic_stops_no_build(tmp_path, place):
    """It is named, also as the reason of a source that may be on it."""
    folder = tmp_path / "files"
    put(folder / "P1-mosaic.fits", 1)
    put(folder / "P2-mosaic.fits", 2, 190.0)
    (folder / "P3-mosaic.fits").write_bytes(b"<html>404</html>")
    with place(folder) as address:
        images, notices = values(address, tmp_path / "out")
    assert (images["A"], images["B"]) == ({"P1": 1}, {"P2": 2})
    assert images["C"].startswith("no image holds the position, but 1")
    assert "P3-mosaic.fits" in images["C"]
    [line] = notices
    assert line.startswith("passed over 'P3-mosaic.fits': ")
    assert "an HTML page" in line


@pytest.mark.parametrize("suffix", [".fits.gz", ".FITS.GZ", ".fits.fz", ".fit", ".FTS"])
def test_mosaics_of_every_suffix_are_read(tmp_path, suffix):
    """The pixels are those of the plain file."""
    put(tmp_path / "P1-mosaic.fits", 1)
    put(tmp_path / f"P2-mosaic{suffix}", 2, 190.0)
    images, notices = values(f"mosaics:{tmp_path}", tmp_path / "out")
    assert (images["A"], images["B"], notices) == ({"P1": 1}, {"P2": 2}, [])


def test_what_is_no_file_is_named(tmp_path):
    """Folders, broken links, pipes, and names in another encoding; good files are all used."""
    put(tmp_path / "P1-mosaic.fits", 1)
    put(tmp_path / "elsewhere" / "deep" / "linked.fits", 2, 190.0)
    (tmp_path / "P2-mosaic.fits").symlink_to(tmp_path / "elsewhere" / "deep" / "linked.fits")
    (tmp_path / "P3-mosaic.fits").mkdir()
    (tmp_path / "P4-mosaic.fits").symlink_to("nothing")
    os.mkfifo(tmp_path / "P5-mosaic.fits")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/P\xfc-mosaic.fits")).write_bytes(b"")
    (tmp_path / "P7-mosaic.fits").write_bytes(b"")
    images, notices = values(f"mosaics:{tmp_path}", tmp_path / "out")
    assert (images["A"], images["B"]) == ({"P1": 1}, {"P2": 2})
    lines = "\n".join(notices)
    for words in (
        "'P3-mosaic.fits': a folder, not a file",
        "'P4-mosaic.fits': a link to a file that does not exist",
        "'P5-mosaic.fits': not a file",
        "xfc-mosaic.fits': its name is not valid UTF-8; rename it",
        "'P7-mosaic.fits': read ",
    ):
        assert words in lines, words
    assert len(notices) == 5


def test_links_between_folders_are_followed_once(tmp_path):
    """Links to themselves, upwards, to nothing and to a neighbour: no image counts twice."""
    folder = tmp_path / "files"
    put(folder / "e1" / "P1-mosaic.fits", 1)
    put(tmp_path / "disk" / "P2-mosaic.fits", 2, 190.0)
    for name, target in {
        "P9-mosaic.fits": "P9-mosaic.fits", "loop": "loop", "here": ".", "again": "e1",
        "up": "../files", "e2": tmp_path / "disk", "e3": tmp_path / "disk", "unplugged": "/no/disk",
        "note": "e1/P1-mosaic.fits", ".hidden": "/no/disk",
    }.items():  # fmt: skip
        (folder / name).symlink_to(target)
    images, notices = values(f"mosaics:{folder}", tmp_path / "out")
    assert images == {"A": {"P1": 1}, "B": {"P2": 2}, "C": ""}
    assert notices == [
        "passed over 'P9-mosaic.fits': Too many levels of symbolic links",
        "passed over 'again', 'e3', 'here' and 1 more: a link to a folder that is searched without "
        "it",
        "passed over 'loop', 'unplugged': a link to a file or folder that does not exist",
    ]


def test_several_damaged_mosaics_are_all_named(tmp_path):
    """The reason of a source names three of them, and the notices have every error."""
    put(tmp_path / "P0-mosaic.fits", 1)
    for number in range(1, 14):
        (tmp_path / f"P{number:02d}-mosaic.fits").write_bytes(b"<html>404</html>")
    images, notices = values(f"mosaics:{tmp_path}", tmp_path / "out")
    assert images["C"] == (
        "no image holds the position, but 13 mosaics cannot be read: 'P01-mosaic.fits', "
        "'P02-mosaic.fits', 'P03-mosaic.fits' and 10 more; the notices of the build have the "
        "reasons"
    )
    assert [f"'P{n:02d}-mosaic.fits'" in line for n, line in enumerate(notices, 1)] == [True] * 13


def test_a_plain_mosaic_goes_before_its_copies(tmp_path):
    """The fpack'd one has other pixels, and is named."""
    for value, suffix in enumerate((".fits.fz", ".fits", ".fits.gz")):
        put(tmp_path / f"P1-mosaic{suffix}", value)
    images, notices = values(f"mosaics:{tmp_path}", tmp_path / "out")
    assert images["A"] == {"P1": 1}
    assert notices == [
        "passed over 'P1-mosaic.fits.fz', 'P1-mosaic.fits.gz': a compressed copy of a file that "
        "is used"
    ]


def test_folders_without_a_readable_mosaic_say_so(tmp_path):
    """None at all, or none that can be read, is an error and no build without images."""
    (tmp_path / "files").mkdir()
    with pytest.raises(InputError, match=r"no FIELD-mosaic\.fits"):
        values(f"mosaics:{tmp_path / 'files'}", tmp_path / "out")
    (tmp_path / "files" / "P1-mosaic.fits").write_bytes(b"")
    with pytest.raises(ImageError, match="an empty file"):
        values(f"mosaics:{tmp_path / 'files'}", tmp_path / "out")


def test_the_name_of_the_folder_may_be_anything(tmp_path, monkeypatch):
    """Patterns, hidden folders and ``.`` are folders like others."""
    for name in ("[1]", "a*", ".hidden", "+ _%20"):
        put(tmp_path / name / "P1_2-mosaic.fits", 1)
        images, notices = values(f"mosaics:{tmp_path / name}", tmp_path / "out")
        assert (images["A"], notices) == ({"P1+2": 1}, [])
    monkeypatch.chdir(tmp_path / "[1]")
    service = open_service("mosaics:.")
    assert service.fields == {"P1+2": ("P1_2-mosaic.fits", "")}

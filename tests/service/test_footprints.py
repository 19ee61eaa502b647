"""No service gives a stamp of another piece of sky, and none loses a source that it has."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss import make_stamp
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import ImageError, ServiceAnswerError
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.service.base import open_service, search_all
from mingolotss.service.local.folder import FolderService
from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.service.remote.cutout_server import LotssDr2Service
from mingolotss.service.remote.range_mosaics import LotssDr2MosaicsService, RangesService
from mingolotss.service.remote.sia import SiaService
from mingolotss.service.remote.sia2 import Sia2Service, SodaService
from mingolotss.sky.wcs import SkyWCS, simple_header
from mingolotss.testing import Image
from misbehave import running
from sky.test_footprint import PROJECTIONS, by_astropy, header_of, positions, random_header
from survey_images import CENTRES, write_images
from survey_server import Survey

SCALE_DEG = 1.5 / 3600


def write_mosaic(folder, field, header):
    """Write a mosaic in which no two pixels have one value."""
    shape = header["NAXIS2"], header["NAXIS1"]
    pixels = np.arange(1, 1 + np.prod(shape), dtype="f4").reshape(shape)
    folder.mkdir(parents=True, exist_ok=True)
    fits.writeto(folder / f"{field}-mosaic.fits", pixels, header)


def rows_of(out, catalogue, service):
    """Build, and return the rows of the manifest by source."""
    build(load_recipe("lotss"), out=out, catalogue=catalogue, service=service)
    return {row["source"]: row for row in read_manifest(out).to_pylist()}


@pytest.mark.slow
def test_mosaics_are_found_for_every_position_that_they_hold(tmp_path):
    """For images of every projection and of any size, the search is what astropy says of each."""
    rng = np.random.default_rng(8)
    headers = {}
    for number, projection in enumerate(PROJECTIONS):
        field = f"{projection}{number}"
        headers[field] = random_header(rng, projection)
        write_mosaic(tmp_path, field, headers[field])
    for field, header in (
        ("wide-TAN", header_of("TAN", (300, 300), ra=30.0, dec=40.0, step=0.6)),
        ("wide-SIN", header_of("SIN", (80, 80), ra=30.0, dec=89.0, step=1.0)),
        ("sky-CAR", header_of("CAR", (180, 360))),
        ("sky-AIT", header_of("AIT", (180, 360), ra=0.0)),
    ):
        headers[field] = header
        write_mosaic(tmp_path, field, header)
    sky = SkyCoord([place for h in headers.values() for place in positions(rng, h, n=5)])
    names = [str(index) for index in range(len(sky))]
    catalogue = Catalogue.from_columns(names, sky.ra.deg, sky.dec.deg)
    answers = search_all(MosaicsService(str(tmp_path)), catalogue, 0.1)
    found = np.array([[c.field for c in answer].count(f) for answer in answers for f in headers])
    found = found.reshape(len(sky), len(headers))
    for column, (field, header) in enumerate(headers.items()):
        expected, depth = by_astropy(header, sky)
        clear = ~(depth < 1e-6)
        np.testing.assert_array_equal(found[clear, column], expected[clear], field)
    assert found.sum() > 2 * len(sky)


@pytest.mark.parametrize(
    "header",
    [
        # 50 to 70 deg from the reference pixel, where a pixel of SIN is 1.6 to 3 times as long
        header_of("SIN", (240, 240), ra=150.0, dec=30.0, step=0.04, CRPIX1=-1100.0),
        header_of("TAN", (240, 240), ra=150.0, dec=30.0, CDELT1=-0.02, CDELT2=0.4),
        header_of("CAR", (240, 240), ra=150.0, CDELT1=-0.005, CDELT2=0.3, PC1_2=0.4, PC2_1=-0.2),
        header_of("TAN", (240, 240), ra=150.0, dec=30.0, step=0.568),
    ],
    ids=["SIN far from its reference", "long pixels", "skewed pixels", "100 deg wide"],
)
def test_corners_give_their_pixels(tmp_path, header):
    """Also where a pixel is longer than at the reference pixel, or not a square."""
    write_mosaic(tmp_path, "W", header)
    wcs, service = SkyWCS.from_header(header.tostring().encode()), MosaicsService(str(tmp_path))
    size = 9 * wcs.pixel_scale_arcsec * u.arcsec
    for x, y in [(4, 4), (235, 4), (4, 235), (235, 235), (120, 120)]:
        place = SkyCoord(*wcs.to_sky(x, y), unit="deg")
        [candidate] = service.search(place, size)
        assert service.cutout(candidate, place, size).image[4, 4] == 1 + 240 * y + x


def write_cutout(folder, name, header):
    """Write one of the cutouts of a folder."""
    pixels = np.random.default_rng(3).normal(0, 1, (64, 64)).astype("f4")
    fits.writeto(folder / name, pixels, header)


def test_a_file_of_a_source_whose_content_is_another_field_is_rejected(tmp_path):
    """By name each file belongs to its source; the header says what it shows."""
    step = {"shape": (64, 64), "step": SCALE_DEG}
    files = {
        "near": header_of("SIN", **step, dec=50.02),
        "far": header_of("SIN", **step, ra=181.0, dec=50.0),
        "behind-TAN": header_of("TAN", **step, ra=0.0, dec=-50.0),
        "behind-ZEA": header_of("ZEA", **step, ra=0.0, dec=-50.0),
        "behind-CAR": header_of("CAR", **step, ra=0.0),
        # the axes are the other way round, and the numbers were not swapped with them
        "swapped": header_of("SIN", **step, CTYPE1="DEC--SIN", CTYPE2="RA---SIN",
                             CRVAL1=50.0, CRVAL2=170.0),
        "edge": header_of("SIN", **step, dec=50.0 + 31.7 * SCALE_DEG),
        "beside": header_of("SIN", **step, dec=50.0 + 32.8 * SCALE_DEG),
    }  # fmt: skip
    for name, header in files.items():
        write_cutout(tmp_path, f"{name}_P1-mosaic.fits", header)
    catalogue = Catalogue.from_columns(list(files), [180.0] * len(files), [50.0] * len(files))
    rows = rows_of(tmp_path / "out", catalogue, FolderService(tmp_path))
    sky = SkyCoord([180.0], [50.0], unit="deg")
    written = {name for name, row in rows.items() if row["status"] == "written"}
    assert written == {name for name, header in files.items() if by_astropy(header, sky)[0]}
    assert written == {"edge"}
    reasons = {name: row["reason"] for name, row in rows.items() if name not in written}
    assert all(rows[name]["stage"] == "validate" for name in reasons)
    pattern = r"P1: the source is (\S+) (arcsec|arcmin|deg) outside the image"
    angles = {name: re.fullmatch(pattern, reason).groups() for name, reason in reasons.items()}
    assert angles["near"] == ("24", "arcsec")
    assert angles["far"] == ("37.8", "arcmin")
    assert {angles[f"behind-{name}"] for name in ("TAN", "ZEA")} == {("180", "deg")}
    assert angles["behind-CAR"] == ("130", "deg")
    assert angles["swapped"][1] == "deg"
    assert angles["beside"] == ("1.2", "arcsec")


class Anywhere(Image):
    """An image that an archive offers for every position."""

    def holds(self, position):
        """Return True."""
        return True


class OneImage(Survey):
    """A cutout server that sends the same image for all positions."""

    def cutout_server(self, line, _):
        """Send the first image."""
        self.send_file(line, self.images[0].path)


@pytest.mark.parametrize("kind", ["sia", "sia2", "soda", "lotss-dr2"])
def test_what_an_archive_says_of_its_images_does_not_count(tmp_path, kind):
    """Answers with wrong positions, and images of another piece of sky, are rejected or unused."""
    images = [Anywhere(i.field, i.path, i.rms) for i in write_images(tmp_path / "images")]
    source = CENTRES["P1"]
    with running(OneImage(images, tmp_path).replies()) as server:
        options = {"workspace": tmp_path / "out"}
        services = {
            "sia": lambda: SiaService(f"{server.url}/siap-whole", **options),
            "sia2": lambda: Sia2Service(f"{server.url}/sia2-whole", **options),
            "soda": lambda: SodaService(f"{server.url}/soda?ID=P1-mosaic.fits", **options),
            "lotss-dr2": lambda: LotssDr2Service(f"{server.url}/dr2-cutout.fits", **options),
        }
        catalogue = Catalogue.from_columns(
            ["on", "off"], [source[0], source[0]], [source[1], source[1] + 0.0416]
        )
        rows = rows_of(tmp_path / "out", catalogue, services[kind]())
    on, off = rows["on"], rows["off"]
    field = "DR2" if kind == "lotss-dr2" else "P1"
    assert (on["status"], on["field"]) == ("written", field)
    assert off["status"] == "rejected"
    if kind != "soda":  # which refuses to cut there
        # the middle of P1 is 45 pixels of 1.5 arcsec from its upper edge
        assert f"{field}: the source is 1.37 arcmin outside the image" in off["reason"]


def test_the_field_that_a_catalogue_names_must_hold_the_position(tmp_path):
    """A wrong hint is one line with the distance, and no file is written for it."""
    images = write_images(tmp_path / "images")
    for folder in ("layouts", "layouts/P1"):
        (tmp_path / folder).mkdir()
    (tmp_path / "layouts/P1/mosaic-blanked.fits").write_bytes(images[0].path.read_bytes())
    with running(Survey(images, tmp_path / "layouts").replies()) as server:
        service = LotssDr2MosaicsService(f"{server.url}/files", workspace=tmp_path / "out")
        catalogue = Catalogue.from_columns(["A"], [205.0], [56.0], field_hints=["P1"])
        [[candidate]] = search_all(service, catalogue, 0.1)
        with pytest.raises(ServiceAnswerError, match=r"the source is 58.9 arcmin outside"):
            service.cutout(candidate, SkyCoord(205.0, 56.0, unit="deg"), 0.1 * u.deg)
    assert not list((tmp_path / "out").rglob("*.fits"))


def test_a_cutout_of_a_mosaic_without_a_reference_pixel_keeps_its_place(tmp_path):
    """CRPIX is 0 if a header has none; the file of a cutout needs it, for it begins elsewhere."""
    layouts = tmp_path / "layouts"
    header = header_of("CAR", (90, 80), ra=180.0, step=SCALE_DEG)
    del header["CRPIX1"], header["CRPIX2"]
    write_mosaic(layouts, "P1", header)
    position = WCS(header).pixel_to_world(40.0, 50.0).icrs
    with running(Survey([], layouts).replies()) as server:
        service = RangesService(f"{server.url}/files")
        [candidate] = service.search(position, 0.5 * u.arcmin)
        cutout = service.cutout(candidate, position, 0.5 * u.arcmin)
    assert cutout.image[10, 10] == 1 + 80 * 50 + 40
    x, y = cutout.wcs.to_pixel(position.ra.deg, position.dec.deg)
    assert (x, y) == pytest.approx((10, 10), abs=1e-6)


def test_the_name_of_a_field_is_no_pointing_in_other_surveys(tmp_path):
    """A wide mosaic in a web folder holds positions far from the numbers in its name."""
    layouts = tmp_path / "layouts"
    write_mosaic(layouts, "P180+00", header_of("CAR", (40, 60), ra=180.0, step=1.0))
    images = [Image("P180+00", layouts / "P180+00-mosaic.fits")]
    with running(Survey([], layouts).replies()) as server:
        service = RangesService(f"{server.url}/files")
        sky = SkyCoord([180, 205, 155, 212], [0, 15, -15, 0], unit="deg")
        fields = [[c.field for c in service.search(place, 0.1 * u.deg)] for place in sky]
    assert fields == [["P180+00"] if images[0].holds(place) else [] for place in sky]
    assert fields == [["P180+00"], ["P180+00"], ["P180+00"], []]


def test_one_stamp_of_a_position_that_is_not_on_its_cutout_is_an_error(tmp_path):
    """`make_stamp` and the mosaics say how far away the position is."""
    header = simple_header(180.0, 50.0, shape=(240, 240), scale_arcsec=1.5)
    write_mosaic(tmp_path, "P1", fits.Header.fromstring(header.decode()))
    service, size = open_service(f"mosaics:{tmp_path}"), 0.1 * u.deg
    [candidate] = service.search(SkyCoord(180, 50, unit="deg"), size)
    cutout = service.cutout(candidate, SkyCoord(180, 50, unit="deg"), size)
    for place, distance in [((180, 51), "57 arcmin"), ((0, -50), "180 deg")]:
        position = SkyCoord(*place, unit="deg")
        with pytest.raises(ImageError, match=f"the source is {distance} outside the image"):
            make_stamp(cutout, position, "lotss")
        with pytest.raises(ImageError, match=f"the source is {distance} outside the image"):
            service.cutout(candidate, position, size)

"""How services are opened, what each says when something is wrong, and hostile images."""

from __future__ import annotations

import io
import itertools
import re
import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, InputError, RecipeError, ServiceUnavailableError
from mingolotss.image.pixels import take_window
from mingolotss.model import Candidate, Cutout
from mingolotss.service.base import CutoutRequest, Naming, fetch_cutouts, open_service, search_all
from mingolotss.service.local.folder import FolderService, read_cutout
from mingolotss.service.local.mosaic_file import open_mosaic
from mingolotss.sky.wcs import SkyWCS, simple_header
from mingolotss.testing import check_service
from survey_images import (
    CENTRES,
    LAYOUTS,
    OwnService,
    as_memory,
    as_mosaics,
    as_packed,
    write_images,
)  # fmt: skip
from survey_server import survey


def test_services_are_opened_by_name_folder_or_not_at_all(tmp_path):
    """A folder is a service; a wrong name, a bare address and a missing folder are one line."""
    write_images(tmp_path)
    assert isinstance(open_service(str(tmp_path)), FolderService)
    for address, words in (
        ("flder:x", "did you mean 'folder'"), ("./nothing-here", "no such folder"),
        ("folder:", "give the folder"), ("mosaics:", "give the folder"),
        ("s3://bucket/x", "mosaics:s3://bucket/x"), (f"folder:{tmp_path}/no", "no such folder"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words) as caught:
            open_service(address)
        assert "\n" not in str(caught.value)


def test_a_folder_offers_each_field_once_with_its_own_rms(tmp_path):
    """Rms maps go with the whole field name; other products and doubles are left out."""
    for name in (
        "A_P1-mosaic.fits", "A_P1-mosaic.fits.gz", "A_P11-mosaic.fits", "A_P11-mosaic-rms.fits",
        "A_P1-low-mosaic.fits", "A_P1-residual-mosaic.fits", "A_1_P164_55-mosaic.fits.fz",
        "A_1_P164_55-mosaic-rms.fits", "readme.txt",
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"")
    catalogue = Catalogue.from_columns(["A", "A_1", "B"], [1, 2, 3], [1, 2, 3])
    found = search_all(open_service(str(tmp_path)), catalogue, 0.1)
    said = [
        [(c.field, Path(c.image).name, Path(c.rms).name, c.source) for c in row] for row in found
    ]
    assert said == [
        [
            ("P1", "A_P1-mosaic.fits", "", "A"),
            ("P11", "A_P11-mosaic.fits", "A_P11-mosaic-rms.fits", "A"),
        ],
        [("P164+55", "A_1_P164_55-mosaic.fits.fz", "A_1_P164_55-mosaic-rms.fits", "A_1")],
        [],
    ]


def test_a_search_by_place_gives_images_only(tmp_path):
    """Asked by place, a folder leaves out other products and rms maps as it does by name."""
    [image, *_] = write_images(tmp_path / "images")
    for name in ("A.fits", "A-rms.fits"):
        shutil.copy(image.path, tmp_path / name)
    service = FolderService(tmp_path, Naming("{source}.fits", "{source}-rms.fits", ()))
    [found] = service.search(SkyCoord(*CENTRES["P1"], unit="deg"), 0.1 * u.deg)
    assert (found.source, Path(found.rms).name) == ("A", "A-rms.fits")
    assert service.image_names() == ["A"]
    other = tmp_path / "other"
    other.mkdir()
    for end in ("P1-mosaic", "P1-low-mosaic", "P1-residual-mosaic", "P1-mosaic-rms"):
        shutil.copy(image.path, other / f"A_{end}.fits")
    found = open_service(str(other)).search(SkyCoord(*CENTRES["P1"], unit="deg"), 0.1 * u.deg)
    assert [one.field for one in found] == ["P1"]


def test_a_folder_without_what_is_wanted_says_so(tmp_path):
    """No FITS, no file of the catalogue's, and a naming that cannot be read are one line each."""
    catalogue = Catalogue.from_columns(["A"], [1], [1])
    with pytest.raises(InputError, match="no FITS file in it"):
        search_all(open_service(str(tmp_path)), catalogue, 0.1)
    (tmp_path / "Z_P1-mosaic.fits").write_bytes(b"")
    with pytest.raises(InputError, match="none of its 1 FITS files is named"):
        search_all(open_service(str(tmp_path)), catalogue, 0.1)
    with pytest.raises(RecipeError, match="expected"):
        FolderService(tmp_path, Naming("image-{source}.fits"))


@pytest.mark.parametrize(
    ("files", "sources", "advice"),
    [
        (["A.fits", "B.fits"], ["A", "B"], "images.image = '{source}.fits'"),
        (["A1_cut.FITS.gz", "A_cut.fits"], ["A", "A1"], "images.image = '{source}_cut.fits'"),
        (["A_e1.fits", "A_e2.fits"], ["A"], "for example images.image = '{source}_{field}.fits'"),
        (["x.fits"], ["A.fits"], "catalogue.name has names of sources, without .fits"),
        (["x.fits"], ["A"], "or let mosaics:DIR find the images by their positions"),
    ],
)
def test_how_the_files_seem_to_be_named(tmp_path, files, sources, advice):
    """If no file belongs to a source, the line says what to write in the recipe."""
    for name in files:
        (tmp_path / name).write_bytes(b"")
    rows = range(len(sources))
    catalogue = Catalogue.from_columns(sources, [1.0 for _ in rows], [1.0 for _ in rows])
    with pytest.raises(InputError, match=re.escape(advice)):
        search_all(open_service(str(tmp_path)), catalogue, 0.1)


def test_an_rms_map_of_another_shape_is_an_image_error(tmp_path):
    """Image and rms map must be of one shape; the line says both."""
    images = write_images(tmp_path / "images")
    shutil.copy(images[0].path, tmp_path / "A_P1-mosaic.fits")
    shutil.copy(images[1].rms, tmp_path / "A_P1-mosaic-rms.fits")
    [[candidate]] = search_all(
        open_service(str(tmp_path)), Catalogue.from_columns(["A"], [205.0], [55.0]), 0.1
    )
    with pytest.raises(ImageError, match="80 x 130 pixels, its image 120 x 90"):
        read_cutout(candidate)


def test_one_bad_image_leaves_the_others(tmp_path):
    """Asked for many, a service without bulk methods gives errors in their place."""
    images = write_images(tmp_path)
    source = Catalogue.from_columns(["A"], [205.0], [55.0]).source(0)
    wanted = [
        CutoutRequest(Candidate("x", str(path)), source)
        for path in (images[0].path, tmp_path / "no.fits")
    ]
    good, bad = fetch_cutouts(OwnService(tmp_path), wanted, 0.1)
    assert isinstance(good, Cutout)
    assert isinstance(bad, ImageError)


def test_mosaics_say_what_is_wrong(tmp_path):
    """No mosaics, and a place that no mosaic holds."""
    where = SkyCoord(10, 10, unit="deg")
    with pytest.raises(InputError, match=r"no FIELD-mosaic\.fits"):
        open_service(f"mosaics:{tmp_path}").search(where, 0.1 * u.deg)
    (tmp_path / "a.fits").write_bytes(b"")
    with pytest.raises(InputError, match="give the mosaics or links to them such names"):
        open_service(f"mosaics:{tmp_path}").search(where, 0.1 * u.deg)
    images = write_images(tmp_path / "images")
    assert list(open_service(as_mosaics(tmp_path, images)).search(where, 0.1 * u.deg)) == []


def test_a_long_header_is_read_whole(tmp_path):
    """A mosaic with hundreds of HISTORY cards, as LoTSS's have, is opened like any other."""
    images = write_images(tmp_path / "images")
    for image in images:
        with fits.open(image.path, mode="update") as hdus:
            for line in range(900):
                hdus[0].header.add_history(f"step {line}")
    stream = io.BytesIO(images[0].path.read_bytes())
    assert stream.getbuffer().nbytes > 900 * 80
    for make in (as_mosaics, as_memory):
        service = open_service(make(tmp_path, images))
        check_service(service, images, np.random.default_rng(2), positions=6)


def test_a_search_that_fails_leaves_the_other_sources(tmp_path):
    """Where a service without bulk methods does not answer, its error stands in that row."""
    write_images(tmp_path)

    class Failing(OwnService):
        def search(self, position, size):
            if position.ra.deg > 100:
                raise ServiceUnavailableError("no answer")
            return super().search(position, size)

    catalogue = Catalogue.from_columns(["A", "B"], [205.0, 0.001], [55.0, -30.0])
    failed, found = search_all(Failing(tmp_path), catalogue, 0.1)
    assert isinstance(failed, ServiceUnavailableError)
    assert [one.field for one in found] == ["P3"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Give the bytes of one fpack'd, one plain and one scaled mosaic."""
    folder = tmp_path_factory.mktemp("packed")
    [image, *_] = write_images(folder / "images")
    as_packed(folder, [image])
    scaled = fits.PrimaryHDU(np.nan_to_num(image.pixels), fits.getheader(image.path))
    scaled.scale("int16", bscale=1e-6)
    scaled.writeto(folder / "scaled.fits")
    files = (folder / "P1-mosaic.fits.fz", image.path, folder / "scaled.fits")
    return [path.read_bytes() for path in files]


@pytest.mark.slow
@settings(
    max_examples=250, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    st.integers(0, 2),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 255) | st.sampled_from(b"0-'=T")), max_size=6
    ),
    st.floats(0, 1) | st.none(),
    st.booleans(),
)
def test_a_damaged_mosaic_is_an_image_error(tmp_path, packed, which, changes, cut, early):
    """Opened or cut from, a damaged mosaic gives floats or one line, never another exception."""
    raw = bytearray(packed[which])
    reach = min(len(raw), 3 * 2880) if early else len(raw)
    for where, value in changes:
        raw[int(where * (reach - 1))] = value
    if cut is not None:
        del raw[int(cut * len(raw)) :]
    path = tmp_path / f"{uuid.uuid4().hex}.fits"
    path.write_bytes(raw)
    try:
        mosaic = open_mosaic(str(path))
        ny, nx = mosaic.shape
        found = mosaic.box(0, min(ny, 9), 0, min(nx, 9)).dtype.kind
    except ImageError as error:
        found = str(error)
    finally:
        path.unlink()
    assert found == "f" or path.name in found
    assert "\n" not in found


@pytest.mark.parametrize("kind", ["mosaics", "fpack'd", "fsspec", "simulated"])
def test_a_cutout_ends_where_its_mosaic_does(tmp_path, kind):
    """Over an edge it is padded or cut short; around a position past it there is none, in one line.

    `simulated` cuts short, as archives do.
    """
    images = write_images(tmp_path / "images")
    service = open_service(LAYOUTS[kind](tmp_path, images))
    [candidate] = service.search(SkyCoord(*CENTRES["P3"], unit="deg"), 0.01 * u.deg)
    with fits.open(images[2].path) as hdus:
        pixels, header = hdus[0].data, hdus[0].header.tostring().encode()
    side, wcs = 24, SkyWCS.from_header(header)
    offsets = [-2000, -13, -1, -0.51, -0.49, 0, 50, 99.49, 99.51, 100, 111, 113, 1e5]
    for x, y in itertools.product(offsets, repeat=2):
        place = SkyCoord(*wcs.to_sky(x, y), unit="deg")
        low_y, low_x = round(y) - side // 2, round(x) - side // 2
        if not (-0.5 < x < 99.5 and -0.5 < y < 99.5):
            outside = r"the source is .* (arcsec|arcmin|deg) outside"
            no_position = "not on the image's projection"
            reason = outside if np.isfinite(place.ra) else no_position
            with pytest.raises(ImageError, match=reason):
                service.cutout(candidate, place, 10 * u.arcmin * side / 400)
            continue
        found = service.cutout(candidate, place, 10 * u.arcmin * side / 400)
        wanted = take_window(pixels, low_y, low_x, side)
        if kind == "simulated":
            rows, columns = (slice(max(0, -low), min(side, 100 - low)) for low in (low_y, low_x))
            wanted = wanted[rows, columns]
        np.testing.assert_array_equal(found.image, wanted)
        assert found.rms.shape == wanted.shape
    behind = SkyCoord(180.001, 30, unit="deg")  # has no pixel: NaN
    with np.errstate(invalid="raise"), pytest.raises(ImageError, match="outside the image"):
        service.cutout(candidate, behind, 0.1 * u.deg)


@pytest.mark.slow
@pytest.mark.parametrize("one_range_only", [False, True])
def test_mosaics_on_a_web_server_are_read_by_the_http_client(tmp_path, one_range_only):
    """A busy server is asked again; one that refuses several ranges is asked for a single one.

    The pixels are those that the same service reads from the folder.
    """
    images = write_images(tmp_path / "images")
    (tmp_path / "files").mkdir()
    local = open_service(as_mosaics(tmp_path / "files", images))
    place, size = SkyCoord(*CENTRES["P3"], unit="deg"), 1 * u.arcmin
    [candidate] = local.search(place, size)
    expected = local.cutout(candidate, place, size)
    with survey(images, tmp_path / "files") as server:
        answer = server.script["*"]

        def reply(line, number):
            if number == 1:
                line.send(b"", "503 Service Unavailable", Retry_After="0")
            elif one_range_only and "," in line.request_headers.get("range", ""):
                line.send(b"one range at a time", "416 Range Not Satisfiable")
            else:
                answer(line, number)

        server.script["*"] = reply
        service = open_service(f"mosaics:{server.url}/files")
        [candidate] = service.search(place, size)
        found = service.cutout(candidate, place, size)
        assert all(agent.startswith("mingolotss/") for agent in server.agents)
    assert candidate.image.startswith(server.url)
    np.testing.assert_array_equal(found.image, expected.image)
    np.testing.assert_array_equal(found.rms, expected.rms)
    assert (found.origin, found.wcs.header) == (expected.origin, expected.wcs.header)


@pytest.mark.parametrize("scale", [1e-20, 1e-14, 1e-8, 1e-3])
@pytest.mark.parametrize("kind", ["mosaics", "simulated"])
def test_pixels_too_small_for_a_cutout(tmp_path, scale, kind):
    """A header whose pixels are absurdly small is said in one line, before memory is asked for."""
    images = write_images(tmp_path / "images")
    for path in images[2].path, images[2].rms:
        header = fits.Header.fromstring(
            simple_header(*CENTRES["P3"], shape=(100, 100), scale_arcsec=scale).decode()
        )
        fits.writeto(path, fits.getdata(path), header, overwrite=True)
    service = open_service(LAYOUTS[kind](tmp_path, images))
    place = SkyCoord(*CENTRES["P3"], unit="deg")
    candidate = Candidate("P3", str(tmp_path / "P3-mosaic.fits"))
    with pytest.raises(ImageError, match="at most 16384 can be cut; look at CDELT"):
        service.cutout(candidate, place, 0.1 * u.deg)

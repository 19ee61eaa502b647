"""Each survey by its name builds stamps from a server that answers as its own does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

import mingolotss
from mingolotss.dataset.channel_table import read_channels
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.records import read_records
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.cutout_cache import CutoutCache
from mingolotss.recipe.load import load_recipe
from mingolotss.service.survey_table import SURVEYS
from mingolotss.simulate import SkyFolder, SkyModel, write_sky
from mingolotss.testing import Image
from misbehave import Server
from named_surveys import named_addresses, named_surveys

SIDE = 24  # px
NATIVE = {"first", "tgss", "lolss", "vlass"}  # on the pixels of the simulated sky


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Write a small simulated sky, whose mosaics are the images of every survey."""
    folder = SkyFolder(write_sky(SkyModel(sources=12), tmp_path_factory.mktemp("sky")))
    return folder, images_of(folder)


@pytest.fixture(scope="module")
def server(sky, tmp_path_factory):
    """Run the server of all surveys."""
    with named_surveys(sky[1], tmp_path_factory.mktemp("files")) as running:
        yield running


def images_of(folder: SkyFolder) -> list[Image]:
    """Return the mosaics of a sky without the cards by which surveys are told apart."""
    images = []
    for path in sorted(folder.path.glob("*-mosaic.fits")):
        for keyword in ("BMAJ", "BMIN", "BPA", "BUNIT", "TELESCOP", "SURVEY", "ORIGIN", "RESTFRQ"):
            with fits.open(path, mode="update") as hdus:
                hdus[0].header.remove(keyword, ignore_missing=True)
        rms = path.with_name(path.name.replace("-mosaic", "-mosaic-rms"))
        images.append(Image(path.name.removesuffix("-mosaic.fits"), path, rms))
    return images


def build(out: Path, catalogue: Path, service: str, **settings: object) -> mingolotss.Build:
    """Build stamps of 24 pixels without labels from a service."""
    recipe = load_recipe("lotss").changed({
        "stamp.kind": "float32", "stamp.pixels": SIDE, "formats": ["parquet"],
        "steps": [{"do": "zero-nan"}], "catalogue.size": "", "catalogue.flux": "",
        "catalogue.field": "", "images.size_arcmin": 0.8, "recentre.enabled": False,
        **settings,
    })  # fmt: skip
    return mingolotss.build(recipe, out=out, catalogue=catalogue, service=service)


def sources(folder: SkyFolder, path: Path, number: int = 3) -> Path:
    """Write a catalogue of the first sources of a sky."""
    table = Table.read(folder.catalogue)[:number]
    table[["Source_Name", "RA", "DEC"]].write(path)
    return path


@pytest.mark.parametrize("name", SURVEYS)
def test_a_survey_builds_stamps_with_its_facts(tmp_path, sky, server, name):
    """Stamps of its images; facts in manifest, record and card; no other address is asked."""
    folder, images = sky
    pixel = SURVEYS[name].band("").facts.pixel_scale_arcsec
    catalogue = sources(folder, tmp_path / "catalogue.csv")
    address = named_addresses(server)[name]
    size = {} if name in NATIVE else {"images.size_arcmin": 1.2 * SIDE * pixel / 60}
    before = dict(server.asked)
    build(tmp_path / "out", catalogue, address, **size)
    rows = read_manifest(tmp_path / "out").to_pylist()
    written = [row for row in rows if row["status"] == "written"]
    assert written, [row["reason"] for row in rows]
    facts = SURVEYS[name].band("").facts
    for row in written:
        assert row["unit"] == facts.unit
        assert row["survey"] == ("LegacySurvey" if name == "legacy" else facts.survey)
        assert row["telescope"] == facts.telescope
        beam = None if facts.beam is None else facts.beam.at(row["dec"])
        expected = (None, None) if beam is None else beam[:2]
        assert (row["beam_major_arcsec"], row["beam_minor_arcsec"]) == pytest.approx(expected)
        if facts.frequency_mhz > 0:
            assert row["frequency_mhz"] == pytest.approx(facts.frequency_mhz)
        assert row["noise_method"] in ("sigma-clipped", "rms-map")
    check_pixels(tmp_path / "out", written, images, resampled=name not in NATIVE)
    provenance = read_provenance(tmp_path / "out")
    [(survey, stated)] = provenance.surveys.items()
    assert survey == facts.survey
    assert stated["to cite"] == facts.reference
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"Cite {facts.reference}" in card.replace("\\", "")
    assert "by what is known about the survey" in card
    if facts.licence:
        assert facts.licence.split(":")[0] in card
    asked = [path for path in server.asked if path not in before]
    start = address.split("/", 3)[3]
    further = {"vlass": ("/cadc-datalink", "/soda"), "tgss": ("/cut/",), "lolss": ("/cut/",)}
    assert all(path.startswith((f"/{start}", *further.get(name, ()))) for path in asked)


def check_pixels(out: Path, rows: list, images: list[Image], *, resampled: bool) -> None:
    """Compare each stamp with the pixels of the images that are nearest to its own, by astropy."""
    y, x = np.mgrid[:SIDE, :SIDE]
    for row, stamp in zip(rows, read_records(out).images(), strict=True):
        place = mingolotss.stamp_wcs(row).pixel_to_world(x, y)
        centre = mingolotss.stamp_wcs(row).pixel_to_world(SIDE // 2, SIDE // 2)
        apart = centre.separation(SkyCoord(row["ra"], row["dec"], unit="deg")).arcsec
        limit = 0.01 if resampled else 0.75
        assert apart <= limit * row["pixel_scale_arcsec"], row["source"]
        equal = []
        for image in images:
            px, py = np.rint(image.wcs.world_to_pixel(place)).astype(int)
            ny, nx = image.pixels.shape
            inside = (px >= 0) & (py >= 0) & (px < nx) & (py < ny)
            values = np.zeros(stamp.shape)
            values[inside] = np.nan_to_num(image.pixels[py[inside], px[inside]])
            seen = (stamp != 0) & inside
            equal.append(seen.sum() > 100 and np.isclose(stamp[seen], values[seen]).mean() > 0.98)
        assert any(equal), row["source"]


def test_places_without_data_are_nan_and_do_not_lower_the_noise(tmp_path, sky, server):
    """SkyView writes 0 where the survey ends: the stamp has no data there, and the right noise."""
    image = sky[1][0]
    column = int(np.flatnonzero(np.isfinite(image.pixels[image.pixels.shape[0] // 2]))[0])
    edge = image.wcs.pixel_to_world(column + 8, image.pixels.shape[0] // 2).icrs
    inner = image.wcs.pixel_to_world(column + 120, image.pixels.shape[0] // 2).icrs
    outside = SkyCoord(edge.ra.deg + 90, -edge.dec.deg, unit="deg")
    catalogue = tmp_path / "c.csv"
    places = (edge, inner, outside)
    Table({
        "Source_Name": ["edge", "inner", "outside"], "RA": [p.ra.deg for p in places],
        "DEC": [p.dec.deg for p in places],
    }).write(catalogue)  # fmt: skip
    address = f"skyview:NVSS?pixel=1.5@{server.url}/runquery.pl"
    build(tmp_path / "out", catalogue, address)
    rows = {row["source"]: row for row in read_manifest(tmp_path / "out").to_pylist()}
    assert rows["edge"]["status"] == "written"
    assert 5 < rows["edge"]["percent_nan"] < 80
    assert rows["edge"]["noise_jy"] > 0.3 * rows["inner"]["noise_jy"]
    view = BuildView.read(tmp_path / "out")
    cutout = CutoutCache(view).get(view.source(0), view.candidate_rows(0)[0].candidate)
    assert np.isnan(cutout.image).mean() > 0.05
    assert cutout.wcs.facts.unit == "Jy/beam"
    again = mingolotss.export(tmp_path / "out", "fits", tmp_path / "fits")
    assert again.images == 2
    assert rows["outside"]["status"] == "rejected"
    assert "No candidate images were found in the region" in rows["outside"]["reason"]
    assert "\n" not in rows["outside"]["reason"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("skyview:Other Survey?pixel=15@{url}/none", "404"),
        ("skyview:Unheard?pixel=15@{url}/runquery.pl", "Unable to find requested survey"),
        ("hips:CDS/P/Unheard@{url}/hips", "Bad Request"),
        ("legacy:g@{url}/hips", "400"),
        ("first:{url}/runquery.pl", "a page with links to images"),
    ],
)
def test_an_error_of_a_server_is_one_line(tmp_path, sky, server, address, words):
    """The page or the text of the server is in the reason of the rejection, in one line."""
    catalogue = sources(sky[0], tmp_path / "c.csv", 1)
    with pytest.raises(mingolotss.MingoError, match=words) as caught:
        build(tmp_path / "out", catalogue, address.format(url=server.url))
    assert "\n" not in str(caught.value)


def test_cutouts_that_are_smaller_than_the_stamps_are_named_in_the_plan(tmp_path, sky, server):
    """The recipe says 6 arcmin, and 24 pixels of NVSS are as large; 25 are not."""
    catalogue, address = sources(sky[0], tmp_path / "c.csv", 1), named_addresses(server)["nvss"]
    lines = {}
    for side in (SIDE, SIDE + 1):
        settings = {"images.size_arcmin": 6.0, "stamp.pixels": side}
        built = build(tmp_path / f"{side}", catalogue, address, **settings)
        lines[side] = [line for line in built.notices if "smaller than the stamps" in line]
    assert lines[SIDE] == []
    [line] = lines[SIDE + 1]
    assert "25 pixels, 6.25 arcmin" in line


def test_several_planes_are_no_image(tmp_path, sky, server):
    """An answer with a plane for each band is rejected with a line that says what is needed."""
    catalogue = sources(sky[0], tmp_path / "c.csv", 1)
    service = mingolotss.open_service(
        f"legacy:g@{server.url}/fits-cutout", workspace=tmp_path / "w"
    )
    service.band = "grz"
    build(tmp_path / "out", catalogue, service)
    [row] = read_manifest(tmp_path / "out").to_pylist()
    assert row["status"] == "rejected"
    assert "one plane is needed" in row["reason"]


def test_the_facts_of_a_build_are_read_again_from_its_record(tmp_path, sky, server: Server):
    """An export and its description state the terms of use as the build does."""
    catalogue = sources(sky[0], tmp_path / "c.csv", 2)
    build(tmp_path / "out", catalogue, named_addresses(server)["dss2"])
    mingolotss.export(tmp_path / "out", "parquet", tmp_path / "exported")
    for folder in ("out", "exported"):
        provenance = read_provenance(tmp_path / folder)
        assert provenance.surveys["DSS2 red"]["unit"] == "photographic density"
        assert "DSSCopyrights" in (tmp_path / folder / "README.md").read_text()
    croissant = json.loads((tmp_path / "exported" / "croissant.json").read_text())
    assert croissant


def test_surveys_are_channels_by_their_names(tmp_path, sky, server):
    """Mosaics, FIRST, NVSS and an optical survey share a grid, each with the facts of its own."""
    folder = sky[0]
    catalogue = sources(folder, tmp_path / "c.csv", 2)
    addresses = named_addresses(server)
    size = {"size_arcmin": 1.5}
    channels = [
        {"name": "lofar", "images": size | {"service": f"mosaics:{folder.path}"}},
        {"name": "first", "images": size | {"service": addresses["first"]}},
        {"name": "nvss", "images": {"size_arcmin": 5, "service": addresses["nvss"]}},
        {"name": "optical", "images": {
            "size_arcmin": 1, "service": addresses["legacy"].replace("legacy:", "legacy:g@"),
        }},
    ]  # fmt: skip
    build(tmp_path / "out", catalogue, "", channels=channels)
    table = read_channels(tmp_path / "out").to_pylist()
    for channel, survey in (("first", "first"), ("nvss", "nvss"), ("optical", "legacy")):
        facts = SURVEYS[survey].band("g" if survey == "legacy" else "").facts
        rows = [row for row in table if row["channel"] == channel]
        assert [row["status"] for row in rows] == (
            ["native"] * 2 if channel == "first" else ["resampled"] * 2
        )
        for row in rows:
            assert row["unit"] == facts.unit
            assert row["survey"] == ("LegacySurvey" if survey == "legacy" else facts.survey)
            beam = None if facts.beam is None else facts.beam.minor_arcsec
            assert row["beam_minor_arcsec"] == beam
    provenance = read_provenance(tmp_path / "out")
    assert set(provenance.surveys) == {"FIRST", "NVSS", SURVEYS["legacy"].band("g").facts.survey}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Copyright NRAO/AUI" in card
    assert "Copyright University of California" in card


def test_a_common_beam_takes_the_beam_of_a_survey(tmp_path, sky, server):
    """NVSS is convolved from the 45 arcsec that its headers lack; RACS, of unknown beam, is not."""
    catalogue = sources(sky[0], tmp_path / "c.csv", 1)
    addresses = named_addresses(server)
    size = {"images.size_arcmin": 12, "beam.common": "60 arcsec"}
    build(tmp_path / "nvss", catalogue, addresses["nvss"], **size)
    [row] = read_manifest(tmp_path / "nvss").to_pylist()
    assert (row["beam_major_arcsec"], row["stamp_beam_major_arcsec"]) == pytest.approx((45, 60))
    build(tmp_path / "racs", catalogue, addresses["racs"], **size | {"images.size_arcmin": 3})
    [row] = read_manifest(tmp_path / "racs").to_pylist()
    assert row["status"] == "rejected"
    assert "beam" in row["reason"]
    assert "\n" not in row["reason"]
    small = {"images.size_arcmin": 12, "beam.common": "30 arcsec"}
    with pytest.raises(mingolotss.MingoError, match="45 arcsec"):
        build(tmp_path / "small", catalogue, addresses["nvss"], **small)

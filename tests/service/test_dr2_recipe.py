"""The recipe mingolotss-dr2 against a server with the folders of the public DR2 mosaics."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from mingolotss.dataset.manifest import read_manifest
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.wcs import simple_header
from misbehave import running
from survey_images import write_images
from survey_server import Survey

# A field of DR2 is called by its pointing, rounded to a degree.
FIELDS = {"P205+55": (205.1, 55.2), "P209+55": (208.9, 54.9)}
SOURCES = {"west": (205.1, 55.2), "east": (208.9, 54.9), "corner": (205.2, 55.25)}
FLAGS = ("FR1", "FR2", "Indeterminate", "Small", "NAT", "WAT", "D-D")
SIDE = 400


@pytest.fixture
def mosaics(tmp_path):
    """Give a folder like https://lofar-surveys.org/public/DR2/mosaics, with small mosaics."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:SIDE, :SIDE]
    for field, centre in FIELDS.items():
        folder = tmp_path / "DR2" / "mosaics" / field
        folder.mkdir(parents=True)
        cards = simple_header(*centre, shape=(SIDE, SIDE), scale_arcsec=1.5).decode()
        header = fits.Header.fromstring(cards)
        header["BMAJ"] = header["BMIN"] = 6 / 3600
        image = rng.normal(0, 8e-5, (SIDE, SIDE)) + 0.02 * np.exp(
            -((x - SIDE // 2) ** 2 + (y - SIDE // 2) ** 2) / 40
        )
        image[:30] = np.nan  # blanked where another field is deeper
        for name, pixels in (("mosaic-blanked", image), ("mosaic.rms", np.full_like(image, 8e-5))):
            fits.PrimaryHDU(np.float32(pixels), header).writeto(folder / f"{name}.fits")
    return tmp_path / "DR2" / "mosaics"


@pytest.fixture
def catalogue(tmp_path):
    """Give a catalogue with the columns of Mingo et al. 2019; one source is in no field."""
    sources = SOURCES | {"elsewhere": (150.0, 50.0)}
    table = Table(
        {
            "Source_Name": list(sources),
            "RA": [ra for ra, _ in sources.values()],
            "DEC": [dec for _, dec in sources.values()],
            "LM_dec_size": [40.0] * len(sources),
            "LM_Flux": [20.0] * len(sources),
        }
        | {flag: np.full(len(sources), flag == "FR1") for flag in FLAGS}
    )
    table.write(tmp_path / "mingo.fits")
    return tmp_path / "mingo.fits"


def rows_of(out):
    return {row["source"]: row for row in read_manifest(out).to_pylist()}


@pytest.mark.parametrize("many_ranges", [True, False])
def test_the_stamps_are_those_of_the_same_files_on_disk(mosaics, catalogue, tmp_path, many_ranges):
    with running(Survey([], mosaics).replies()) as server:
        answer = server.script["*"]

        def one_range(line, number):
            if "," in line.request_headers.get("range", ""):
                line.send(b"one range at a time", "416 Range Not Satisfiable")
            else:
                answer(line, number)

        server.script["*"] = answer if many_ranges else one_range
        made = build(
            "mingolotss-dr2", out=tmp_path / "web", catalogue=catalogue,
            service=f"lotss-dr2-mosaics:{server.url}/files",
        )  # fmt: skip
    build(
        "mingolotss-dr2", out=tmp_path / "disk", catalogue=catalogue, service=f"mosaics:{mosaics}"
    )
    web, disk = rows_of(tmp_path / "web"), rows_of(tmp_path / "disk")
    assert (made.written, made.rejected) == (3, 1)
    assert web["elsewhere"]["reason"] == disk["elsewhere"]["reason"]
    for name in SOURCES:
        for column in ("pixels_sha256", "field", "noise_jy", "noise_method", "class"):
            assert web[name][column] == disk[name][column], (name, column)
        assert web[name]["noise_method"] == "rms-map"
        assert web[name]["class"] == "FRI"
        assert not web[name]["blank"]
    assert web["west"]["field"] == web["corner"]["field"] == "P205+55"


def test_the_cutout_server_of_the_release_has_no_rms_map(catalogue, tmp_path):
    """The same recipe estimates the noise there."""
    images = write_images(tmp_path / "images")
    table = Table.read(catalogue)[:1]
    table["RA"], table["DEC"] = 205.0, 55.0
    table.write(catalogue, overwrite=True)
    with running(Survey(images, tmp_path).replies()) as server:
        recipe = load_recipe("mingolotss-dr2").changed(
            {"stamp.pixels": 20, "images.size_arcmin": 0.5, "recentre.enabled": False}
        )
        build(
            recipe, out=tmp_path / "out", catalogue=catalogue,
            service=f"lotss-dr2:{server.url}/dr2-cutout.fits",
        )  # fmt: skip
    (row,) = rows_of(tmp_path / "out").values()
    assert row["status"] == "written", row["reason"]
    assert row["noise_method"] == "sigma-clipped"


def test_only_what_depends_on_the_release_differs():
    recipe, base = load_recipe("mingolotss-dr2").to_dict(), load_recipe("mingolotss").to_dict()
    different = {key for key in base if recipe[key] != base[key]}
    assert different == {
        "name", "title", "summary", "description", "citation", "keywords", "images", "noise",
        "split",
    }  # fmt: skip
    assert {k: v for k, v in recipe["images"].items() if base["images"][k] != v} == {
        "service": "lotss-dr2-mosaics"
    }

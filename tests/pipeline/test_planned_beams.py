"""The largest beam of a build: found from headers or facts, recorded, and refused in one line."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

import mingolotss
from beam_images import header
from builds import contents, run
from mingolotss.dataset.channel_table import read_channels
from mingolotss.dataset.manifest import MANIFEST, STAMP_BEAM_COLUMNS, read_manifest
from mingolotss.dataset.records import read_records
from mingolotss.errors import InputError, MingoError, RecipeError
from mingolotss.model import Candidate
from mingolotss.pipeline.common_beam import facts_problem
from mingolotss.pipeline.planned_beams import smallest_common_beam
from mingolotss.recipe.model import Recipe
from mingolotss.service.local.folder import FolderService
from mingolotss.service.survey_facts import SurveyBeam, SurveyFacts
from mingolotss.sky.beams import FWHM, Beam, beam_covariance
from mingolotss.sky.header_facts import HeaderFacts

pytest.importorskip("radio_beam")
pytest.importorskip("scipy")

SIX, NINE = Beam(6.0, 6.0), Beam(9.0, 9.0)


def beams_of_a_survey(count: int, seed: int = 1) -> list[Beam]:
    """Return elliptical beams as of many pointings."""
    rng = np.random.default_rng(seed)
    minor, pa = rng.uniform(5, 7, count), rng.uniform(0, 180, count)
    major = minor * rng.uniform(1, 1.6, count)
    return [Beam(*values) for values in np.stack([major, minor, pa], axis=1).tolist()]


@pytest.mark.parametrize(
    ("beams", "common"),
    [
        ([SIX], SIX),
        ([SIX, NINE, Beam(7.0, 5.0, 30.0)], NINE),
        ([Beam(12.0, 6.0, 40.0), SIX], Beam(12.0, 6.0, 40.0)),
        ([Beam(12.0, 6.0, 40.0), Beam(8.0, 8.0)], Beam(12.0, 8.0, 40.0)),
        ([Beam(12.0, 6.0, 0.0), Beam(12.0, 6.0, 90.0)], Beam(12.0, 12.0)),
    ],
)
def test_the_smallest_common_beam(beams, common):
    """The largest beam if it holds the others, or the ellipse around them."""
    found = smallest_common_beam(beams)
    assert found.covariance == pytest.approx(common.covariance, rel=3e-3, abs=0.02)


@pytest.mark.parametrize("count", [3, 40, 1500])
def test_the_smallest_common_beam_of_many(count):
    """All can be convolved to it, and to none that is 1 % smaller in all directions."""
    beams = beams_of_a_survey(count)
    common = smallest_common_beam(beams)
    facts = [HeaderFacts("Jy/beam", 0.0, *beam) for beam in beams[:50]]
    assert not [problem for one in facts if (problem := facts_problem(one, common))]
    # The area is that of the smallest ellipse on a fine grid of shapes, to 1 %.
    covariances = np.array([beam.covariance for beam in beams])
    smallest = np.inf
    for ratio in np.linspace(1, 1.5, 26):
        for pa in np.arange(0, 180, 7.5):
            shape = np.linalg.cholesky(np.linalg.inv(beam_covariance(ratio, 1.0, pa)))
            scale = np.linalg.eigvalsh(shape.T @ covariances @ shape).max()
            smallest = min(smallest, scale * ratio)
    assert common.area == pytest.approx(smallest, rel=0.015)


def write_images(folder: Path, beams: dict[str, Beam | None]) -> Path:
    """Write a cutout of noise for each source; return the catalogue."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    names = list(beams)
    ra = 150 + np.arange(len(names)) / 10
    for name, beam, right_ascension in zip(names, beams.values(), ra.tolist(), strict=True):
        cards = header(beam, side=60, centre=(right_ascension, 50.0))
        for suffix, pixels in (("", rng.normal(size=(60, 60))), ("-rms", np.ones((60, 60)))):
            path = folder / f"{name}_P1-mosaic{suffix}.fits"
            fits.PrimaryHDU(pixels.astype("f4"), cards).writeto(path)
    catalogue = folder / "catalogue.csv"
    Table({"Source_Name": names, "RA": ra, "DEC": np.full(len(names), 50.0)}).write(catalogue)
    return catalogue


def recipe(common: str) -> Recipe:
    return mingolotss.load_recipe("lotss").changed({
        "beam.common": common, "steps": [], "stamp.kind": "float32", "stamp.pixels": 20,
        "formats": ["parquet"], "catalogue.size": "", "catalogue.flux": "", "catalogue.field": "",
        "images.size_arcmin": 1.0,
    })  # fmt: skip


def build(tmp_path: Path, common: str, out: str = "out", **options: object) -> mingolotss.Build:
    folder = tmp_path / "fits"
    return mingolotss.build(
        recipe(common), out=tmp_path / out, catalogue=folder / "catalogue.csv",
        service=f"folder:{folder}", **options,
    )  # fmt: skip


def test_the_manifest_has_both_beams(tmp_path):
    """That of the image and that of the stamp; an image with the common beam keeps its pixels."""
    write_images(tmp_path / "fits", {"A": SIX, "B": NINE})
    build(tmp_path, "9 arcsec")
    first, second = read_manifest(tmp_path / "out").to_pylist()
    assert [first[name] for name in STAMP_BEAM_COLUMNS] == [9, 9, 0]
    assert [first["beam_major_arcsec"], second["beam_major_arcsec"]] == pytest.approx([6, 9])
    assert first["noise_method"] == "rms-map, propagated to the common beam"
    assert second["noise_method"] == "rms-map"
    stamps = read_records(tmp_path / "out").images()
    assert first["noise_jy"] == pytest.approx(stamps[0].std(), rel=0.2)  # of 20 x 20 pixels
    with fits.open(tmp_path / "fits" / "B_P1-mosaic.fits") as hdus:
        assert (stamps[1] == hdus[0].data[20:40, 20:40]).all()
    build(tmp_path, "", out="plain")
    assert read_manifest(tmp_path / "plain").schema.names == MANIFEST.names
    assert (read_records(tmp_path / "plain").images()[1] == stamps[1]).all()


@pytest.mark.parametrize("noise", ["rms-map", "sigma-clipped"])
def test_one_stamp_is_that_of_the_build(tmp_path, noise):
    """`make_stamp` gives the bits of a build from cutouts, whichever pixels are convolved."""
    write_images(tmp_path / "fits", {"A": SIX, "B": Beam(7.0, 5.0, 20.0)})
    changes = {"noise.method": noise, "steps": [{"do": "zero-nan"}, {"do": "clip", "sigma": 1.0}]}
    clipped = recipe("9 arcsec").changed(changes)
    service = FolderService(tmp_path / "fits")
    mingolotss.build(
        clipped, out=tmp_path / "out", catalogue=tmp_path / "fits" / "catalogue.csv",
        service=service,
    )  # fmt: skip
    for number, image in enumerate(read_records(tmp_path / "out").images()):
        position = SkyCoord(150 + number / 10, 50.0, unit="deg")
        path = tmp_path / "fits" / f"{'AB'[number]}_P1-mosaic.fits"
        rms = path.with_name(path.name.replace("mosaic", "mosaic-rms"))
        cutout = service.cutout(Candidate("P1", str(path), str(rms)), position, 1 * u.arcmin)
        stamp = mingolotss.make_stamp(cutout, position, clipped)
        assert stamp.tobytes() == image.tobytes()
        assert 0 < np.count_nonzero(stamp) < stamp.size


def test_an_image_that_cannot_be_used_rejects_its_source(tmp_path):
    """The others are built; the line of the rejection and a notice name the image and the beams."""
    write_images(tmp_path / "fits", {"A": SIX, "B": Beam(20.0, 20.0), "C": None})
    built = build(tmp_path, "9 arcsec")
    assert (built.written, built.rejected) == (1, 2)
    _, larger, unknown = read_manifest(tmp_path / "out").to_pylist()
    assert "20 arcsec, is larger than the 9 arcsec of beam.common" in larger["reason"]
    assert "no beam, no BMAJ and BMIN" in unknown["reason"]
    (notice,) = [line for line in built.notices if "cannot be used" in line]
    assert notice.startswith("2 of 3 images cannot be used, e.g. B_P1-mosaic.fits: the beam of")


@pytest.mark.parametrize(
    ("beams", "common", "words"),
    [
        ({"A": NINE, "B": Beam(20.0, 20.0)}, "6 arcsec", ("none of 2 images", "A_P1", "9 arcsec")),
        ({"A": None}, "9 arcsec", ("none of 1 image ", "no BMAJ")),
        ({"A": None, "B": None}, "largest", ("no image with a beam", "A_P1", "give the beam")),
    ],
)
def test_a_recipe_that_no_image_fits_is_refused_when_it_is_planned(tmp_path, beams, common, words):
    """Before any pixel is read, and without a folder that is half a build."""
    write_images(tmp_path / "fits", beams)
    with pytest.raises(InputError) as caught:
        build(tmp_path, common)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not (tmp_path / "out" / "recipe.toml").exists()


def test_the_largest_beam_is_recorded_and_used_again(tmp_path):
    """A repeated build, in the same or another folder, has the same beam and the same bytes."""
    write_images(tmp_path / "fits", {"A": SIX, "B": NINE, "C": Beam(8.0, 6.5, 20.0)})
    out = tmp_path / "out"
    built = build(tmp_path, "largest")
    said = "beam.common = 'largest' is 9 arcsec; the beams of the images are 3, from 6 arcsec to 9"
    assert any(line.startswith(said) for line in built.messages)
    tables = tomllib.loads((out / "recipe.toml").read_text())
    assert tables["recipe"]["beam"] == {"common": "largest", "largest": "9 arcsec"}
    assert {"radio-beam", "scipy"} < set(tables["build"]["packages"])
    assert read_manifest(out)["stamp_beam_major_arcsec"].to_pylist() == [9, 9, 9]
    before = contents(out)
    again = build(tmp_path, "largest")
    assert "beam.common = 'largest' is 9 arcsec, as recorded" in again.messages
    assert contents(out) == before
    mingolotss.build(out / "recipe.toml", out=tmp_path / "copy")
    assert read_records(tmp_path / "copy").images().tobytes() == (
        read_records(out).images().tobytes()
    )
    # Another beam is another build, and the recorded one is then no longer that of the recipe.
    with pytest.raises(MingoError, match=r"beam\.common"):
        mingolotss.build(out=out, settings={"beam.common": "12 arcsec"})
    mingolotss.build(out=out, settings={"beam.common": "12 arcsec"}, fresh=True)
    recorded = tomllib.loads((out / "recipe.toml").read_text())["recipe"]["beam"]
    assert recorded == {"common": "12 arcsec"}


def test_the_largest_beam_is_that_of_all_channels(tmp_path):
    """But for channels with a table of their own: an optical image without a beam keeps its own."""
    services = {}
    for name, beam in (("low", NINE), ("high", SIX), ("optical", None), ("wide", SIX)):
        catalogue = write_images(tmp_path / name, {"A": beam, "B": beam})
        services[name] = f"folder:{tmp_path / name}"
    steps = [{"do": "zero-nan"}]
    with_channels = mingolotss.load_recipe("lotss").changed({
        "beam.common": "largest", "stamp.kind": "float32", "stamp.pixels": 20,
        "formats": ["parquet"], "catalogue.size": "", "catalogue.flux": "",
        "catalogue.field": "", "images.size_arcmin": 1.0, "steps": steps,
        "channels": [
            {"name": "high"}, {"name": "low"}, {"name": "optical", "beam": {"common": ""}},
            {"name": "wide", "beam": {"common": "12 x 8 arcsec, 30 deg"}},
        ],
    })  # fmt: skip
    out = tmp_path / "out"
    for name in services:  # each channel has its own images
        channels = [
            {**dict(channel), "images": {"size_arcmin": 1.0}} if channel["name"] == name
            else channel
            for channel in with_channels.to_dict()["channels"]
        ]  # fmt: skip
        with_channels = with_channels.changed({"channels": channels})
    built = mingolotss.build(with_channels, out=out, catalogue=catalogue, services=services)
    assert built.written == 2, read_manifest(out)["reason"].to_pylist()
    assert any("is 9 arcsec; the beams of the images are 2" in line for line in built.messages)
    rows = read_channels(out).to_pylist()[:4]
    assert [row["channel"] for row in rows] == ["high", "low", "optical", "wide"]
    assert [row["stamp_beam_major_arcsec"] for row in rows] == [9, 9, None, 12]
    assert [row["beam_major_arcsec"] for row in rows] == pytest.approx([6, 9, None, 6])
    recorded = tomllib.loads((out / "recipe.toml").read_text())["recipe"]
    assert recorded["beam"] == {"common": "largest", "largest": "9 arcsec"}
    assert recorded["channels"][2]["beam"] == {"common": ""}
    before = contents(out)
    mingolotss.build(out=out)
    assert contents(out) == before
    with pytest.raises(RecipeError, match="one for all channels"):
        with_channels.changed({"channels": [{"name": "a", "beam": {"common": "largest"}}]})


def test_the_largest_beam_of_resampled_stamps(tmp_path):
    """Pixels of another size on a grid of their own, at the largest beam of the images."""
    write_images(tmp_path / "fits", {"A": SIX, "B": NINE})
    folder = tmp_path / "fits"
    resampled = recipe("largest").changed({
        "stamp.pixels": 15, "stamp.pixel_arcsec": 2.0, "stamp.centre": "exact",
    })  # fmt: skip
    built = mingolotss.build(
        resampled, out=tmp_path / "out", catalogue=folder / "catalogue.csv",
        service=f"folder:{folder}",
    )  # fmt: skip
    assert built.written == 2
    beams = read_manifest(tmp_path / "out")["stamp_beam_major_arcsec"].to_pylist()
    # Gaussian weights of 0.65 px of 2 arcsec widen the beam of the larger image.
    assert beams == pytest.approx([math.hypot(9, 2 * 0.65 * FWHM)] * 2, rel=1e-4)
    assert any("with room for what resampling adds" in line for line in built.messages)
    for name in ("9 arcsec", "9.2 arcsec"):  # room for the smaller image alone
        smaller = resampled.changed({"beam.common": name, "beam.largest": ""})
        few = mingolotss.build(
            smaller, out=tmp_path / name, catalogue=folder / "catalogue.csv",
            service=f"folder:{folder}",
        )  # fmt: skip
        rows = read_manifest(tmp_path / name).to_pylist()
        assert few.written == 1
        assert rows[0]["stamp_beam_major_arcsec"] == pytest.approx(float(name.split()[0]))
        assert "by resampling, which is larger than" in rows[1]["reason"]


def test_without_images_there_is_no_largest_beam(tmp_path):
    """The line says that no source has an image."""
    write_images(tmp_path / "fits", {"A": SIX})
    catalogue = tmp_path / "other.csv"
    Table({"Source_Name": ["B"], "RA": [10.0], "DEC": [-50.0]}).write(catalogue)
    folder = tmp_path / "fits"
    (folder / "A_P1-mosaic.fits").rename(folder / "P1-mosaic.fits")
    (folder / "A_P1-mosaic-rms.fits").rename(folder / "P1-mosaic-rms.fits")
    with pytest.raises(InputError, match="no source has an image"):
        mingolotss.plan(
            recipe("largest"), out=tmp_path / "out", catalogue=catalogue,
            service=f"mosaics:{folder}",
        )  # fmt: skip


@pytest.mark.slow  # it starts processes
def test_a_worker_process_uses_the_planned_beam(tmp_path):
    """The command line says what the largest beam is, and its processes use it."""
    folder = tmp_path / "fits"
    catalogue = write_images(folder, {f"S{k}": (SIX, NINE)[k % 2] for k in range(4)})
    result = run(
        "build", "lotss", "--out", tmp_path / "cli", "--catalogue", catalogue, "--service",
        f"folder:{folder}", "--workers", 2, "--set", "beam.common=largest", "--set",
        "catalogue.size=", "--set", "catalogue.flux=", "--set", "catalogue.field=", "--set",
        "stamp.pixels=20",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "beam.common = 'largest' is 9 arcsec" in result.stdout + result.stderr
    assert read_manifest(tmp_path / "cli")["stamp_beam_major_arcsec"].to_pylist() == [9] * 4


class _Survey(FolderService):
    """A folder whose headers have no beam, but whose survey is known."""

    survey_facts = SurveyFacts(beam=SurveyBeam(7.5), unit="Jy/beam")
    header_facts = None  # its headers are not read before the build


def test_the_facts_of_a_service_give_the_beam(tmp_path):
    """Where headers state none: for the largest beam, and for the convolution."""
    catalogue = write_images(tmp_path / "fits", {"A": None, "B": None})
    service = _Survey(tmp_path / "fits")
    for common, beam in (("largest", 7.5), ("9 arcsec", 9.0)):
        out = tmp_path / common[0]
        mingolotss.build(recipe(common), out=out, catalogue=catalogue, service=service)
        rows = read_manifest(out).to_pylist()
        assert [row["stamp_beam_major_arcsec"] for row in rows] == [beam] * 2
        assert [row["beam_major_arcsec"] for row in rows] == [7.5] * 2
    service.survey_facts = replace(service.survey_facts, beam=None)
    with pytest.raises(InputError, match="states no beam of its images"):
        mingolotss.plan(recipe("largest"), out=tmp_path / "n", catalogue=catalogue, service=service)

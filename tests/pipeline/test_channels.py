"""Stamps of several channels: their planes, the grid that they share, and missing images."""

from __future__ import annotations

import hashlib
import re
import shutil

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from builds import contents, run
from channel_skies import channel_sky
from hips2fits_server import Hips, hips2fits, hips_address, spots
from mingolotss.dataset.channel_table import read_channels
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.records import read_records
from mingolotss.errors import ImageError, InputError, RecipeError, ServiceUnavailableError
from mingolotss.io.parquet import read_table
from mingolotss.pipeline import build_plan
from mingolotss.pipeline.executors import local as executors
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build
from mingolotss.pipeline.service_arguments import parse_services
from mingolotss.pipeline.stamps import make_stamp
from mingolotss.qa.status import status
from mingolotss.qa.verify import verify
from mingolotss.recipe.model import parse_recipe
from mingolotss.service.base import open_service

BASE = {
    "name": "channels",
    "classes": {"source": "none"},
    "stamp": {"pixels": 64, "kind": "float32"},
    "images": {"size_arcmin": 2.5},
    "steps": [{"do": "clip", "sigma": 3.0}, {"do": "minmax"}],
    "formats": ["parquet"],
}


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return channel_sky(tmp_path_factory.mktemp("channels"))


def recipe(sky, *channels, **changes):
    """Return a recipe with channels: names of surveys, or tables of the recipe."""
    tables = [{"name": one} if isinstance(one, str) else one for one in channels]
    for table in tables:
        if "images" not in table:
            address = sky.service(table.get("survey", table["name"]))
            table["images"] = BASE["images"] | {"service": address}
        table.pop("survey", None)
    return parse_recipe(BASE | {"channels": tables} | changes, "a test")


def make(sky, out, *channels, **options):
    changes = options.pop("changes", {})
    return build(recipe(sky, *channels, **changes), out=out, catalogue=sky.catalogue, **options).out


def planes_of(out):
    """Return the image of each source, by its name."""
    records = read_records(out)
    return dict(zip(records.texts("source"), records.images(), strict=True))


def channel_rows(out, channel):
    rows = read_channels(out).to_pylist()
    return {row["source"]: row for row in rows if row["channel"] == channel}


@pytest.mark.slow
def test_native_planes_are_the_stamps_of_single_recipes(sky, tmp_path):
    """Bit for bit, each with the noise and the steps of its channel, in the order of the recipe."""
    channels = [
        {"name": "shifted", "missing": "nan"},
        {"name": "six", "reference": True},
        {"name": "plain", "survey": "six", "steps": [], "noise": {"method": "sigma-clipped"}},
    ]
    out = make(sky, tmp_path / "all", *channels)
    images, whole = planes_of(out), recipe(sky, *channels)
    assert len(images) == len(sky.names)
    assert next(iter(images.values())).shape == (3, 64, 64)
    for index, channel in enumerate(whole.channels):
        single = whole.of_channel(channel)
        alone = build(single, out=tmp_path / channel.name, catalogue=sky.catalogue).out
        stamps, rows = planes_of(alone), channel_rows(out, channel.name)
        manifest = {row["source"]: row for row in read_manifest(alone).to_pylist()}
        assert len(stamps) == len(sky.names) - (channel.name == "shifted") * len(sky.off)
        for name, stamp in stamps.items():
            assert rows[name]["status"] == "native"
            assert images[name][index].tobytes() == stamp.tobytes(), (channel.name, name)
            for column in (
                "pixels_sha256",
                "noise_jy",
                "peak_jy",
                "scale_max",
                "noise_method",
                "beam_major_arcsec",
                "separation_arcsec",
                "percent_nan",
                "unit",
            ):
                assert rows[name][column] == manifest[name][column], column  # fmt: skip


@pytest.mark.slow
def test_pixels_and_checksums_of_grey_and_colour_stamps(sky, tmp_path):
    """One or three channels of uint8 are PNG; two are plain bytes."""
    for names in (["six"], ["six", "shifted"], ["six", "shifted", "other"]):
        tables = [{"name": name, "missing": "zero"} for name in names]
        stamp = {"stamp": {"pixels": 64, "kind": "uint8"}}
        out = make(sky, tmp_path / str(len(names)), *tables, changes=stamp)
        images, manifest = planes_of(out), read_manifest(out).to_pylist()
        for row in manifest:
            image = images[row["source"]]
            assert image.shape == (len(names), 64, 64)
            assert image.dtype == np.uint8
            assert hashlib.sha256(image.tobytes()).hexdigest() == row["pixels_sha256"]
            for index, name in enumerate(names):
                digest = channel_rows(out, name)[row["source"]]["pixels_sha256"]
                assert hashlib.sha256(image[index].tobytes()).hexdigest() == digest
        assert not verify(out).problems


def test_every_channel_has_the_source_in_the_middle(sky, tmp_path):
    """Images with another projection and with other pixels are resampled onto one grid."""
    out = make(sky, tmp_path / "out", "six", "coarse", "other", changes={"steps": []})
    y, x = np.mgrid[-32:32, -32:32]
    inner = np.hypot(x, y) < 6
    manifest = {row["source"]: row for row in read_manifest(out).to_pylist()}
    images = planes_of(out)
    for name in sorted({*sky.names} - {*sky.off}):
        for plane in images[name]:
            weight = np.where(inner, plane.clip(0.2), 0)
            assert abs((weight * x).sum() / weight.sum()) < 1.2, name
            assert abs((weight * y).sum() / weight.sum()) < 1.2, name
        rows = [channel_rows(out, channel)[name] for channel in ("six", "coarse", "other")]
        assert [row["status"] for row in rows] == ["native", "resampled", "resampled"]
        assert rows[1]["pixel_scale_arcsec"] == pytest.approx(4.5)
        assert manifest[name]["pixel_scale_arcsec"] == pytest.approx(1.5)


@pytest.mark.parametrize("rule", ["reject", "zero", "nan"])
def test_missing_images(sky, tmp_path, rule):
    """The sources that one survey lacks are rejected, or flagged with a plane of NaN or 0."""
    out = make(sky, tmp_path / "out", "six", {"name": "shifted", "missing": rule})
    manifest = {row["source"]: row for row in read_manifest(out).to_pylist()}
    images, rows = planes_of(out), channel_rows(out, "shifted")
    assert sky.off
    for name in sky.names:
        row = manifest[name]
        if name not in sky.off:
            assert (row["status"], row["missing_channels"]) == ("written", "")
            assert rows[name]["status"] == "native"
            continue
        if rule == "reject":
            assert (row["status"], row["stage"]) == ("rejected", "search")
            assert row["reason"] == "channel shifted: no image holds the position"
            assert row["missing_channels"] is None
            assert name not in rows
            continue
        assert (row["status"], row["missing_channels"]) == ("written", "shifted")
        assert rows[name]["status"] == "missing"
        assert rows[name]["reason"] == "no image holds the position"
        assert rows[name]["field"] is None
        assert rows[name]["candidates"] == 0
        plane = images[name][1]
        assert np.isnan(plane).all() if rule == "nan" else (plane == 0).all()
        assert rows[name]["pixels_sha256"] == hashlib.sha256(plane.tobytes()).hexdigest()
        assert np.isfinite(images[name][0]).all()
    assert not verify(out).problems
    counts = status(out).channels["shifted"]
    assert counts == (len(sky.names) - len(sky.off), 0, 0 if rule == "reject" else len(sky.off))


def test_nan_needs_float_images(sky):
    """The line is there when the recipe is read."""
    with pytest.raises(RecipeError, match="nvss has missing = 'nan', and uint8 images have no NaN"):
        parse_recipe(
            BASE | {"stamp": {"kind": "uint8"},
                    "channels": [{"name": "a"}, {"name": "nvss", "missing": "nan"}]}, "a test",
        )  # fmt: skip


def test_one_stamp_is_of_one_channel(sky):
    """It is named, since its noise and its steps are of its own."""
    two = recipe(sky, "six", {"name": "raw", "survey": "six", "steps": []})
    mosaics, place = open_service(sky.service("six")), SkyCoord(sky.ra[5], sky.dec[5], unit="deg")
    size = 2.5 * u.arcmin
    cutout = mosaics.cutout(mosaics.search(place, size)[0], place, size)
    for channel in two.channels:
        stamp = make_stamp(cutout, place, two, channel=channel.name)
        assert np.array_equal(stamp, make_stamp(cutout, place, two.of_channel(channel)))
    with pytest.raises(RecipeError, match="it has the channels six, raw: give channel="):
        make_stamp(cutout, place, two)
    with pytest.raises(RecipeError, match="for the channel 'nvss': it has the channels six, raw"):
        make_stamp(cutout, place, two, channel="nvss")
    with pytest.raises(RecipeError, match="for the channel 'six': it has no channels"):
        make_stamp(cutout, place, "lotss", channel="six")


def test_decisions_are_about_the_reference(sky, tmp_path):
    """A source that a person rejects has no stamp; a field is one of the reference."""
    names = sky.names[4:6]
    text = "source,verdict,field,by,note\n{},reject,,me,bad\n{},accept,{},me,\n"
    for field, line in (("P1", ""), ("P9", "there is no image of field 'P9'; on offer: P1")):
        (tmp_path / "decisions.csv").write_text(text.format(*names, field))
        out, options = tmp_path / f"out-{field}", {"decisions": tmp_path / "decisions.csv"}
        if line:
            with pytest.raises(InputError, match=line):
                make(sky, out, "six", "coarse", **options)
            continue
        make(sky, out, "six", "coarse", **options)
        rows = {row["source"]: row for row in read_manifest(out).to_pylist()}
        assert rows[names[0]]["reason"] == "rejected by me: bad"
        assert rows[names[1]]["decided_by"] == "me"
        assert names[0] not in channel_rows(out, "coarse")
        assert not verify(out).problems


def test_the_reference_cannot_be_missing(sky, tmp_path):
    """A source without an image of it is rejected, whatever the other channels have."""
    channels = {"name": "shifted", "reference": True}, {"name": "six", "missing": "zero"}
    out = make(sky, tmp_path / "out", *channels)
    rejected = [row for row in read_manifest(out).to_pylist() if row["status"] == "rejected"]
    assert [row["source"] for row in rejected] == sorted(sky.off)
    assert {row["reason"] for row in rejected} == {"no image holds the position"}
    candidates = read_table(out / "candidates.parquet").to_pylist()
    kinds = [(row["channel"], row["verdict"]) for row in candidates if row["source"] == sky.off[0]]
    assert kinds == [("six", "")]  # it was found, and not read


def test_candidates_of_all_channels_are_listed(sky, tmp_path):
    """Source by source, in the order of the recipe; before the build by their names alone."""
    tables = "coarse", {"name": "six", "reference": True}
    planned = plan(recipe(sky, *tables), out=tmp_path / "out", catalogue=sky.catalogue)
    before = read_table(tmp_path / "out" / "candidates.parquet").to_pylist()
    make(sky, tmp_path / "out", "coarse", {"name": "six", "reference": True})
    after = read_table(tmp_path / "out" / "candidates.parquet").to_pylist()
    assert len(after) == 2 * len(sky.names)
    names = ("source", "channel", "field", "image", "rms")
    assert [[row[name] for name in names] for row in after] == [
        [row[name] for name in names] for row in before
    ]
    assert {row["verdict"] for row in after} == {"chosen"}
    assert {row["verdict"] for row in before} == {None}
    assert "channel coarse" in repr(planned)
    assert [row[:3] for row in planned.channel_rows()] == [
        ("coarse", "24", "rejected"), ("six", "24", "rejected, the reference"),
    ]  # fmt: skip


CHANNEL_TABLES = ({"name": "six"}, {"name": "coarse"}, {"name": "shifted", "missing": "zero"})


@pytest.fixture
def small_parts(monkeypatch):
    """Divide a build of 24 sources into six parts."""
    monkeypatch.setattr(build_plan, "_MIN_PART_SOURCES", 4)


@pytest.mark.slow
def test_workers_give_equal_bytes(sky, tmp_path, small_parts):
    """One thread, or two processes: the same files."""
    make(sky, tmp_path / "one", *map(dict, CHANNEL_TABLES), changes={"formats": ["csv", "parquet"]})
    with executors.processes(2) as mapper:
        make(
            sky, tmp_path / "two", *map(dict, CHANNEL_TABLES),
            changes={"formats": ["csv", "parquet"]}, mapper=mapper,
        )  # fmt: skip
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(list((tmp_path / "one" / "stamps").iterdir())) == 6


@pytest.mark.slow
def test_an_interrupted_build_goes_on(sky, tmp_path, small_parts):
    """The parts that were made stay, and the result is that of one run."""

    def two_parts(function, tasks):
        for number, task in enumerate(tasks):
            if number == 2:
                raise KeyboardInterrupt
            yield function(task)

    tables = [*map(dict, CHANNEL_TABLES)]
    whole = make(sky, tmp_path / "whole", *map(dict, CHANNEL_TABLES))
    with pytest.raises(KeyboardInterrupt):
        make(sky, tmp_path / "out", *tables, mapper=two_parts)
    first = sorted((tmp_path / "out" / "ledger").iterdir())
    assert len(first) == 2
    times = [path.stat().st_mtime_ns for path in first]
    build(out=tmp_path / "out")
    assert [path.stat().st_mtime_ns for path in first] == times
    assert contents(tmp_path / "out") == contents(whole)


@pytest.mark.slow
def test_a_changed_image_of_a_channel_is_read_again(tmp_path, small_parts):
    """Only the parts with this image are made again, and status names the channel."""
    sky = channel_sky(tmp_path / "sky")
    out = make(sky, tmp_path / "out", "six", "shifted", {"name": "coarse"})
    parts = {path.name: path.stat().st_mtime_ns for path in (out / "ledger").iterdir()}
    before = read_manifest(out)["pixels_sha256"].to_pylist()
    path = tmp_path / "sky" / "coarse" / "P2-mosaic.fits"
    with fits.open(path, mode="update") as hdus:
        hdus[0].data *= 1.5
    [change] = status(out).changes
    assert "the images of the channel coarse in" in change.text
    assert "P2-mosaic.fits" in change.text
    assert any("P2-mosaic.fits: changed" in problem for problem in verify(out).problems)
    build(out=out)
    again = {path.name for path in (out / "ledger").iterdir()
             if path.stat().st_mtime_ns != parts[path.name]}  # fmt: skip
    assert 0 < len(again) < len(parts)
    assert read_manifest(out)["pixels_sha256"].to_pylist() != before
    assert not status(out).changes
    assert not verify(out).problems


def test_a_moved_build_finds_the_images_of_its_channels(tmp_path):
    """The record has the folder of each channel; other images there are refused by its name."""
    home = tmp_path / "home"
    sky = channel_sky(home / "sky", per_field=3)
    tables = {"name": "six", "images": BASE["images"]}, {"name": "coarse", "images": BASE["images"]}
    services = {"coarse": sky.service("coarse"), "six": sky.service("six")}
    out = make(sky, home / "out", *tables, services=services)
    before = contents(out)
    home.rename(tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / "out"
    assert build(out=moved).written == 6
    assert contents(moved) == before
    assert build(moved / "recipe.toml", out=tmp_path / "copy").written == 6
    assert contents(tmp_path / "copy")["manifest.parquet"] == before["manifest.parquet"]
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "elsewhere" / "sky" / "six", other)
    with pytest.raises(InputError, match="images of the channel coarse in") as caught:
        build(out=moved, services={"coarse": f"mosaics:{other}"})
    assert "--service coarse=SERVICE" in str(caught.value)
    shutil.rmtree(tmp_path / "elsewhere" / "sky" / "coarse")
    with pytest.raises(InputError, match="images of its channel coarse is not at") as caught:
        build(out=moved)
    assert "give --service coarse=mosaics:DIR" in str(caught.value)


TWO = """
name = "two"
formats = ["parquet"]
classes.source = "none"
stamp.pixels = 64
images.size_arcmin = 2.5
channels = [{name = "low"}, {name = "high", missing = "zero", images.size_arcmin = 2.5}]
"""


@pytest.mark.slow
def test_services_on_the_command_line(sky, tmp_path):
    """Without a name it is that of the reference; plan and status name every channel."""
    (tmp_path / "two.toml").write_text(TWO)
    services = "-s", sky.service("six"), "--service", f"high={sky.service('shifted')}"
    command = "two.toml", "--out", "out", "-c", sky.catalogue, *services
    planned = run("plan", *command, cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert re.search(
        r"^low +24 +rejected, the reference +mosaics:.*/six$", planned.stdout, re.MULTILINE
    )
    assert re.search(r"^high +22 +0 +mosaics:.*/shifted$", planned.stdout, re.MULTILINE)
    built = run("build", *command, "--workers", 1, "--threads", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    shown = run("status", "out", cwd=tmp_path).stdout
    assert re.search(r"^high +22 +0 +2$", shown, re.MULTILINE)
    assert planes_of(tmp_path / "out")[sky.names[0]].shape == (2, 64, 64)


def test_services_that_fit_no_channel_are_refused(sky, tmp_path):
    """In one line that says which channels there are."""
    (tmp_path / "two.toml").write_text(TWO)
    six = sky.service("six")
    for service, services, line in (
        (six, {}, "the channel high of the recipe two names no service: give --service high="),
        (six, {"nvss": "a"}, "has no such channel; its channels are low, high"),
        (six, {"low": six}, "it is the reference, and a service without a name"),
        (six, {"high": object()}, "an object of type object, which has no method search"),
        (None, {"low": six, "high": "folder:nowhere"}, "nowhere"),
    ):
        with pytest.raises(InputError) as caught:
            plan(
                tmp_path / "two.toml", out=tmp_path / "out", catalogue=sky.catalogue,
                service=service, services=services,
            )  # fmt: skip
        assert line in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="recipe mingolotss has no such channel; it has no"):
        plan("mingolotss", out=tmp_path / "out", service=six, services={"low": six})


def test_words_of_the_command_line_name_channels(tmp_path, monkeypatch):
    """A path that exists is a path; one service at most has no name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    assert parse_services([]) == (None, {})
    assert parse_services(["a=b", "c=d=e"]) == ("a=b", {"c": "d=e"})
    assert parse_services(["sia:https://x.org/a?b=c"]) == ("sia:https://x.org/a?b=c", {})
    assert parse_services(["x" * 5000]) == ("x" * 5000, {})
    with pytest.raises(InputError, match="only one can be without the name of a channel"):
        parse_services(["mosaics:a", "mosaics:b"])
    with pytest.raises(InputError, match="for the channel 'x': two were given"):
        parse_services(["x=a", "x=b"])


def cut_out(sky, survey, folder, scale, offset):
    """Write cutouts of one survey as files, each of another size and from another pixel."""
    folder.mkdir()
    for number, name in enumerate(sky.names):
        field = name[:2]
        for kind in ("", "-rms"):
            image = fits.getdata(sky.root / survey / f"{field}-mosaic{kind}.fits")
            cards = fits.getheader(sky.root / survey / f"{field}-mosaic{kind}.fits")
            x, y = WCS(cards).all_world2pix(sky.ra[number], sky.dec[number], 0)
            x0, y0 = round(float(x)) - 40 - offset, round(float(y)) - 45 + offset
            x0, y0 = max(x0, 0), max(y0, 0)
            part = image[y0 : y0 + 90 + number, x0 : x0 + 80 + offset + number]
            cards["CRPIX1"] -= x0
            cards["CRPIX2"] -= y0
            fits.writeto(folder / f"{name}_{field}-mosaic{kind}.fits", part * scale, cards)


@pytest.mark.slow
def test_cutouts_of_a_folder_are_windows_too(sky, tmp_path):
    """Each file has a reference pixel of its own; the planes are equal to those of the mosaics."""
    cut_out(sky, "six", tmp_path / "cutouts", np.float32(2), 3)
    tables = (
        {"name": "six"},
        {"name": "cut", "images": BASE["images"] | {"service": f"folder:{tmp_path / 'cutouts'}"}},
    )
    out = make(sky, tmp_path / "out", *map(dict, tables), changes={"steps": []})
    middle = {*sky.names} - {*sky.off}
    for name, image in planes_of(out).items():
        assert channel_rows(out, "cut")[name]["status"] == "native"
        if name in middle:
            assert np.array_equal(image[1], image[0] * np.float32(2)), name
    row = channel_rows(out, "cut")[sky.names[3]]
    path = tmp_path / "cutouts" / row["image"]
    assert row["image_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    swapped = [tables[1] | {"reference": True}, tables[0]]
    out = make(sky, tmp_path / "swapped", *map(dict, swapped), changes={"steps": []})
    assert {row["status"] for row in channel_rows(out, "six").values()} == {"native"}
    path.write_bytes(path.read_bytes()[:-2880])
    assert any("changed since the build" in line for line in verify(out).problems)


@pytest.mark.slow
def test_two_bands_of_one_server_have_one_grid(sky, tmp_path):
    """Images that are asked for at the same position are whole pixels of each other."""
    ones = np.ones(len(sky.names))
    light = {
        f"CDS/P/T/{band}": Hips(band, spots(sky.ra, sky.dec, peak * ones, 5.0))
        for band, peak in (("g", 2.0), ("r", 5.0))
    }
    with hips2fits(light) as server:
        tables = [
            {"name": band, "images": BASE["images"]
             | {"service": hips_address(server, f"CDS/P/T/{band}"), "rms": ""}}
            for band in "gr"
        ]  # fmt: skip
        noise = {"noise": {"method": "sigma-clipped"}, "steps": []}
        out = make(sky, tmp_path / "out", *tables, changes=noise)
    assert {row["status"] for row in channel_rows(out, "r").values()} == {"native"}
    for image in planes_of(out).values():
        assert image[1] == pytest.approx(2.5 * image[0], rel=1e-5, abs=1e-7)


class Failing:
    """The mosaics of a folder, which some sources cannot be cut out of just now."""

    def __init__(self, folder, names, error):
        self.mosaics, self.names, self.error = open_service(folder), names, error

    def search(self, position, size):
        return self.mosaics.search(position, size)

    def search_all(self, catalogue, size_deg):
        return self.mosaics.search_all(catalogue, size_deg)

    def cutout(self, candidate, position, size):
        if candidate.source in self.names:
            raise self.error
        return self.mosaics.cutout(candidate, position, size)


@pytest.mark.slow
def test_a_service_that_fails_for_some_sources(sky, tmp_path):
    """They lack the channel now; the next run asks again, and gets them."""
    lost = sky.names[5:8]
    error = ServiceUnavailableError("the server is overloaded", url="https://example.org")
    tables = {"name": "six"}, {"name": "coarse", "missing": "zero", "images": BASE["images"]}
    failing = Failing(sky.service("coarse"), lost, error)
    out = make(sky, tmp_path / "out", *map(dict, tables), services={"coarse": failing})
    rows = channel_rows(out, "coarse")
    assert {name for name, row in rows.items() if row["status"] == "missing"} == {*lost}
    assert "overloaded" in rows[lost[0]]["reason"]
    working = Failing(sky.service("coarse"), (), error)
    make(sky, out, *map(dict, tables), services={"coarse": working})
    assert {row["status"] for row in channel_rows(out, "coarse").values()} == {"resampled"}
    refused = Failing(sky.service("coarse"), lost, ImageError("no good", path="x"))
    tables[1]["missing"] = "reject"
    out = make(sky, tmp_path / "reject", *map(dict, tables), services={"coarse": refused})
    reasons = {row["source"]: row["reason"] for row in read_manifest(out).to_pylist()}
    assert {name for name, reason in reasons.items() if reason} == {*lost}
    assert reasons[lost[0]].startswith("channel coarse: ")
    assert "no good" in reasons[lost[0]]


@pytest.mark.slow
def test_channels_of_a_survey_that_downloads(sky, tmp_path):
    """Its files have a folder of their own; two channels of it share their downloads."""
    light = Hips("test", spots(sky.ra, sky.dec, np.full(len(sky.names), 5.0), 5.0))
    with hips2fits({"CDS/P/T/r": light}) as server:
        images = BASE["images"] | {"service": hips_address(server, "CDS/P/T/r"), "rms": ""}
        noise = {"method": "sigma-clipped"}
        tables = (
            {"name": "six"},
            {"name": "red", "images": images, "noise": noise},
            {"name": "raw", "images": images, "noise": noise, "steps": []},
        )
        out = make(sky, tmp_path / "out", *map(dict, tables))
        asked = sum(server.asked.values())
        assert asked == len(sky.names)
        build(out=out)
        assert sum(server.asked.values()) == asked
    downloads = [path.name for path in (out / "channels" / "red" / "cutouts").iterdir()]
    assert len([name for name in downloads if name.endswith(".fits")]) == len(sky.names)
    assert not (out / "channels" / "raw").exists()
    for name in sky.names[3:5]:
        image = planes_of(out)[name]
        assert np.unravel_index(image[2].argmax(), (64, 64)) == pytest.approx((32, 32), abs=1)
    assert {row["status"] for row in channel_rows(out, "red").values()} == {"resampled"}
    assert not verify(out).problems

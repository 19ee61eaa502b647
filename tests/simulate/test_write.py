"""The sky on disk: bytes, columns, proportions, and edge cases that are what they say.

Edge cases are judged from the written mosaics with numpy and astropy alone.
"""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from mingolotss.errors import DatasetError, InputError
from mingolotss.simulate import EDGE_CASES, SkyModel, write_sky
from mingolotss.simulate.layout import place_fields
from mingolotss.simulate.place import populate_sky
from mingolotss.simulate.population import CLASSES, class_counts

pytestmark = pytest.mark.slow  # together they take long

SHARED = Path(os.environ.get("MINGOLOTSS_SHARED", Path(__file__).parents[3] / "shared"))
COLUMNS = [
    ("Source_Name", "22A", None),
    ("RA", "D", None),
    ("DEC", "D", None),
    ("LM_dec_size", "D", "arcsec"),
    ("LM_Flux", "D", "mJy"),
    *((flag, "L", None) for flag in ("FR1", "FR2", "Indeterminate", "Small", "NAT", "WAT", "D-D")),
]


@pytest.fixture(scope="module", params=[1, 2])
def sky(request, tmp_path_factory):
    return write_sky(SkyModel(seed=request.param, sources=30), tmp_path_factory.mktemp("sky"))


@pytest.fixture(scope="module")
def truth(sky):
    return pq.read_table(sky / "truth.parquet").to_pylist()


@pytest.fixture(scope="module")
def mosaics(sky):
    read = {}
    for path in sorted(sky.glob("*-mosaic.fits")):
        with fits.open(path) as hdus, fits.open(path.with_name(path.stem + "-rms.fits")) as rms:
            name = path.name.removesuffix("-mosaic.fits")
            read[name] = (hdus[0].data.copy(), rms[0].data.copy(), WCS(hdus[0].header))
    return read


def _cutouts(mosaics, row):
    """Every cutout an archive offers: (name, separation, percent NaN, image, rms, x, y)."""
    found = []
    at = SkyCoord(row["ra"], row["dec"], unit="deg")
    for name, (image, rms, wcs) in mosaics.items():
        x, y = (float(a) for a in wcs.all_world2pix(row["ra"], row["dec"], 0))
        ny, nx = image.shape
        if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5):
            continue
        left, low = max(0, round(x) - 120), max(0, round(y) - 120)
        box = np.s_[low : round(y) + 120, left : round(x) + 120]
        part = image[box]
        middle = wcs.pixel_to_world(left + part.shape[1] // 2, low + part.shape[0] // 2)
        separation = middle.separation(at).arcsec
        found.append(
            {
                "field": name,
                "separation": separation,
                "empty": 100 * np.isnan(part).mean(),
                "image": part,
                "rms": rms[box],
                "x": x - left,
                "y": y - low,
            }
        )
    return found


def _case(cutouts):
    """The number of the rule that chooses among several cutouts; 0 for one, None for none."""
    usable = [c for c in cutouts if np.isfinite(c["image"]).any()]
    if len(usable) < 2:
        return 0 if usable else None
    nearest = min(usable, key=lambda c: c["separation"])
    least = min(c["empty"] for c in usable)
    if max(c["empty"] for c in usable) == 0:
        return 1
    if nearest["empty"] == least:
        return 2
    return 3 if all(c["separation"] < 15 for c in usable) else 4


def _rows(truth, name):
    rows = [row for row in truth if row["edge_case"] == name]
    assert rows, f"no source is there for {name}"
    return rows


def test_every_edge_case_is_there_with_30_sources(truth):
    assert {row["edge_case"] for row in truth} == {"", *EDGE_CASES}


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_cases_of_the_choice(truth, mosaics, number):
    for row in _rows(truth, f"case-{number}"):
        cutouts = _cutouts(mosaics, row)
        assert _case(cutouts) == number
        assert {c["field"] for c in cutouts} == set(row["fields"])


@pytest.mark.parametrize(("name", "axis"), [("recentre-x", 1), ("recentre-y", 0)])
def test_recentring_is_wanted_on_one_axis(truth, mosaics, name, axis):
    for row in _rows(truth, name):
        (cutout,) = _cutouts(mosaics, row)
        assert cutout["separation"] > 15
        assert cutout["image"].shape[axis] < 180
        assert cutout["image"].shape[1 - axis] == 240
        assert cutout["empty"] == 0


def test_blank_has_nothing_above_three_sigma(truth, mosaics):
    for row in _rows(truth, "blank"):
        (cutout,) = _cutouts(mosaics, row)
        assert cutout["image"].shape == (240, 240)
        assert not (cutout["image"] > 3 * cutout["rms"]).any()
        assert np.nanstd(cutout["image"] / cutout["rms"]) == pytest.approx(1, abs=0.15)


def test_rejected_sources_have_no_pixel(truth, mosaics):
    for row in _rows(truth, "rejected-outside"):
        assert _cutouts(mosaics, row) == []
    for row in _rows(truth, "rejected-nan"):
        (cutout,) = _cutouts(mosaics, row)
        assert cutout["empty"] == 100


def test_large_sources_and_neighbours(truth):
    assert all(row["size_arcsec"] > 225 for row in _rows(truth, "exceeds-stamp"))
    pair = _rows(truth, "neighbours")
    at = SkyCoord([r["ra"] for r in pair], [r["dec"] for r in pair], unit="deg")
    apart = at[:, None].separation(at[None, :]).arcsec + 1e6 * np.eye(len(pair))
    assert (apart.min(axis=1) < 112).all()
    assert (apart.min(axis=1) > 40).all()


def test_flux_on_the_mosaic_is_the_flux_in_the_catalogue(truth, mosaics):
    checked = 0
    for row in truth:
        if row["flux_mjy"] < 60 or row["edge_case"] or row["size_arcsec"] > 150:
            continue
        cutout = _cutouts(mosaics, row)[0]
        y, x = np.indices(cutout["image"].shape)
        inside = np.hypot(x - cutout["x"], y - cutout["y"]) * 1.5 < 0.75 * row["size_arcsec"] + 12
        flux = cutout["image"][inside].sum() / (np.pi * 16 / (4 * np.log(2))) * 1000
        beams = inside.sum() / (np.pi * 16 / (4 * np.log(2)))
        noise = 1000 * np.median(cutout["rms"]) * np.sqrt(2 * beams)
        assert abs(flux - row["flux_mjy"]) < 0.03 * row["flux_mjy"] + 3 * noise
        checked += 1
    assert checked


def test_brightest_light_of_a_galaxy_is_where_the_catalogue_says(truth, mosaics):
    for row in truth:
        if row["class"] == "Small" and not row["edge_case"]:
            for cutout in _cutouts(mosaics, row):
                y, x = np.indices(cutout["image"].shape)
                near = np.hypot(x - cutout["x"], y - cutout["y"]) < 12
                light = np.where(near, np.nan_to_num(cutout["image"]), 0)
                peak = np.unravel_index(light.argmax(), light.shape)
                assert np.hypot(peak[1] - cutout["x"], peak[0] - cutout["y"]) < 7


def test_catalogue_has_the_published_columns(sky, truth):
    with fits.open(sky / "catalogue.fits") as hdus:
        columns = hdus[1].columns
        assert [(c.name, c.format, c.unit) for c in columns] == COLUMNS
        rows = hdus[1].data
        assert len(rows) == 30
        assert list(rows["Source_Name"]) == [t["source"] for t in truth]
        for row, known in zip(rows, truth, strict=True):
            flags = {c for c, kind, _ in COLUMNS if kind == "L" and row[c]}
            assert flags == set(CLASSES[known["class"]].flags)


def test_names_are_unique_and_say_the_position(truth):
    assert len({row["source"] for row in truth}) == len(truth)
    for row in truth:
        name = row["source"].removeprefix("ILTJ")
        text = f"{name[:2]}h{name[2:4]}m{name[4:9]}s {name[9:12]}d{name[12:14]}m{name[14:]}s"
        at = SkyCoord(row["ra"], row["dec"], unit="deg")
        assert SkyCoord(text).separation(at).arcsec < 0.25


def test_catalogue_matches_the_real_one():
    path = SHARED / "data" / "Mingo19_LoMorph_Cat.fits"
    if not path.is_file():
        pytest.skip(f"the published catalogue is not at {path}")
    with fits.open(path) as hdus:
        assert [(c.name, c.format, c.unit) for c in hdus[1].columns] == COLUMNS
    real = Table.read(path)
    for name, chosen in CLASSES.items():
        flags = np.array([[bool(row[f]) for f in real.colnames[5:]] for row in real])
        wanted = [f in chosen.flags for f in real.colnames[5:]]
        members = real[(flags == wanted).all(axis=1)]
        assert len(members) == chosen.count, name
        assert np.median(members["LM_dec_size"]) == pytest.approx(chosen.sizes[3], rel=0.02)
        assert np.median(members["LM_Flux"]) == pytest.approx(chosen.fluxes[3], rel=0.02)


def test_headers_are_those_of_lotss(sky):
    for path in sky.glob("*-mosaic*.fits"):
        header = fits.getheader(path)
        assert header["BITPIX"] == -32
        assert (header["CTYPE1"], header["CTYPE2"]) == ("RA---SIN", "DEC--SIN")
        assert header["BUNIT"] == "JY/BEAM"
        assert header["RADESYS"] == "ICRS"
        assert header["BMAJ"] == header["BMIN"] == pytest.approx(6 / 3600)
        assert header["CDELT2"] == pytest.approx(1.5 / 3600)
        assert path.name.startswith(header["OBJECT"] + "-mosaic")


def test_same_model_same_bytes(tmp_path):
    model = SkyModel(seed=3, sources=12)
    one, two = write_sky(model, tmp_path / "one"), write_sky(model, tmp_path / "two")
    names = sorted(p.name for p in one.iterdir())
    assert names == sorted(p.name for p in two.iterdir())
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_finished_sky_is_used_again_and_another_replaces_it(tmp_path):
    write_sky(SkyModel(sources=5), tmp_path)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    write_sky(SkyModel(sources=5), tmp_path)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before
    write_sky(SkyModel(sources=5, ra=100.0), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == set(
        json.loads((tmp_path / "sky.json").read_text())["files"]
    ) | {"sky.json"}


def test_half_written_sky_is_made_again(tmp_path):
    whole = write_sky(SkyModel(sources=5), tmp_path / "whole")
    torn = write_sky(SkyModel(sources=5), tmp_path / "torn")
    record = json.loads((torn / "sky.json").read_text())
    (torn / "sky.json").write_text(json.dumps({**record, "finished": False}))
    victim = torn / record["files"][0]
    victim.write_bytes(victim.read_bytes()[:5000])
    write_sky(SkyModel(sources=5), torn)
    assert victim.read_bytes() == (whole / victim.name).read_bytes()


def test_foreign_mosaics_are_left_alone(tmp_path):
    (tmp_path / "P100+20-mosaic.fits").write_bytes(b"somebody's")
    with pytest.raises(DatasetError, match=r"P100\+20-mosaic.fits.*choose another folder"):
        write_sky(SkyModel(sources=5), tmp_path)
    assert (tmp_path / "P100+20-mosaic.fits").read_bytes() == b"somebody's"


@pytest.mark.parametrize("wrong", [{"sources": 0}, {"dec": 89.0}, {"field_px": 100}, {"seed": -1}])
def test_impossible_models_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SkyModel(**wrong)


def test_proportions_are_the_published_ones():
    counts = class_counts(600)
    assert sum(counts.values()) == 600
    assert min(counts.values()) >= 3
    for name, count in counts.items():
        assert count == pytest.approx(600 * CLASSES[name].count / 5805, abs=1.5), name
    assert min(class_counts(30).values()) == 1
    for sources in (1, 2, 9, 24, 25, 31, 77, 1000):
        assert sum(class_counts(sources).values()) == sources
    assert class_counts(5805) == {name: chosen.count for name, chosen in CLASSES.items()}


def test_sizes_and_fluxes_are_distributed_as_published():
    galaxies = populate_sky(SkyModel(sources=3000, background_per_deg2=0)).galaxies
    sizes = np.array([g.size_arcsec for g in galaxies if not g.edge_case])
    assert np.median(sizes) == pytest.approx(37, rel=0.1)
    assert np.quantile(sizes, 0.95) == pytest.approx(140, rel=0.15)
    fluxes = np.array([g.flux_mjy for g in galaxies if not g.edge_case])
    assert np.quantile(fluxes, (0.25, 0.5, 0.75, 0.95)) == pytest.approx((8, 24, 75, 520), rel=0.3)


def test_600_sources_hold_a_handful_of_every_edge_case():
    galaxies = populate_sky(SkyModel(sources=600)).galaxies
    counts = Counter(g.edge_case for g in galaxies)
    assert all(counts[name] >= 3 for name in EDGE_CASES), counts
    assert counts[""] > 500
    assert {g.edge_case for g in populate_sky(SkyModel(sources=60, edge_cases=False)).galaxies} == {
        ""
    }


def test_most_stamps_hold_one_galaxy():
    galaxies = populate_sky(SkyModel(sources=600)).galaxies
    at = SkyCoord([g.ra for g in galaxies] * u.deg, [g.dec for g in galaxies] * u.deg)
    _, apart, _ = at.match_to_catalog_sky(at, nthneighbor=2)
    assert np.mean(apart.arcsec > 112) > 0.9


def test_field_names_are_unique_in_a_large_survey():
    fields = place_fields(SkyModel(sources=30000, field_px=1200))
    assert len({f.name for f in fields}) == len(fields) == 200

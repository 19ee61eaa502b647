"""LoTSS at 6 and at 20 arcsec and an optical HiPS as the three channels of a stamp."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from format_names import PLAIN_FORMATS
from hips2fits_server import Hips, from_mosaics, hips2fits, hips_address
from mingolotss import MingoLoTSS, build, export, load, load_recipe, verify
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.reading import read_catalogue
from mingolotss.dataset.channel_table import read_channels
from mingolotss.dataset.manifest import read_manifest
from mingolotss.recipe.model import Recipe, parse_recipe
from mingolotss.simulate import OBSERVATIONS, Observation, SkyModel
from observed_skies import observed

torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")
pytestmark = pytest.mark.slow

MODEL = SkyModel(sources=60, edge_cases=False, field_px=1500)
NAMES = ("six", "twenty", "optical")
SIDE = 80
_HOLE = 0.03  # deg, radius: larger than a stamp, and smaller than a cutout
STEPS = [{"do": "zero-nan"}, {"do": "clip", "sigma": 3.0}, {"do": "minmax"}]


@dataclass(frozen=True)
class Surveys:
    """The catalogue of a sky, and the address of each channel's service."""

    catalogue: Catalogue
    services: dict[str, str]
    file: Path


def recipe_of(services: dict[str, str], missing: str = "reject", **stamp: object) -> Recipe:
    """Return a recipe of three channels; the rule is that of the optical one."""
    optical = {"method": "sigma-clipped"}
    channels = [
        {"name": "six", "images": {"service": services["six"]}},
        {"name": "twenty", "images": {"service": services["twenty"]}},
        {
            "name": "optical", "images": {"service": services["optical"]},
            "noise": optical, "missing": missing,
        },
    ]  # fmt: skip
    kind = stamp.get("kind", "uint8")
    return parse_recipe(
        {
            "name": "three", "stamp": {"pixels": SIDE, **stamp}, "channels": channels,
            "steps": STEPS if kind == "uint8" else [{"do": "zero-nan"}] * (missing != "nan"),
            "recentre": {"enabled": False},
            "classes": load_recipe("mingolotss").to_dict()["classes"],
            "formats": ["png", "csv", "parquet"] if kind == "uint8" else ["csv", "parquet"],
        },
        "a test",
    )  # fmt: skip


@pytest.fixture(scope="module")
def surveys(tmp_path_factory):
    """Three surveys of one sky, the optical one behind a server of HiPS."""
    root = tmp_path_factory.mktemp("surveys")
    skies = observed(
        root, MODEL, six=Observation(), twenty=OBSERVATIONS["20arcsec"],
        optical=OBSERVATIONS["optical"],
    )  # fmt: skip
    catalogue = read_catalogue(skies["six"] / "catalogue.fits")
    full = from_mosaics(skies["optical"])
    absent = np.arange(0, len(catalogue), 10)  # one source in ten

    def with_holes(ra, dec):
        """Return the optical sky without the surroundings of some sources."""
        light = full(ra, dec)
        for row in absent:
            east = (ra - catalogue.ra[row]) * np.cos(np.radians(dec))
            light[np.hypot(east, dec - catalogue.dec[row]) < _HOLE] = np.nan
        return light

    hips = {"CDS/P/SIM/r": Hips("A simulated sky in r", full),
            "CDS/P/SIM/holes": Hips("The same with holes", with_holes)}  # fmt: skip
    with hips2fits(hips) as server:
        services = {name: f"simulated:{skies[name]}" for name in ("six", "twenty")}
        services["optical"] = hips_address(server, "CDS/P/SIM/r")
        services["holes"] = hips_address(server, "CDS/P/SIM/holes")
        yield Surveys(catalogue, services, skies["six"] / "catalogue.fits")


@pytest.fixture(scope="module")
def dataset(surveys, tmp_path_factory):
    out = tmp_path_factory.mktemp("three") / "build"
    result = build(recipe_of(surveys.services), out=out, catalogue=surveys.file)
    assert result.written == len(surveys.catalogue), result
    return out


def test_channels_load_in_torch_as_three_planes(dataset, surveys):
    data = load(dataset)
    assert tuple(data.channels) == NAMES
    assert data.images.shape == (len(surveys.catalogue), 3, SIDE, SIDE)
    assert data.images.dtype == np.uint8
    pytorch = MingoLoTSS(dataset, "all", tensors=True)
    image, _ = pytorch[0]
    assert isinstance(image, torch.Tensor)
    assert image.shape == (3, SIDE, SIDE)
    batch, _ = next(iter(torch.utils.data.DataLoader(pytorch, batch_size=8)))
    assert batch.shape == (8, 3, SIDE, SIDE)
    assert (batch.numpy() * 255).round().astype(np.uint8).tobytes() == data.images[:8].tobytes()
    verified = verify(dataset)
    assert verified.good, verified


def test_every_channel_shows_the_source(dataset, surveys):
    """The brightest pixels of the radio channels are where the galaxy is."""
    data = load(dataset)
    middle = np.s_[:, SIDE // 2 - 12 : SIDE // 2 + 13, SIDE // 2 - 12 : SIDE // 2 + 13]
    for plane, name in enumerate(NAMES):
        images = data.images[:, plane].astype(float)
        light = images[middle].mean(axis=(1, 2))
        frame = np.concatenate([images[:, :8], images[:, -8:]], axis=1).mean(axis=(1, 2))
        assert np.mean(light > frame) > 0.9, name


def test_reference_is_bit_identical_to_a_build_without_channels(dataset, surveys, tmp_path):
    alone = recipe_of(surveys.services).changed({"channels": [], "name": "alone"})
    build(
        alone,
        out=tmp_path / "out",
        catalogue=surveys.file,
        service=surveys.services["six"],
    )
    assert load(tmp_path / "out").images.tobytes() == (
        np.ascontiguousarray(load(dataset).images[:, 0]).tobytes()
    )


def test_channel_on_the_same_grid_is_bit_identical(surveys, tmp_path):
    """Another beam on the same pixels, and on pixels that begin elsewhere."""
    skies = observed(
        tmp_path, MODEL, nine=OBSERVATIONS["9arcsec"],
        shifted=replace(OBSERVATIONS["9arcsec"], shift_px=(5, 12)),
    )  # fmt: skip
    for name in ("nine", "shifted"):
        service = f"simulated:{skies[name]}"
        two = recipe_of(surveys.services).to_dict()["channels"][:1]
        two.append({"name": name, "images": {"service": service}})
        changes = {"channels": two, "formats": ["csv", "parquet"]}
        recipe = recipe_of(surveys.services).changed(changes)
        build(recipe, out=tmp_path / f"{name}-two", catalogue=surveys.file)
        alone = recipe.changed({"channels": []})
        build(
            alone,
            out=tmp_path / f"{name}-one",
            catalogue=surveys.file,
            service=service,
        )
        pair, single = load(tmp_path / f"{name}-two"), load(tmp_path / f"{name}-one")
        assert np.array_equal(pair.images[:, 1], single.images), name
        table = read_channels(tmp_path / f"{name}-two").to_pylist()
        assert {row["status"] for row in table} == {"native"}, name


def test_table_of_channels_describes_every_plane(dataset, surveys):
    rows = read_channels(dataset).to_pylist()
    assert len(rows) == 3 * len(surveys.catalogue)
    status = {name: {r["status"] for r in rows if r["channel"] == name} for name in NAMES}
    assert status == {"six": {"native"}, "twenty": {"resampled"}, "optical": {"resampled"}}
    for row in rows[:3]:
        beam = {"six": 6.0, "twenty": 20.0}.get(row["channel"])
        assert row["beam_major_arcsec"] == (None if beam is None else pytest.approx(beam))
        scale = {"six": 1.5, "twenty": 4.5}.get(row["channel"], row["pixel_scale_arcsec"])
        assert row["pixel_scale_arcsec"] == pytest.approx(scale, rel=1e-4)


@pytest.fixture(scope="module")
def float_dataset(surveys, tmp_path_factory):
    out = tmp_path_factory.mktemp("float") / "build"
    build(recipe_of(surveys.services, kind="float32"), out=out, catalogue=surveys.file)
    return out


CASES = [
    (name, kind)
    for name in PLAIN_FORMATS
    for kind in ("uint8", "float32")
    if name != "fits" and not (kind == "float32" and name in ("png", "batches"))
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_format_gives_the_same_planes(dataset, float_dataset, tmp_path, name, kind):
    if name == "hdf5":
        pytest.importorskip("h5py")
    source = dataset if kind == "uint8" else float_dataset
    out = tmp_path / "export"
    export(source, name, out)
    expected, data = load(source), load(out)
    order = [data.sources.index(source) for source in expected.sources]
    assert tuple(data.channels) == NAMES
    assert data.images.dtype == expected.images.dtype == np.dtype(kind)
    assert np.array_equal(data.images[order], expected.images)
    assert np.array_equal(np.asarray(data.labels)[order], expected.labels)
    verified = verify(out)
    assert verified.good, verified


@pytest.mark.parametrize("rule", ["reject", "nan", "zero"])
def test_channel_that_is_missing_for_a_tenth(surveys, tmp_path, rule):
    services = {**surveys.services, "optical": surveys.services["holes"]}
    recipe = recipe_of(services, rule, kind="float32")
    out = tmp_path / "build"
    result = build(recipe, out=out, catalogue=surveys.file)
    absent = [n for i, n in enumerate(surveys.catalogue.names) if i % 10 == 0]
    rows = {row["source"]: row for row in read_manifest(out).to_pylist()}
    data = load(out)
    if rule == "reject":
        assert result.written == len(rows) - len(absent)
        rejected = [name for name, row in rows.items() if row["status"] == "rejected"]
        assert sorted(rejected) == sorted(absent)
        assert all("optical" in rows[name]["reason"] for name in rejected)
        assert np.isfinite(data.images).all()
    else:
        assert result.written == len(rows)
        for name, image in zip(data.sources, data.images, strict=True):
            empty = np.isnan(image[2]) if rule == "nan" else image[2] == 0
            assert empty.all() == (name in absent), name
            assert np.isfinite(image[:2]).all()
            flagged = rows[name]["missing_channels"]
            assert ("optical" in (flagged or "")) == (name in absent), name
    verified = verify(out)
    assert verified.good, verified

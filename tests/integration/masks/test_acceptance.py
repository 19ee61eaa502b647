"""The masks of the simulated sky beside its truth, and beside neighbours planted next to sources.

The true mask of a source is where its own brightness, without noise and without any other source,
is above the level of the masks: 4 times the rms map. Nothing else of the truth is used. What is
compared:

- pixels: the intersection of mask and true mask over their union;
- flux: `mask_flux_mjy` with the sum of the true brightness over the true mask, per beam;
- size: `las_arcsec` with the largest angular size of the true mask, measured in the same way;
- neighbours: of those pixels of a stamp where a neighbour alone is above the level, and brighter
  than the source, the share that the mask calls the source's. A neighbour is excluded if that is at
  most 5 %.
"""

import math
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table, vstack
from scipy.spatial.distance import pdist

import mingolotss
from mingolotss.simulate import SkyFolder, SkyModel, SkyTruth, write_sky
from mingolotss.simulate.mosaic import add_stamp

SIGMA, BEAM, PIXEL, SIDE = 4.0, 6.0, 1.5, 150
AREA = math.pi * (BEAM / PIXEL) ** 2 / (4 * math.log(2))  # of the beam, px

pytestmark = pytest.mark.slow


def point(field, ra, dec, flux_jy):
    """Return a point source as a mosaic has it, and its first pixel."""
    x, y = (float(one[0]) for one in field.to_pixels(np.array([ra]), np.array([dec])))
    axis, sigma = np.arange(-16, 17), BEAM / PIXEL / math.sqrt(8 * math.log(2))
    across, up = (np.exp(-((axis - (at - round(at))) ** 2) / (2 * sigma**2)) for at in (x, y))
    image = (np.outer(up, across) * flux_jy).astype(np.float32)
    return image, round(x) - 16, round(y) - 16


def planted_neighbours(truth, rng):
    """Return points 6 to 20 arcsec beyond the end of sources: position (deg) and flux (Jy)."""
    noise = truth.model.noise_ujy * 1e-6
    for name, galaxy in truth.galaxies.items():
        distance = (galaxy.size_arcsec / 2 + rng.uniform(6, 20)) / 3600
        angle, flux = rng.uniform(0, 2 * math.pi), noise * 10 ** rng.uniform(1, 2.3)
        if not galaxy.edge_case and distance < 95 / 3600:
            east = distance * math.sin(angle) / math.cos(math.radians(galaxy.dec))
            yield name, galaxy.ra + east, galaxy.dec + distance * math.cos(angle), flux


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Build a sky with planted neighbours; return what its masks and the truth say."""
    root = tmp_path_factory.mktemp("acceptance")
    write_sky(SkyModel(sources=60, seed=3), root / "sky")
    truth, sky = SkyTruth(root / "sky"), SkyFolder(root / "planted")
    shutil.copytree(root / "sky", sky.path)
    planted = list(planted_neighbours(truth, np.random.default_rng(99)))
    for field in truth.sky.fields:
        with fits.open(sky.mosaic(field.name), mode="update") as hdus:
            for _, ra, dec, flux in planted:
                add_stamp(hdus[0].data, *point(field, ra, dec, flux))
    names = [f"planted {number}" for number in range(len(planted))]
    _, ra, dec, flux = zip(*planted, strict=True)
    new = Table({"Component_Name": names, "RA": ra, "DEC": dec, "Parent_Source": names})
    new["Maj"], new["Min"], new["PA"] = BEAM, BEAM, 0.0
    table = Table.read(sky.components)
    for column in table.itercols():
        if column.name in new.colnames:
            new[column.name].unit = column.unit
    vstack([table, new]).write(sky.components, overwrite=True)
    out = root / "out"
    settings = {"mask.from": "components", "mask.sigma": SIGMA}
    mingolotss.build(
        "mingolotss", out=out, catalogue=sky.catalogue, service=f"mosaics:{sky.path}",
        components=sky.components, settings=settings,
    )  # fmt: skip
    data = mingolotss.load(out, split="all")
    masks = dict(zip(data.sources, np.asarray(data.masks), strict=True))
    manifest = [row for row in pq.read_table(out / "manifest.parquet").to_pylist()
                if row["status"] == "written"]  # fmt: skip
    return [compare(row, masks[row["source"]], truth, sky, planted) for row in manifest]


def compare(row, mask, truth, sky, planted):
    """Return the numbers of one source."""
    [field] = [field for field in truth.sky.fields if field.name == row["field"]]
    corner = [round(field.side // 2 + 1 - row[f"crpix{axis}"]) for axis in (1, 2)]

    def on_stamp(image, x0, y0):
        stamp = np.zeros((SIDE, SIDE), np.float32)
        add_stamp(stamp, image, x0 - corner[0], y0 - corner[1])
        return stamp

    rms = np.full((SIDE, SIDE), np.nan, np.float32)
    y, x = np.mgrid[:SIDE, :SIDE] + np.array(corner[::-1])[:, None, None]
    inside = (y >= 0) & (x >= 0) & (y < field.side) & (x < field.side)
    rms[inside] = fits.getdata(sky.rms(field.name))[y[inside], x[inside]]
    source = on_stamp(*truth.brightness(row["source"], field.name))
    with np.errstate(invalid="ignore"):
        true_mask = source > SIGMA * rms
        peak = np.nanmax(source / rms)
    own = mask == 1
    taken = {}
    for kind, images in neighbours(row, truth, field, planted).items():
        for image in images:
            neighbour = on_stamp(*image)
            with np.errstate(invalid="ignore"):
                pixels = (neighbour > SIGMA * rms) & (neighbour > source)
            if np.count_nonzero(pixels) >= 5:
                taken.setdefault(kind, []).append(float(np.mean(own[pixels])))
    flux = 1000 * source[true_mask].sum(dtype=float) / AREA
    return {
        "peak": peak, "edge": truth.galaxies[row["source"]].edge_case, "taken": taken,
        "overlap": np.count_nonzero(own & true_mask) / max(np.count_nonzero(own | true_mask), 1),
        "flux": (row["mask_flux_mjy"] or 0) / flux if flux else math.nan,
        "size": (row["las_arcsec"] or 0) - extent(true_mask),
    }  # fmt: skip


def neighbours(row, truth, field, planted):
    """Return all other sources near a source as the mosaic has them."""

    def is_near(ra, dec):
        east = (ra - row["ra"]) * math.cos(math.radians(row["dec"]))
        return math.hypot(east, dec - row["dec"]) < 250 / 3600

    others = [name for name, one in truth.galaxies.items()
              if name != row["source"] and is_near(one.ra, one.dec)]  # fmt: skip
    background = zip(*vars(truth.sky.background).values(), strict=True)
    return {
        "galaxies": [truth.brightness(name, field.name) for name in others],
        "point sources": [point(field, ra, dec, flux / 1000)
                          for ra, dec, flux in background if is_near(ra, dec)],
        "planted": [point(field, ra, dec, flux)
                    for _, ra, dec, flux in planted if is_near(ra, dec)],
    }  # fmt: skip


def extent(mask):
    """Return the largest angular size of a mask, arcsec."""
    places = np.argwhere(mask) * PIXEL
    length = pdist(places).max() if len(places) > 1 else 0.0
    return math.sqrt(max(length**2 - BEAM**2, 0.0))


def test_masks_are_the_true_ones_of_bright_sources(measured):
    """Above 10 sigma, the median overlap is at least 0.85, the flux right within 5 %."""
    bright = [one for one in measured if one["peak"] > 10]
    assert len(bright) > 50
    overlap, flux, size = (np.array([one[key] for one in bright])
                           for key in ("overlap", "flux", "size"))  # fmt: skip
    assert np.median(overlap) >= 0.85
    assert np.mean(overlap >= 0.75) > 0.95
    assert abs(np.median(flux) - 1) <= 0.05
    assert np.median(np.abs(flux - 1)) <= 0.05
    assert np.mean(np.abs(flux - 1) <= 0.05) > 0.8  # the noise alone is more in some faint masks
    assert abs(np.median(size)) <= BEAM
    assert np.mean(np.abs(size) <= BEAM) >= 0.95


def test_neighbours_are_excluded(measured):
    """At least 95 % of the planted neighbours, and of those that the sky has."""
    taken = {}
    for one in measured:
        for kind, shares in one["taken"].items():
            taken.setdefault(kind, []).extend(shares)
    assert len(taken["planted"]) > 30
    assert len(taken["point sources"]) > 20
    for shares in taken.values():
        assert np.mean(np.array(shares) <= 0.05) >= 0.95

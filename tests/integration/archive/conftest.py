"""The real server behind these tests: one DaCHS for the session, over a simulated sky."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.simulate import SkyModel, write_sky

sys.path.insert(0, str(Path(__file__).parents[1] / "dachs"))
import dachs_server as dachs

SHARED = Path(os.environ.get("MINGOLOTSS_SHARED", Path(__file__).parents[4] / "shared"))
SKY = SkyModel(sources=300, sources_per_field=100, ra=180.0, dec=50.0, field_px=2000)


@pytest.fixture(scope="session")
def work() -> Path:
    """Where the server and its sky are kept from one run to the next."""
    return Path(tempfile.gettempdir()) / f"mingolotss-test-archive-{os.geteuid()}"


@pytest.fixture(scope="session")
def sky(work: Path) -> Path:
    """Three overlapping fields with 300 sources, at places of six decimals.

    The server's form passes no more of them on: with more, a source in a thousand is on the other
    side of a pixel's edge, and its cutout a pixel off that of SIA.
    """
    folder = write_sky(SKY, work / "sky")
    with fits.open(folder / "catalogue.fits", mode="update") as catalogue:
        for axis in ("RA", "DEC"):
            catalogue[1].data[axis] = catalogue[1].data[axis].round(6)
    return folder


@pytest.fixture(scope="session")
def real_piece() -> Path:
    """The real piece of a LoTSS DR1 mosaic."""
    folder = SHARED / "data" / "lotss-dr1"
    if not folder.is_dir():
        pytest.skip(f"no real LoTSS piece: {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def server(work: Path, sky: Path) -> Iterator[dachs.Archive]:
    """The running archive: five products a field, as ASTRON has them, and the real piece."""
    if absent := dachs.missing():
        pytest.skip(absent)
    mosaics = sorted(sky.glob("*-mosaic*.fits"))  # not the tables: the server takes images only
    unwanted = [path for image in sky.glob("*-mosaic.fits") for path in other_products(image)]
    real = sorted((SHARED / "data" / "lotss-dr1").glob("*-mosaic.fits"))
    with dachs.archive(work / "dachs", [*mosaics, *unwanted, *real]) as running:
        yield running


def other_products(image: Path) -> list[Path]:
    """Write the three products that nobody wants beside a mosaic, at low resolution."""
    folder = image.parent / "other"
    folder.mkdir(exist_ok=True)
    field = image.name.removesuffix("-mosaic.fits")
    kinds = ("low-mosaic", "low-residual-mosaic", "residual-mosaic")
    paths = [folder / f"{field}-{kind}.fits" for kind in kinds]
    if not all(path.exists() for path in paths):
        header, pixels = fits.getheader(image), fits.getdata(image)[::4, ::4]
        for key in ("CRPIX1", "CRPIX2"):
            header[key] = (header[key] - 1) / 4 + 1
        for key in ("CDELT1", "CDELT2"):
            header[key] *= 4
        for path in paths:
            fits.writeto(path, np.float32(pixels * 0 + 1), header, overwrite=True)
    return paths

"""Rows out of mosaics behind a plain static server: nginx from Debian."""

import http.server

import numpy as np
import pytest
from astropy.io import fits

from archive.static import nginx
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import ServiceAnswerError
from mingolotss.io.parquet import read_table
from mingolotss.model import Source
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.service.base import CutoutRequest
from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.service.remote.range_mosaics import LotssDr2MosaicsService, RangesService
from serving import serving

pytestmark = pytest.mark.archive
SIDE = 8000
RA, DEC = 150.0, 30.0


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """A mosaic of 8,000 x 8,000 pixels with its rms map, laid out as LoTSS DR2's release."""
    folder = tmp_path_factory.mktemp("release")
    rng = np.random.default_rng(5)
    header = fits.Header()
    for axis, (kind, value) in enumerate((("RA---SIN", RA), ("DEC--SIN", DEC)), 1):
        header[f"CTYPE{axis}"], header[f"CRVAL{axis}"] = kind, value
        header[f"CRPIX{axis}"] = SIDE / 2 + 0.5
        header[f"CDELT{axis}"] = (-1.5, 1.5)[axis - 1] / 3600
        header[f"CUNIT{axis}"] = "deg"
    header["RADESYS"], header["BUNIT"] = "ICRS", "Jy/beam"
    for number in range(400):  # a header of several blocks, as pipelines write
        header["HISTORY"] = f"step {number} of a long pipeline"
    place = folder / "P150+30"
    place.mkdir()
    for name in ("mosaic-blanked.fits", "mosaic.rms.fits"):
        pixels = rng.standard_normal((SIDE, SIDE), dtype=np.float32) * np.float32(1e-4)
        fits.writeto(place / name, np.abs(pixels) if "rms" in name else pixels, header)
    (folder / "P020+30").mkdir()
    return folder


def catalogue(hint: str = "") -> Catalogue:
    """Ten places: in the middle, at an edge, at a corner, off the mosaic."""
    off = SIDE * 1.5 / 3600 / 2
    steps = [(0, 0), (0.3, 0.4), (-0.8, 0.2), (0.5, -1.1), (1.2, 1.2), (0.98 * off, 0),
             (0, -0.99 * off), (-0.97 * off, 0.97 * off), (0.1, 0.1), (3 * off, 0)]  # fmt: skip
    return Catalogue.from_columns(
        [f"S{i}" for i in range(10)],
        [RA + x / np.cos(np.radians(DEC + y)) for x, y in steps],
        [DEC + y for _, y in steps],
        field_hints=[hint] * 10 if hint else (),
    )


@pytest.mark.parametrize("hint", ["", "P150+30"])
def test_only_the_rows_under_a_cutout_travel(hint, release, tmp_path):
    """The same pixels as from the local file, for well under 4 % of the mosaic."""
    sources = catalogue(hint)
    with nginx(tmp_path / "nginx", release) as server:
        service = f"lotss-dr2-mosaics:{server.url}"
        build(load_recipe("lotss"), out=tmp_path / "far", catalogue=sources, service=service)
        sent = server.sent()
    build(load_recipe("lotss"), out=tmp_path / "near", catalogue=sources,
          service=f"mosaics:{release}")  # fmt: skip
    far, near = (read_manifest(tmp_path / name).to_pylist() for name in ("far", "near"))
    assert [r["pixels_sha256"] for r in far] == [r["pixels_sha256"] for r in near]
    assert [r["status"] for r in far] == ["written"] * 9 + ["rejected"]
    pixels = [size for path, _, size in sent if path.endswith(".fits")]
    whole, files = (release / "P150+30/mosaic-blanked.fits").stat().st_size, 18
    share = sum(pixels) / files / whole
    print(
        f"{sum(pixels) / files / 1e3:.0f} kB travelled per cutout of {whole / 1e6:.0f} MB:"
        f" {share:.3%}, headers included, in {len(pixels)} requests for {files} cutouts"
    )
    assert share < 0.04
    assert {status for _, status, _ in sent} <= {200, 206}
    rows = read_table(tmp_path / "far" / "candidates.parquet").to_pylist()
    assert all(row["image"].startswith("http://") for row in rows)


def test_a_server_of_single_ranges_is_asked_for_one(release, tmp_path):
    """Told to take one range at a time, nginx answers the rest with the whole file: not taken."""
    with nginx(tmp_path / "nginx", release, "max_ranges 1;") as server:
        service = LotssDr2MosaicsService(server.url)
        source = Source(0, "S0", RA + 0.3, DEC + 0.4, field_hint="P150+30")
        candidate = service.search_source(source, 0.1).candidates[0]
        next(service.cutouts([CutoutRequest(candidate, source)], 0.1))  # finds out what nginx takes
        before = len(server.sent())
        (far,) = service.cutouts([CutoutRequest(candidate, source)], 0.1)
        sent = sum(size for path, _, size in server.sent()[before:] if "blanked" in path)
    (near,) = MosaicsService(str(release)).cutouts([CutoutRequest(local(release), source)], 0.1)
    np.testing.assert_array_equal(far.image, near.image)
    whole = (release / "P150+30/mosaic-blanked.fits").stat().st_size
    print(f"one range: {sent / whole:.2%} of the mosaic")
    assert sent < 0.04 * whole


def local(release):
    (offer,) = MosaicsService(str(release)).search_all(catalogue().head(1), 0.1)[0]
    return offer


def test_a_server_that_ignores_ranges_is_refused(release):
    """Python's own little server sends the whole file whatever is asked: hung up on at once."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(release))

        def log_message(self, *_):
            """Say nothing."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            """Say nothing: it is hung up on, as it should be."""

    with serving(Quiet(("127.0.0.1", 0), Handler)) as server:
        service = RangesService(f"http://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(ServiceAnswerError, match=r"offers only the whole file; copy the mos"):
            service.search_source(Source(0, "S0", RA, DEC), 0.1)

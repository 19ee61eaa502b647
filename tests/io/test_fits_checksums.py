"""CHECKSUM and DATASUM as astropy writes them: whole units pass, and every change is noticed."""

from __future__ import annotations

import gzip
import io
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.utils.exceptions import AstropyUserWarning

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import ImageError
from mingolotss.io.fits import read_image
from mingolotss.io.fits_checksums import ones_complement_sum
from mingolotss.io.fits_layout import find_image
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.service.local import mosaic_file
from mingolotss.service.local.mosaic_file import open_mosaic
from mingolotss.sky.wcs import simple_header

SHAPE = (40, 53)
CARDS = fits.Header.fromstring(simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode())
PIXELS = np.random.default_rng(1).normal(0, 40, SHAPE)


def as_bytes(*hdus, checksum=True):
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream, checksum=checksum)
    return stream.getvalue()


def packed(data, kind, **options):
    image = fits.CompImageHDU(data, CARDS.copy(), compression_type=kind, **options)
    return as_bytes(fits.PrimaryHDU(), image)


def scaled():
    hdu = fits.PrimaryHDU(PIXELS.copy(), CARDS.copy())
    hdu.scale("int16", bscale=0.01, bzero=3.0)
    return as_bytes(hdu)


KINDS = {
    "float32": as_bytes(fits.PrimaryHDU(PIXELS.astype("f4"), CARDS.copy())),
    "float64": as_bytes(fits.PrimaryHDU(PIXELS, CARDS.copy())),
    "int16 scaled": scaled(),
    "uint8, not whole words": as_bytes(fits.PrimaryHDU(np.abs(PIXELS).astype("u1"), CARDS.copy())),
    "four axes": as_bytes(fits.PrimaryHDU(PIXELS.astype("f4")[None, None], CARDS.copy())),
    "extension": as_bytes(fits.PrimaryHDU(), fits.ImageHDU(PIXELS.astype("f4"), CARDS.copy())),
    "RICE": packed(PIXELS.astype("f4"), "RICE_1"),
    "RICE of int16": packed(PIXELS.astype("i2"), "RICE_1"),
    "GZIP": packed(PIXELS.astype("f4"), "GZIP_1", quantize_level=0),
    "HCOMPRESS": packed(PIXELS.astype("i2"), "HCOMPRESS_1"),
    "PLIO": packed(np.abs(PIXELS).astype("i2"), "PLIO_1"),
    "only DATASUM": as_bytes(fits.PrimaryHDU(PIXELS, CARDS.copy()), checksum="datasum"),
    "zeros": as_bytes(fits.PrimaryHDU(np.zeros(SHAPE, "f4"), CARDS.copy())),
    "ones": as_bytes(fits.PrimaryHDU(np.full(SHAPE, 255, "u1"), CARDS.copy())),
}


def is_whole(raw):
    """Return what astropy thinks of all checksums of a file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with fits.open(io.BytesIO(raw), checksum=True, disable_image_compression=True) as hdus:
            for hdu in hdus:
                hdu.data  # noqa: B018
    kinds = AstropyUserWarning, VerifyWarning
    return not any(issubclass(w.category, kinds) and "sum" in str(w.message) for w in caught)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_pass(kind):
    raw = KINDS[kind]
    assert is_whole(raw)
    layout = find_image(raw)
    assert b"DATASUM " in layout.header
    assert read_image(raw, path="x").data.shape == SHAPE
    assert read_image(gzip.compress(raw), path="x").data.shape == SHAPE


@pytest.mark.parametrize("kind", KINDS)
def test_every_changed_byte_of_the_data_is_noticed(kind):
    raw, layout = KINDS[kind], find_image(KINDS[kind])
    for place in np.random.default_rng(2).integers(layout.offset, layout.end, 12).tolist():
        changed = bytearray(raw)
        changed[place] ^= 0x10
        assert not is_whole(bytes(changed))
        with pytest.raises(ImageError, match=r"read x: damaged \(its data have the DATASUM"):
            read_image(bytes(changed), path="x")
        assert layout.shape == SHAPE


def test_a_changed_header_is_noticed_by_its_checksum():
    card = b"CRVAL1  =                 10.0"
    raw = KINDS["float32"].replace(card, card.replace(b"10.0", b"11.0"))
    assert raw != KINDS["float32"]
    assert not is_whole(raw)
    with pytest.raises(ImageError, match="its header does not have the CHECKSUM"):
        read_image(raw, path="x")
    assert read_image(raw, path="x", with_checksums=False).data.shape == SHAPE


@pytest.mark.parametrize(
    ("card", "value"),
    [("DATASUM", "''"), ("DATASUM", "'unknown'"), ("DATASUM", "'-1'"), ("DATASUM", "'1.5'")],
)
def test_a_datasum_that_is_no_number_is_not_compared(card, value):
    """An empty one is not defined, says the standard."""
    raw = KINDS["only DATASUM"]
    at = raw.index(card.encode().ljust(8))
    changed = raw[: at + 10] + value.encode().ljust(70) + raw[at + 80 :]
    assert read_image(changed, path="x").data.shape == SHAPE


def test_sums_are_those_of_astropy():
    rng = np.random.default_rng(3)
    for length in [0, 1, 2, 3, 4, 5, 7, 2880, 2881, 99_999]:
        data = rng.integers(0, 256, length).astype("u1")
        filled = np.append(data, np.zeros(-length % 4, "u1"))
        expected = int(fits.PrimaryHDU()._compute_checksum(filled))
        assert ones_complement_sum(data.tobytes()) % 0xFFFFFFFF == expected % 0xFFFFFFFF


@pytest.mark.parametrize("checksums", ["cutouts", "all", "none"])
@pytest.mark.parametrize("kind", ["folder", "mosaics"])
def test_services_compare_as_the_recipe_says(tmp_path, kind, checksums):
    """A damaged image is one rejection that says so, with the others as ever."""
    raw, folder, out = bytearray(KINDS["float32"]), tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "J1_P1-mosaic.fits").write_bytes(raw)
    raw[-3000] ^= 1
    (folder / "J2_P2-mosaic.fits").write_bytes(raw)
    recipe = load_recipe("lotss").changed({
        "formats": ["parquet"], "stamp.pixels": 16, "noise.method": "sigma-clipped",
        "images.size_arcmin": 0.5, "images.rms": "", "images.checksums": checksums,
    })  # fmt: skip
    two = np.ones(2)
    catalogue = Catalogue.from_columns(
        ["J1", "J2"], 10 * two, 20 * two, size_arcsec=two, flux_mjy=two
    )
    build(recipe, catalogue=catalogue, service=f"{kind}:{folder}", out=out)
    rows = read_manifest(out).to_pylist()
    notices = out / "notices.txt"
    if checksums == "none":
        assert [row["status"] for row in rows] == ["written"] * 2
        assert not notices.exists()
    elif kind == "folder":
        assert [row["status"] for row in rows] == ["written", "rejected"]
        assert "damaged (its data have the DATASUM" in rows[1]["reason"]
    else:
        assert [row["status"] for row in rows] == ["written"] * 2
        assert "damaged (its data have the DATASUM" in notices.read_text()


def test_a_large_mosaic_is_compared_only_if_asked(tmp_path, monkeypatch):
    raw = bytearray(KINDS["float32"])
    raw[-3000] ^= 1
    path = tmp_path / "P1-mosaic.fits"
    path.write_bytes(raw)
    monkeypatch.setattr(mosaic_file, "_SMALL_BYTES", 1000)
    assert open_mosaic(str(path)).shape == SHAPE
    with pytest.raises(ImageError, match="DATASUM"):
        open_mosaic(str(path), "all")

"""The part of a stamp without data: measured, flagged, and a reason to reject it.

The images are partly NaN, end at an edge, or have infinite pixels; the stamp is binned or not, and
NaN is set to 0 before binning, after it, or not at all.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import mingolotss
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import RecipeError
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.wcs import simple_header

SIDE, STAMP = 200, 60  # px
GAPS = ("none", "nan", "infinite", "edge", "rms", "corner")


def write_sky(folder, gaps) -> tuple[str, dict[str, np.ndarray]]:
    """Write an image for each kind of gap; return the catalogue, and the pixels of the stamps."""
    folder.mkdir()
    rng, stamps, dec = np.random.default_rng(5), {}, []
    for index, gap in enumerate(gaps):
        dec.append(20.0 + index)
        image = rng.normal(0, 1e-4, (SIDE, SIDE)).astype("f4")
        rms = np.full((SIDE, SIDE), 1e-4, "f4")
        start = SIDE // 2 - STAMP // 2
        centre = None
        if gap == "nan":  # a slanted edge through the stamp, and single pixels
            y, x = np.mgrid[:SIDE, :SIDE]
            image[x + 2 * y < start * 3 + 41] = np.nan
            image[start + 50 :: 7, ::7] = np.nan
        if gap == "infinite":
            image[start + 3 : start + 17, start + 5 : start + 30] = np.inf
        if gap == "rms":
            rms[start : start + 20] = np.nan
        if gap == "corner":  # of the cutout, not of the stamp
            image[: start - 1, : start - 1] = np.nan
        if gap == "edge":  # the image ends 18 pixels left of the source
            centre = (18.0, 100.0)
        header = fits.Header.fromstring(
            simple_header(
                30.0, dec[-1], shape=image.shape, scale_arcsec=1.5, centre=centre
            ).decode()
        )
        fits.PrimaryHDU(image, header).writeto(folder / f"{gap}_P1-mosaic.fits")
        fits.PrimaryHDU(rms, header).writeto(folder / f"{gap}_P1-mosaic-rms.fits")
        padded = np.pad(image, STAMP, constant_values=np.nan)
        y0, x0 = start + STAMP, start + STAMP
        if centre:
            # Recentred: the cutout is padded so that the source is in its middle.
            pad = int(SIDE - 2 * centre[0])
            x0 = (SIDE + pad) // 2 - STAMP // 2 - pad + STAMP
        stamps[gap] = padded[y0 : y0 + STAMP, x0 : x0 + STAMP]
    catalogue = folder / "catalogue.csv"
    ra = np.full(len(dec), 30.0)
    Table({"Source_Name": list(gaps), "RA": ra, "DEC": dec}).write(catalogue)
    return catalogue, stamps


def expected(pixels: np.ndarray, factor: int, *, zero_first: bool) -> float:
    """Return the percentage of a stamp without data, block by block."""
    side, total = len(pixels) // factor, 0.0
    for y, x in itertools.product(range(side), range(side)):
        block = pixels[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        missing = ~np.isfinite(block)
        total += missing.mean() if zero_first else float(missing.any())
    return 100 * total / side**2


ORDERS = {
    "zero first": [{"do": "zero-nan"}, {"do": "bin"}, {"do": "mask", "radius": 20.0}],
    "zero, clip, bin": [{"do": "zero-nan"}, {"do": "clip"}, {"do": "bin"}, {"do": "minmax"}],
    "bin first": [{"do": "bin"}, {"do": "zero-nan"}, {"do": "clip"}, {"do": "minmax"}],
    "bin only": [{"do": "bin"}, {"do": "minmax"}],
    "mask, bin": [{"do": "mask", "radius": 25.0}, {"do": "bin"}, {"do": "zero-nan"}],
    "nothing": [{"do": "bin"}],
}


def build(tmp_path, gaps, **changes):
    catalogue, stamps = write_sky(tmp_path / "fits", gaps)
    recipe = load_recipe("mingolotss").changed(
        {"classes": {"from": "none"}, "catalogue.size": "", "catalogue.flux": "",
         "recentre.separation_arcsec": 5.0, "formats": ["parquet"], **changes}
    )  # fmt: skip
    out = tmp_path / "out"
    service = f"folder:{tmp_path / 'fits'}"
    mingolotss.build(recipe, out=out, catalogue=catalogue, service=service)
    rows = read_manifest(out).to_pylist()
    return {row["source"]: row for row in rows}, stamps


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_of_steps(tmp_path, order, factor):
    """The percentage is that of the final stamp's pixels, before they are filled."""
    kind = "uint8" if ORDERS[order][-1]["do"] == "minmax" else "float32"
    rows, stamps = build(
        tmp_path, GAPS,
        **{"steps": ORDERS[order], "stamp.kind": kind, "stamp.pixels": STAMP // factor,
           "stamp.pixel_arcsec": 1.5 * factor},
    )  # fmt: skip
    for gap, row in rows.items():
        pixels = stamps[gap].copy()
        if order == "mask, bin":  # the mask sets pixels to 0, data or not
            y, x = np.mgrid[:STAMP, :STAMP] - STAMP // 2
            masked = np.where(np.hypot(x, y) > 25, 0, pixels)
            inside = np.isfinite(masked)
        zero_first = order.startswith("zero")
        percent = expected(pixels, factor, zero_first=zero_first)
        if order == "mask, bin" and factor > 1:
            # A block is lost if one of its pixels inside the mask has no data; outside the mask it
            # counts with the part without data.
            blocks = np.isfinite(pixels).reshape(STAMP // 3, 3, STAMP // 3, 3)
            lost = ~inside.reshape(STAMP // 3, 3, STAMP // 3, 3).all((1, 3))
            percent = 100 * np.where(lost, 1.0, 1 - blocks.mean((1, 3))).mean()
        assert row["percent_nan"] == pytest.approx(percent, abs=1e-4), gap
        assert row["incomplete"] == (percent > 10), gap
    assert rows["none"]["percent_nan"] == rows["corner"]["percent_nan"] == 0
    assert rows["corner"]["percent_nan_cutout"] > 10
    assert rows["edge"]["percent_nan"] > 10
    assert rows["rms"]["percent_nan"] == 0  # noise that is not known is another matter


STANDARD = {"stamp.pixels": STAMP, "steps": [
    {"do": "zero-nan"}, {"do": "clip", "sigma": 1.0}, {"do": "mask"}, {"do": "minmax"},
]}  # fmt: skip


def test_kernel_and_steps_agree(tmp_path, use_library):
    """With the compiled kernel and without, the same numbers."""
    (tmp_path / "kernel").mkdir()
    (tmp_path / "numpy").mkdir()
    rows, stamps = build(tmp_path / "kernel", GAPS, **STANDARD)
    use_library(tmp_path / "no-such-file.so")
    assert str(build(tmp_path / "numpy", GAPS, **STANDARD)[0]) == str(rows)
    for gap, row in rows.items():
        assert row["percent_nan"] == pytest.approx(100 * (~np.isfinite(stamps[gap])).mean())


def test_a_recipe_rejects_above_a_percentage(tmp_path):
    """One clear reason, and the same for a single stamp."""
    rows, _ = build(tmp_path, GAPS, **STANDARD, **{"stamp.max_percent_nan": 12.0})
    status = {gap: row["status"] for gap, row in rows.items()}
    rejected = {gap for gap, text in status.items() if text == "rejected"}
    assert rejected == {"edge", "nan"}
    for gap in rejected:
        row = rows[gap]
        assert row["stage"] == "stamp"
        assert "of the stamp have no data" in row["reason"]
        assert "accepts up to 12 % (stamp.max_percent_nan)" in row["reason"]
        assert "\n" not in row["reason"]
        assert (row["percent_nan"], row["wcs"], row["scale_max"]) == (None, None, None)
    assert rows["infinite"]["percent_nan"] == pytest.approx(100 * 14 * 25 / 3600)


@pytest.mark.parametrize("value", [-1.0, 100.5])
def test_a_percentage_is_from_0_to_100(value):
    """Anything else is an error of the recipe."""
    with pytest.raises(RecipeError, match="max_percent_nan"):
        load_recipe("mingolotss").changed({"stamp.max_percent_nan": value})

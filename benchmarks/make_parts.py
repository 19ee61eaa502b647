"""Write a build of many small stamps: ``make_parts.py OUT [--sources N] [--side PIXELS]``.

The stamps are drawn and stored as the parts of a build, in the order in which a build has them: by
field, and by HEALPix within a field. The catalogue is in random order, as a list of sources by
brightness is. Nothing is planned, read or measured, so a million sources take a minute or two.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy import units as u
from astropy_healpix import lonlat_to_healpix

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import MANIFEST, REPEATED_COLUMNS
from mingolotss.dataset.provenance import Provenance, write_provenance
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import encode_stamp, image_column, stamp_bytes, stamp_schema
from mingolotss.io.parquet import table_writer
from mingolotss.recipe.load import load_recipe

PART = 4096  # sources


def positions(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions like those of LoTSS DR2, deg, and the name of the field of each."""
    ra = rng.uniform(100, 270, n)
    dec = np.degrees(np.arcsin(rng.uniform(np.sin(np.radians(25)), np.sin(np.radians(70)), n)))
    rows = np.floor(dec / 2.6)
    width = 2.6 / np.cos(np.radians((rows + 0.5) * 2.6))
    fields = [
        f"P{column * size:03.0f}+{row * 2.6:02.0f}"
        for column, size, row in zip(np.floor(ra / width), width, rows, strict=True)
    ]
    return ra, dec, np.array(fields)


def draw(n: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return stamps: one or two spots on clipped noise."""
    y, x = np.mgrid[:side, :side] - side / 2
    angle, distance = (
        rng.uniform(0, np.pi, (2, n, 1, 1)) * np.array([1, side / 12])[:, None, None, None]
    )
    dx, dy = distance * np.cos(angle), distance * np.sin(angle)
    spots = sum(
        flux * np.exp(-((x - sign * dx) ** 2 + (y - sign * dy) ** 2) / (side / 16) ** 2)
        for sign, flux in ((1, 255), (-1, rng.uniform(0, 255, (n, 1, 1))))
    )
    noise = rng.normal(0, 12, (n, side, side))
    return np.clip(spots + np.where(noise > 24, noise, 0), 0, 255).astype(np.uint8)


def cards(field: str) -> str:
    """Return the cards of a mosaic."""
    ra, dec = field[1:].split("+")
    return (
        f"WCSAXES = 2\nCTYPE1 = 'RA---SIN'\nCTYPE2 = 'DEC--SIN'\nCRVAL1 = {float(ra)}\n"
        f"CRVAL2 = {float(dec)}\nCDELT1 = -0.000416666666666667\nCDELT2 = 0.000416666666666667\n"
        "CUNIT1 = 'deg'\nCUNIT2 = 'deg'\nRADESYS = 'ICRS'"
    )


def part(rows: np.ndarray, sky: tuple[np.ndarray, ...], side: int, seed: int) -> pa.Table:
    """Return the stamps of one part, with the columns of the manifest."""
    ra, dec, fields = (values[rows] for values in sky)
    rng, n = np.random.default_rng(seed), len(rows)
    images = draw(n, side, rng)
    encoded = [encode_stamp(image) for image in images]
    names, texts = [f"ILTJ{row:09d}" for row in rows], {field: cards(field) for field in {*fields}}
    files = [f"{name}_{field}" for name, field in zip(names, fields, strict=True)]
    peak = rng.lognormal(0, 1, n) * 1e-3
    columns = {
        "row": rows, "source": names, "ra": ra, "dec": dec, "size_arcsec": rng.uniform(6, 120, n),
        "flux_mjy": peak * 2e3, "status": ["written"] * n, "field": fields,
        "map_file": [f"{file}-mosaic.fits" for file in files],
        "image_file": [f"{file}.png" for file in files],
        "case": [0] * n, "separation_arcsec": rng.uniform(0, 1, n), "percent_nan": [0.0] * n,
        "candidates": [1] * n, "recentred": [False] * n, "blank": [False] * n,
        "undecided": [False] * n, "exceeds_stamp": [False] * n, "incomplete": [False] * n,
        "noise_jy": rng.uniform(6e-5, 9e-5, n), "peak_jy": peak, "pixel_scale_arcsec": [1.5] * n,
        "split": np.where(rows % 5 == 4, "test", "train"),
        "pixels_sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
        "percent_nan_cutout": [0.0] * n, "noise_method": ["rms-map"] * n, "unit": ["JY/BEAM"] * n,
        "frequency_mhz": [143.65] * n, "beam_major_arcsec": [6.0] * n,
        "beam_minor_arcsec": [6.0] * n, "beam_pa_deg": [90.0] * n, "telescope": ["LOFAR"] * n,
        "survey": ["LoTSS DR2"] * n, "wcs": [texts[field] for field in fields],
        "crpix1": rng.uniform(-9e3, 9e3, n), "crpix2": rng.uniform(-9e3, 9e3, n),
        "wcs_error_arcsec": [0.0] * n, "scaling": ["linear"] * n, "scale_min": [0.0] * n,
        "scale_max": peak,
    }  # fmt: skip
    arrays = [
        pa.array(columns[field.name]).cast(field.type)
        if field.name in columns
        else pa.nulls(n, field.type)
        for field in MANIFEST
    ]
    schema = stamp_schema(StampShape())
    files = arrays[MANIFEST.names.index("image_file")]
    return pa.Table.from_arrays(
        [image_column(StampShape(), encoded, files), *arrays], schema=schema
    )


def main(out: Path, sources: int, side: int) -> None:
    """Write the recipe, the parts and the manifest."""
    folder = BuildFolder(out)
    folder.stamps.mkdir(parents=True)
    sky = positions(sources, np.random.default_rng(0))
    ra, dec, fields = sky
    order = np.lexsort((dec, fields))
    pixel = lonlat_to_healpix(ra * u.deg, dec * u.deg, 2048, order="nested")
    tables = []
    for number, start in enumerate(range(0, sources, PART)):
        rows = order[start : start + PART]
        rows = rows[np.lexsort((pixel[rows], fields[rows]))]
        table = part(rows, sky, side, number)
        folder.part_stamps(number).write_bytes(stamp_bytes(table))
        tables.append(table.drop_columns(["image"]))
    manifest = pa.concat_tables(tables)
    with table_writer(
        folder.manifest, manifest.schema, repeated_columns=REPEATED_COLUMNS
    ) as writer:
        writer.write_table(manifest.sort_by("row"))
    text = f'extends = "lotss"\nname = "small-stamps"\n[stamp]\npixels = {side}\n'
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        recipe = load_recipe(Path(file.name))
    write_provenance(out, Provenance(recipe, "list.parquet", "0" * 64, "mosaics", sources, 0, ()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=32, help="of a stamp, px")
    arguments = parser.parse_args()
    main(arguments.out, arguments.sources, arguments.side)

"""The catalogue of a simulated sky, with the columns of the published one, and its truth table."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

from mingolotss.simulate.classes import draw_shape
from mingolotss.simulate.layout import predict_cutouts
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.mosaic import galaxy_rng
from mingolotss.simulate.place import Galaxy, Sky
from mingolotss.simulate.population import CLASSES, FLAGS
from mingolotss.simulate.visible import VisibleSky

__all__ = ["source_name", "write_catalogue", "write_point_sources", "write_truth"]


def source_name(ra: float, dec: float) -> str:
    """Return the LOFAR name of a position in degrees, truncated as the IAU requires.

    >>> source_name(161.0675996198537, 52.67702739650525)
    'ILTJ104416.22+524037.2'
    """
    hundredths = int(ra % 360 / 15 * 360000)
    tenths = int(abs(dec) * 36000)
    hours, minutes = divmod(hundredths // 6000, 60)
    degrees, arcmin = divmod(tenths // 600, 60)
    clock = f"{hours:02d}{minutes:02d}{hundredths % 6000 / 100:05.2f}"
    return f"ILTJ{clock}{'-' if dec < 0 else '+'}{degrees:02d}{arcmin:02d}{tenths % 600 / 10:04.1f}"


def write_catalogue(path: Path, galaxies: list[Galaxy]) -> None:
    """Write the catalogue with the columns of the published one (Mingo et al. 2019)."""
    names = np.array([source_name(g.ra, g.dec) for g in galaxies], "S22")
    columns = [
        fits.Column("Source_Name", "22A", array=names),
        fits.Column("RA", "D", array=np.array([g.ra for g in galaxies])),
        fits.Column("DEC", "D", array=np.array([g.dec for g in galaxies])),
        fits.Column(
            "LM_dec_size", "D", "arcsec", array=np.array([g.size_arcsec for g in galaxies])
        ),
        fits.Column("LM_Flux", "D", "mJy", array=np.array([g.flux_mjy for g in galaxies])),
    ]
    for flag in FLAGS:
        values = np.array([flag in CLASSES[g.kind].flags for g in galaxies])
        columns.append(fits.Column(flag, "L", array=values))
    table = fits.BinTableHDU.from_columns(columns, name="Joined")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)


def write_truth(path: Path, model: SkyModel, sky: Sky, visible: VisibleSky | None = None) -> None:
    """Write the properties of every source, one row per row of the catalogue and in its order.

    Parameters
    ----------
    path : Path
    model : SkyModel
    sky : Sky
    visible : VisibleSky, optional
        What an observation sees: adds the spectral index, and the flux that it sees in its unit.
    """
    galaxies = sky.galaxies
    ra, dec = np.array([g.ra for g in galaxies]), np.array([g.dec for g in galaxies])
    covered = predict_cutouts(sky.fields, ra, dec).covered
    bends = [draw_shape(g.kind, galaxy_rng(model, g)).bend for g in galaxies]
    names = [f.name for f in sky.fields]
    columns = {
        "source": [source_name(g.ra, g.dec) for g in galaxies],
        "label": pa.array([list(CLASSES).index(g.kind) for g in galaxies], pa.int8()),
        "class": [g.kind for g in galaxies],
        "ra": ra,
        "dec": dec,
        "size_arcsec": [g.size_arcsec for g in galaxies],
        "flux_mjy": [g.flux_mjy for g in galaxies],
        "pa_deg": [g.pa_deg for g in galaxies],
        "bend_deg": bends,
        "fields": [[n for n, h in zip(names, column, strict=True) if h] for column in covered.T],
        "edge_case": [g.edge_case for g in galaxies],
    }
    if visible is not None:
        columns["spectral_index"] = visible.spectral_index
        columns["observed_flux"] = visible.flux
        columns["observed_unit"] = [visible.unit] * len(galaxies)
    pq.write_table(pa.table(columns), path)


def write_point_sources(path: Path, visible: VisibleSky) -> None:
    """Write position and flux of the point sources that an observation sees."""
    columns = {
        "ra": visible.points_ra,
        "dec": visible.points_dec,
        "observed_flux": visible.points_flux,
        "observed_unit": [visible.unit] * len(visible.points_ra),
    }
    pq.write_table(pa.table(columns), path)

"""A simulated sky on disk: mosaics, catalogue, truth and the model that made them.

``sky.json`` is written first as unfinished and last as finished, so that a sky killed half-way is
made again and a finished one is used again.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

from mingolotss.errors import DatasetError
from mingolotss.simulate.classes import draw_shape
from mingolotss.simulate.draw import Image
from mingolotss.simulate.layout import Field, view
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.mosaic import draw_field, galaxy_rng
from mingolotss.simulate.place import Galaxy, Sky, fill_sky
from mingolotss.simulate.population import CLASSES, FLAGS

__all__ = ["source_name", "write_sky"]

_FORMAT = 1  # raise it when the same model gives other bytes


def write_sky(model: SkyModel, out: Path) -> Path:
    """Write a simulated sky into a folder, unless it is there already.

    Parameters
    ----------
    model : SkyModel
    out : Path
        Made if it is missing. Mosaics of an earlier sky in it are replaced.

    Returns
    -------
    Path
        The folder, with ``FIELD-mosaic.fits`` and ``FIELD-mosaic-rms.fits`` for every field,
        ``catalogue.fits``, ``truth.parquet`` and ``sky.json``.

    Raises
    ------
    DatasetError
        When the folder holds mosaics that no simulated sky wrote.
    """
    out = Path(out)
    before = _recorded(out)
    if _is_finished(out, before, model):
        return out
    _refuse_strangers(out, before)
    sky = fill_sky(model)
    files = ["catalogue.fits", "truth.parquet"]
    files += [f"{f.name}-{kind}.fits" for f in sky.fields for kind in ("mosaic", "mosaic-rms")]
    out.mkdir(parents=True, exist_ok=True)
    old = sorted(set(before.get("files", [])) - set(files))
    _record(out, model, files + old, finished=False)
    for name in old:
        (out / name).unlink(missing_ok=True)
    for index, field in enumerate(sky.fields):
        image, rms = draw_field(model, sky, index)
        _write_image(out / f"{field.name}-mosaic.fits", image, model, field)
        _write_image(out / f"{field.name}-mosaic-rms.fits", rms, model, field)
    _write_catalogue(out / "catalogue.fits", sky.galaxies)
    _write_truth(out / "truth.parquet", model, sky)
    _record(out, model, files, finished=True)
    return out


def source_name(ra: float, dec: float) -> str:
    """Return the LOFAR name of a position in degrees, truncated as the IAU wants it.

    >>> source_name(161.0675996198537, 52.67702739650525)
    'ILTJ104416.22+524037.2'
    """
    hundredths = int(ra % 360 / 15 * 360000)
    tenths = int(abs(dec) * 36000)
    hours, minutes = divmod(hundredths // 6000, 60)
    degrees, arcmin = divmod(tenths // 600, 60)
    clock = f"{hours:02d}{minutes:02d}{hundredths % 6000 / 100:05.2f}"
    return f"ILTJ{clock}{'-' if dec < 0 else '+'}{degrees:02d}{arcmin:02d}{tenths % 600 / 10:04.1f}"


def _made(model: SkyModel) -> dict[str, Any]:
    """Return what identifies a sky."""
    return {"format": _FORMAT, "model": model.as_dict()}


def _is_finished(out: Path, before: dict[str, Any], model: SkyModel) -> bool:
    """Say whether the folder holds this very sky, whole."""
    same = all(before.get(key) == value for key, value in _made(model).items())
    return bool(
        same and before.get("finished") and all((out / name).is_file() for name in before["files"])
    )


def _recorded(out: Path) -> dict[str, Any]:
    """Return what ``sky.json`` says, empty where there is none or it is damaged."""
    try:
        found = json.loads((out / "sky.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _refuse_strangers(out: Path, before: dict[str, Any]) -> None:
    """Leave a folder of somebody's mosaics alone."""
    known = before.get("files", [])
    for path in sorted(out.glob("*-mosaic*.fits")):
        if path.name not in known:
            raise DatasetError(
                f"write a simulated sky into {out}: {path.name} is there and was not simulated; "
                "choose another folder"
            )


def _record(out: Path, model: SkyModel, files: list[str], *, finished: bool) -> None:
    """Write ``sky.json``."""
    record = {
        **_made(model),
        "finished": finished,
        "files": sorted(files),
    }
    text = json.dumps(record, indent=1) + "\n"
    _replace(out / "sky.json", lambda path: path.write_text(text, encoding="utf-8"))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and rename it into it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_image(path: Path, image: Image, model: SkyModel, field: Field) -> None:
    """Write one mosaic with a header as LoTSS has it."""
    header = fits.Header()
    middle, step = field.side // 2 + 1.0, model.pixel_arcsec / 3600
    cards: list[tuple[str, object, str]] = [
        ("WCSAXES", 2, "Number of coordinate axes"),
        ("CRPIX1", middle, "Pixel coordinate of reference point"),
        ("CRPIX2", middle, "Pixel coordinate of reference point"),
        ("CDELT1", -step, "[deg] Coordinate increment at reference point"),
        ("CDELT2", step, "[deg] Coordinate increment at reference point"),
        ("CUNIT1", "deg", "Units of coordinate increment and value"),
        ("CUNIT2", "deg", "Units of coordinate increment and value"),
        ("CTYPE1", "RA---SIN", "Right ascension, orthographic/synthesis project"),
        ("CTYPE2", "DEC--SIN", "Declination, orthographic/synthesis projection"),
        ("CRVAL1", field.ra, "[deg] Coordinate value at reference point"),
        ("CRVAL2", field.dec, "[deg] Coordinate value at reference point"),
        ("LONPOLE", 180.0, "[deg] Native longitude of celestial pole"),
        ("LATPOLE", field.dec, "[deg] Native latitude of celestial pole"),
        ("RADESYS", "ICRS", "Equatorial coordinate system"),
        ("EQUINOX", 2000.0, ""),
        ("BMAJ", model.beam_arcsec / 3600, "[deg]"),
        ("BMIN", model.beam_arcsec / 3600, "[deg]"),
        ("BPA", 90.0, "[deg]"),
        ("RESTFRQ", 143650000.0, "[Hz] Line rest frequency"),
        ("TELESCOP", "LOFAR", "imitated: this sky is simulated"),
        ("OBSERVER", "LoTSS", "imitated: this sky is simulated"),
        ("BUNIT", "JY/BEAM", ""),
        ("BTYPE", "Intensity", ""),
        ("OBJECT", field.name, ""),
        ("ORIGIN", "mingolotss simulate", ""),
    ]
    header.extend(cards)
    _replace(path, fits.PrimaryHDU(image, header).writeto)


def _write_catalogue(path: Path, galaxies: list[Galaxy]) -> None:
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
    _replace(path, fits.HDUList([fits.PrimaryHDU(), table]).writeto)


def _write_truth(path: Path, model: SkyModel, sky: Sky) -> None:
    """Write what was drawn, one row per catalogue row and in its order."""
    galaxies = sky.galaxies
    ra, dec = np.array([g.ra for g in galaxies]), np.array([g.dec for g in galaxies])
    held = view(sky.fields, ra, dec).held
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
        "fields": [[n for n, h in zip(names, column, strict=True) if h] for column in held.T],
        "edge_case": [g.edge_case for g in galaxies],
    }
    _replace(path, lambda part: pq.write_table(pa.table(columns), part))

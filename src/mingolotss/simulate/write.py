"""Write a simulated sky: its mosaics, its catalogue, its truth table and its model.

``sky.json`` is written first, marked as unfinished, and again at the end, marked as finished. An
interrupted sky is drawn again, and a finished one is used as it is.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from astropy.io import fits

from mingolotss.errors import DatasetError
from mingolotss.io.documents import parse_json
from mingolotss.io.files import atomic_path
from mingolotss.simulate.draw import Image
from mingolotss.simulate.folder import SkyFolder
from mingolotss.simulate.layout import Field
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.mosaic import draw_field
from mingolotss.simulate.place import populate_sky
from mingolotss.simulate.tables import write_catalogue, write_truth
from mingolotss.sky.header_facts import SIMULATED, SIMULATED_ORIGIN

__all__ = ["write_sky"]

_FORMAT = 1  # to be increased when the same model gives other bytes


class _Record(TypedDict, total=False):
    """The content of ``sky.json``."""

    format: int
    model: dict[str, int | float | bool]
    finished: bool
    files: list[str]


def write_sky(model: SkyModel, out: Path) -> Path:
    """Write a simulated sky into a folder, unless it is already there.

    Parameters
    ----------
    model : SkyModel
    out : Path
        Created if it is missing. The mosaics of an earlier sky in it are replaced.

    Returns
    -------
    Path
        The folder, with ``FIELD-mosaic.fits`` and ``FIELD-mosaic-rms.fits`` for every field,
        ``catalogue.fits``, ``truth.parquet`` and ``sky.json``.

    Raises
    ------
    DatasetError
        The folder has mosaics that are not those of a simulated sky.
    """
    out = Path(out)
    folder = SkyFolder(out)
    before = _read_record(out)
    if _is_finished(out, before, model):
        return out
    _check_foreign_mosaics(out, before)
    sky = populate_sky(model)
    paths = [folder.catalogue, folder.truth]
    for field in sky.fields:
        paths += [folder.mosaic(field.name), folder.rms(field.name)]
    files = [path.name for path in paths]
    # Before the first change the record names all files, old and new, and says that they are not
    # finished. After an interruption the next run knows by it which mosaics are simulated and may
    # be replaced.
    old = sorted(set(before.get("files", [])) - set(files))
    _write_record(out, model, files + old, finished=False)
    for name in old:
        (out / name).unlink(missing_ok=True)
    for index, field in enumerate(sky.fields):
        image, rms = draw_field(model, sky, index)
        _write_image(folder.mosaic(field.name), image, model, field)
        _write_image(folder.rms(field.name), rms, model, field)
    _replace(folder.catalogue, lambda path: write_catalogue(path, sky.galaxies))
    _replace(folder.truth, lambda path: write_truth(path, model, sky))
    _write_record(out, model, files, finished=True)
    return out


def _is_finished(out: Path, before: _Record, model: SkyModel) -> bool:
    """Return whether the folder has this sky, complete."""
    is_same = (before.get("format"), before.get("model")) == (_FORMAT, model.as_dict())
    is_finished = is_same and before.get("finished", False)
    return is_finished and all((out / name).is_file() for name in before["files"])


def _read_record(out: Path) -> _Record:
    """Return the content of ``sky.json``; empty if it is missing or damaged."""
    try:
        record: _Record = parse_json(SkyFolder(out).record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _check_foreign_mosaics(out: Path, before: _Record) -> None:
    """Refuse a folder with mosaics that were not simulated."""
    known = before.get("files", [])
    for path in sorted(out.glob("*-mosaic*.fits")):
        if path.name not in known:
            raise DatasetError(
                f"write a simulated sky into {out}: {path.name} is there and was not simulated; "
                "choose another folder"
            )


def _write_record(out: Path, model: SkyModel, files: list[str], *, finished: bool) -> None:
    """Write ``sky.json``."""
    record: _Record = {
        "format": _FORMAT,
        "model": model.as_dict(),
        "finished": finished,
        "files": sorted(files),
    }
    text = json.dumps(record, indent=1) + "\n"
    _replace(SkyFolder(out).record, lambda path: path.write_text(text, encoding="utf-8"))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, and rename it."""
    with atomic_path(path) as temporary:
        write(temporary)


def _write_image(path: Path, image: Image, model: SkyModel, field: Field) -> None:
    """Write one mosaic with a header like those of LoTSS."""
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
        ("TELESCOP", SIMULATED, "LOFAR is imitated"),
        ("OBSERVER", SIMULATED, "LoTSS is imitated"),
        ("BUNIT", "JY/BEAM", ""),
        ("BTYPE", "Intensity", ""),
        ("OBJECT", field.name, ""),
        ("ORIGIN", SIMULATED_ORIGIN, ""),
    ]
    header.extend(cards)
    _replace(path, fits.PrimaryHDU(image, header).writeto)

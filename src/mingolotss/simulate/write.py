"""A simulated sky on disk: mosaics, catalogue, truth and the model that made them.

``sky.json`` is written first as unfinished and last as finished, so that a sky killed half-way is
made again and a finished one is used again.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from astropy.io import fits

from mingolotss.errors import DatasetError
from mingolotss.io.files import atomic_path
from mingolotss.simulate.draw import Image
from mingolotss.simulate.folder import SkyFolder
from mingolotss.simulate.layout import Field
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.mosaic import draw_field
from mingolotss.simulate.place import fill_sky
from mingolotss.simulate.tables import write_catalogue, write_truth

__all__ = ["write_sky"]

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
    folder = SkyFolder(out)
    before = _recorded(out)
    if _is_finished(out, before, model):
        return out
    _refuse_strangers(out, before)
    sky = fill_sky(model)
    paths = [folder.catalogue, folder.truth]
    for field in sky.fields:
        paths += [folder.mosaic(field.name), folder.rms(field.name)]
    files = [path.name for path in paths]
    out.mkdir(parents=True, exist_ok=True)
    old = sorted(set(before.get("files", [])) - set(files))
    _record(out, model, files + old, finished=False)
    for name in old:
        (out / name).unlink(missing_ok=True)
    for index, field in enumerate(sky.fields):
        image, rms = draw_field(model, sky, index)
        _write_image(folder.mosaic(field.name), image, model, field)
        _write_image(folder.rms(field.name), rms, model, field)
    _replace(folder.catalogue, lambda path: write_catalogue(path, sky.galaxies))
    _replace(folder.truth, lambda path: write_truth(path, model, sky))
    _record(out, model, files, finished=True)
    return out


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
        found = json.loads(SkyFolder(out).record.read_text(encoding="utf-8"))
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
    _replace(SkyFolder(out).record, lambda path: path.write_text(text, encoding="utf-8"))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and rename it into it."""
    with atomic_path(path) as beside:
        write(beside)


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

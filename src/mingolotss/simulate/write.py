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
from mingolotss.simulate.components import write_components
from mingolotss.simulate.draw import Image
from mingolotss.simulate.folder import SkyFolder
from mingolotss.simulate.headers import lotss_header, observation_header
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.mosaic import draw_field
from mingolotss.simulate.observation import Observation
from mingolotss.simulate.observed import draw_observation, observed_field
from mingolotss.simulate.place import Sky, populate_sky
from mingolotss.simulate.tables import write_catalogue, write_point_sources, write_truth
from mingolotss.simulate.visible import visible_sky

__all__ = ["write_sky"]

_FORMAT = 2  # to be increased when the same model gives other bytes


class _Record(TypedDict, total=False):
    """The content of ``sky.json``."""

    format: int
    model: dict[str, int | float | bool]
    observation: dict[str, object]
    finished: bool
    files: list[str]


def write_sky(
    model: SkyModel,
    out: Path,
    observation: Observation | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Write a simulated sky into a folder, unless it is already there.

    Parameters
    ----------
    model : SkyModel
        The settings.
    out : Path
        Created if it is missing. The mosaics of an earlier sky in it are replaced.
    observation : Observation, optional
        How the sky is observed; the same model gives the same sources. By default as LoTSS, with
        artefacts near bright sources.
    progress : callable, optional
        Called before each field, and after the last one, with the number of fields that are drawn
        and that of all; not called if the sky is already there.

    Returns
    -------
    Path
        The folder, with ``FIELD-mosaic.fits`` and ``FIELD-mosaic-rms.fits`` for every field,
        ``catalogue.fits``, ``components.fits``, ``truth.parquet`` and ``sky.json``. With an
        observation also ``point-sources.parquet``, and without components and rms maps if it is
        optical.

    Raises
    ------
    DatasetError
        The folder has mosaics that are not those of a simulated sky.

    Examples
    --------
    >>> from pathlib import Path
    >>> import mingolotss
    >>> from mingolotss.simulate import SkyModel, write_sky
    >>> sky = write_sky(SkyModel(seed=3, sources=12, edge_cases=False), Path("small-sky"))
    >>> (sky / "catalogue.fits").exists()
    True
    """
    out = Path(out)
    folder = SkyFolder(out)
    before = _read_record(out)
    record = _Record(format=_FORMAT, model=model.as_dict())
    if observation is not None:
        record["observation"] = observation.as_dict()
    if _is_finished(out, before, record):
        return out
    _check_foreign_mosaics(out, before)
    sky = populate_sky(model)
    visible = None if observation is None else visible_sky(model, sky, observation)
    paths = _paths(folder, sky, observation)
    files = [path.name for path in paths]
    # Before the first change the record names all files, old and new, and says that they are not
    # finished. After an interruption the next run knows by it which mosaics are simulated and may
    # be replaced.
    old = sorted(set(before.get("files", [])) - set(files))
    _write_record(out, record, files + old, finished=False)
    for name in old:
        (out / name).unlink(missing_ok=True)
    rms: Image | None
    notify = progress or _tell_nobody
    for index, field in enumerate(sky.fields):
        notify(index, len(sky.fields))
        if visible is None:
            image, rms = draw_field(model, sky, index)
            header = lotss_header(model, field)
        else:
            grid = observed_field(field, visible.observation)
            image, rms = draw_observation(visible, grid, index)
            header = observation_header(visible.observation, grid)
        _write_image(folder.mosaic(field.name), image, header)
        if rms is not None:
            _write_image(folder.rms(field.name), rms, header)
    notify(len(sky.fields), len(sky.fields))
    _replace(folder.catalogue, lambda path: write_catalogue(path, sky.galaxies))
    _replace(folder.truth, lambda path: write_truth(path, model, sky, visible))
    if folder.components in paths:
        _replace(folder.components, lambda path: write_components(path, model, sky, visible))
    if visible is not None:
        _replace(folder.point_sources, lambda path: write_point_sources(path, visible))
    _write_record(out, record, files, finished=True)
    return out


def _tell_nobody(done: int, total: int) -> None:
    """Ignore the progress."""


def _paths(folder: SkyFolder, sky: Sky, observation: Observation | None) -> list[Path]:
    """Return the files of a sky, without its record."""
    paths = [folder.catalogue, folder.truth]
    if observation is None or not observation.is_optical:
        paths.append(folder.components)
    if observation is not None:
        paths.append(folder.point_sources)
    for field in sky.fields:
        paths.append(folder.mosaic(field.name))
        if observation is None or not observation.is_optical:
            paths.append(folder.rms(field.name))
    return paths


def _is_finished(out: Path, before: _Record, record: _Record) -> bool:
    """Return whether the folder has this sky, complete."""
    is_same = all(before.get(key) == record.get(key) for key in ("format", "model", "observation"))
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


def _write_record(out: Path, record: _Record, files: list[str], *, finished: bool) -> None:
    """Write ``sky.json``."""
    complete: _Record = {**record, "finished": finished, "files": sorted(files)}
    text = json.dumps(complete, indent=1) + "\n"
    _replace(
        SkyFolder(out).record,
        lambda path: path.write_text(text, encoding="utf-8", newline="\n"),
    )


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, and rename it."""
    with atomic_path(path) as temporary:
        write(temporary)


def _write_image(path: Path, image: Image, header: fits.Header) -> None:
    """Write one mosaic."""
    _replace(path, fits.PrimaryHDU(image, header).writeto)

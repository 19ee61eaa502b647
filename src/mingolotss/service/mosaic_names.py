"""Which files of a folder are mosaics, and which field each mosaic shows.

Two layouts are known: ``FIELD-mosaic.fits`` with ``FIELD-mosaic-rms.fits`` beside it, and that of
LoTSS DR2, ``FIELD/mosaic-blanked.fits`` with ``FIELD/mosaic.rms.fits``. Upper and lower case, the
other extensions of FITS, gzip and fpack are all accepted.

>>> pair_mosaics(["a/P1-mosaic.fits", "a/P1-mosaic-rms.fits", "a/P2/mosaic-blanked.fits"])
{'P1': ('a/P1-mosaic.fits', 'a/P1-mosaic-rms.fits'), 'P2': ('a/P2/mosaic-blanked.fits', '')}
>>> list(pair_mosaics(["a/e1/T01-mosaic.fits", "a/e2/T01-mosaic.fits"], root="a"))
['e1/T01', 'e2/T01']
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mingolotss.service.fits_names import (
    FitsName,
    PassedOver,
    distinct_names,
    is_hidden,
    preferred_files,
    split_suffix,
)

__all__ = ["MOSAIC_NAMES", "is_mosaic_name", "pair_mosaics"]

MOSAIC_NAMES = "FIELD-mosaic.fits and FIELD/mosaic-blanked.fits"
"""The names of mosaics, for messages."""

_MOSAIC, _RMS = "-mosaic", "-mosaic-rms"
_OTHER_PRODUCTS = ("-low-mosaic", "-residual-mosaic")
_RELEASE, _RELEASE_RMS = "mosaic-blanked", ("mosaic.rms", "mosaic-rms")
_NOT_A_MOSAIC = f"not named as a mosaic ({MOSAIC_NAMES})"


class _Key(NamedTuple):
    """What an image and its rms map have in common: the folder, the field and the layout."""

    folder: str
    field: str
    is_release: bool


class _File(NamedTuple):
    path: str
    name: FitsName


def pair_mosaics(
    paths: Iterable[str], root: str = "", passed_over: PassedOver | None = None
) -> dict[str, tuple[str, str]]:
    """Return (image, rms map or "") of every field, from the paths of the files.

    A field is called as its file is, with ``+`` for each ``_``. Fields of which this is not true
    alone (``P1+50`` and ``P1_50``, or one name in two folders) are called exactly as their files
    are, if necessary with the folder.

    Parameters
    ----------
    paths : iterable of str
    root : str
        The folder of all of them, which is left out of the names of fields.
    passed_over : PassedOver, optional
        Receives the files that are not used.
    """
    passed_over = PassedOver() if passed_over is None else passed_over
    images: dict[_Key, list[_File]] = {}
    rms_maps: dict[_Key, list[_File]] = {}
    others: list[tuple[_Key, str]] = []
    for path in sorted(paths):
        folder, _, file = path.rpartition("/")
        name = None if is_hidden(file) else split_suffix(file)
        if name is None:
            continue
        key, is_rms = _interpret(folder, name.stem)
        if key is not None:
            (rms_maps if is_rms else images).setdefault(key, []).append(_File(path, name))
        elif name.stem.lower().endswith(_OTHER_PRODUCTS):
            others.append((_Key(folder, _main_field(name.stem), is_release=False), path))
        else:
            passed_over.add(_relative(path, root), _NOT_A_MOSAIC)
    pairs: list[tuple[str, str]] = []
    spellings: list[tuple[str, ...]] = []
    for key, files in images.items():
        originals = _without_copies(files, root, passed_over)
        for image in originals:
            like = image if len(originals) > 1 else None
            rms = _rms_path(rms_maps.get(key, []), like, root, passed_over)
            pairs.append((image.path, rms))
            spellings.append(_spellings(key, image, root))
    without_image = [
        *((key, path, "named as another product of a mosaic that is not there")
          for key, path in others),
        *((key, file.path, "an rms map without the image of its field")
          for key, files in rms_maps.items() for file in files),
    ]  # fmt: skip
    for key, path, reason in without_image:
        if key not in images:
            passed_over.add(_relative(path, root), reason)
    names = distinct_names(spellings)
    return dict(sorted(zip(names, pairs, strict=True)))


def is_mosaic_name(path: str) -> bool:
    """Return whether a path is that of a mosaic or of an rms map, by its name."""
    folder, _, file = path.rpartition("/")
    name = None if is_hidden(file) else split_suffix(file)
    return name is not None and _interpret(folder, name.stem)[0] is not None


def _interpret(folder: str, stem: str) -> tuple[_Key | None, bool]:
    """Return what a file shows, None if it is not a mosaic, and whether it is an rms map."""
    lower = stem.lower()
    field_of_folder = folder.rpartition("/")[2]
    if lower == _RELEASE:
        return _Key(folder, field_of_folder, is_release=True), False
    if lower in _RELEASE_RMS:
        return _Key(folder, field_of_folder, is_release=True), True
    if lower.endswith(_RMS):
        return _Key(folder, stem[: -len(_RMS)], is_release=False), True
    if lower.endswith(_MOSAIC) and not lower.endswith(_OTHER_PRODUCTS):
        return _Key(folder, stem[: -len(_MOSAIC)], is_release=False), False
    return None, False


def _main_field(stem: str) -> str:
    """Return the field of the mosaic that another product belongs to."""
    for product in ("-mosaic", "-residual", "-low"):
        if stem.lower().endswith(product):
            stem = stem[: -len(product)]
    return stem


def _without_copies(files: Sequence[_File], root: str, passed_over: PassedOver) -> list[_File]:
    """Return the files of one image without compressed copies."""
    by_path = {file.path: file for file in files}
    originals, copies = preferred_files(files)
    for path in copies:
        passed_over.add(_relative(path, root), "a compressed copy of a file that is used")
    return [by_path[path] for path in originals]


def _rms_path(
    files: Sequence[_File], like: _File | None, root: str, passed_over: PassedOver
) -> str:
    """Return the rms map of an image, "" if it has none.

    Parameters
    ----------
    files : sequence of _File
        The rms maps of the field in one folder.
    like : _File or None
        The image if there are several of the same field in this folder, as ``P1-mosaic.fits`` and
        ``P1-mosaic.FITS``. Only an rms map that is spelled like the image is its own then.
    """
    if like is not None:
        files = [
            file for file in files
            if file.name.suffix == like.name.suffix and file.name.stem.startswith(like.name.stem)
        ]  # fmt: skip
    if not files:
        return ""
    # `mosaic.rms` comes before `mosaic-rms`, and a plain file before its compressed copy.
    stems = sorted({file.name.stem for file in files}, key=lambda stem: ("." not in stem, stem))
    of_first_stem = [file for file in files if file.name.stem == stems[0]]
    rms_map, *others = _without_copies(of_first_stem, root, passed_over)
    others += [file for file in files if file.name.stem != stems[0]]
    for other in others:
        reason = f"another rms map of the same image is used, {_relative(rms_map.path, root)}"
        passed_over.add(_relative(other.path, root), reason)
    return rms_map.path


def _spellings(key: _Key, file: _File, root: str) -> tuple[str, ...]:
    """Return the names of a field, from the usual one to the path of the file."""
    folder, path = _relative(key.folder, root), _relative(file.path, root)
    with_folder = folder if key.is_release else f"{folder}/{key.field}" if folder else key.field
    return (
        key.field.replace("_", "+"),
        key.field,
        with_folder or key.field,
        path.removesuffix(file.name.suffix),
        path,
    )


def _relative(path: str, root: str) -> str:
    """Return a path as seen from `root`."""
    return "" if path == root else path.removeprefix(f"{root}/") if root else path

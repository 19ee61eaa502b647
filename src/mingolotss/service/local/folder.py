"""Cutouts that are on disk already, one file a source and field.

Files are matched to sources by their whole name: ``SOURCE_FIELD-mosaic.fits``, with its rms map
``SOURCE_FIELD-mosaic-rms.fits`` beside it. The naming is the recipe's, and may have no field.

>>> split_name("A_1_P164_55-mosaic.fits", "_", "-mosaic.fits", {"A_1", "A"})
('A_1', 'P164+55')
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from mingolotss.candidates.cutouts import Outcome
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, InputError, RecipeError
from mingolotss.io.files import safe_name
from mingolotss.io.fits import read_image
from mingolotss.model import Candidate, Cutout
from mingolotss.service.base import CutoutRequest, Naming

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

__all__ = ["FolderService", "read_cutout", "split_name"]

_PACKED = ("", ".gz", ".fz")


def split_name(
    file: str, between: str, end: str, sources: Container[str]
) -> tuple[str, str] | None:
    """Return (source, field) of a file name, or None if it is no source's.

    The longest source that fits wins, so a name that begins with another's is not taken for it.
    ``_`` in a field stands for ``+``.
    """
    for packed in _PACKED:
        if not file.endswith(end + packed):
            continue
        stem = file[: len(file) - len(end + packed)]
        if not between:
            return (stem, "") if stem in sources else None
        at = stem.rfind(between)
        while at > 0:
            if stem[:at] in sources:
                return stem[:at], stem[at + len(between) :].replace("_", "+")
            at = stem.rfind(between, 0, at)
    return None


def read_cutout(candidate: Candidate) -> Cutout:
    """Read a candidate's files whole.

    Raises
    ------
    ImageError
        A file is missing or cannot be used, or the two do not have the same shape.
    """
    image = read_image(Path(candidate.image))
    rms, rms_sha256 = None, ""
    if candidate.rms:
        found = read_image(Path(candidate.rms))
        rms, rms_sha256 = found.data, found.sha256
        if rms.shape != image.data.shape:
            raise ImageError(
                f"read {candidate.rms}: the rms map is {rms.shape[1]} x {rms.shape[0]} pixels, "
                f"its image {image.data.shape[1]} x {image.data.shape[0]}; fetch both again",
                path=candidate.rms,
            )
    return Cutout(image.data, rms, image.wcs(), (0, 0), image.sha256, rms_sha256)


class FolderService:
    """FITS cutouts in one folder.

    Parameters
    ----------
    folder : Path
    naming : Naming
        How the files are named.
    """

    def __init__(self, folder: Path, naming: Naming | None = None) -> None:
        self.folder = Path(folder)
        self.naming = naming or Naming()
        before, _, rest = self.naming.image.partition("{source}")
        between, field, end = rest.partition("{field}")
        if before or not rest.endswith(".fits") or (field and not between):
            raise RecipeError(
                f"images.image = {self.naming.image!r}: expected '{{source}}' first, then "
                "optionally a separator and '{field}', and '.fits' at the end"
            )
        self._between, self._end = (between, end) if field else ("", rest)
        self._start = str(self.folder / "x")[:-1]  # of every path: joined as text, 5 us less each
        if not self.folder.is_dir():
            raise InputError(f"open the folder {self.folder}: there is no such folder")

    @classmethod
    def open(cls, argument: str, *, naming: Naming, **_: Any) -> FolderService:
        """Open ``folder:DIR``."""
        if not argument:
            raise InputError("open the service folder: give the folder, folder:DIR")
        return cls(Path(argument), naming)

    @cached_property
    def files(self) -> frozenset[str]:
        """Return the names of the FITS files in the folder."""
        ends = tuple(".fits" + packed for packed in _PACKED)
        found = frozenset(e.name for e in os.scandir(self.folder) if e.name.endswith(ends))
        if not found:
            raise InputError(f"open the folder {self.folder}: there is no FITS file in it")
        return found

    def image_names(self) -> list[str]:
        """Return the source part of every image's name, for catalogues made from names."""
        stems = (
            f[: -len(self._end + p)] for f in self.files for p in _PACKED
            if f.endswith(self._end + p) and not self._is_rms(f)
        )  # fmt: skip
        return sorted({stem.split(self._between)[0] if self._between else stem for stem in stems})

    def search_all(self, catalogue: Catalogue, size_deg: float) -> list[list[Candidate]]:
        """Return the files of every source; `size_deg` is what the files are."""
        rows = {safe_name(name): row for name, row in catalogue.row_of.items()}
        found: list[list[Candidate]] = [[] for _ in range(len(catalogue))]
        for file in sorted(self.files):
            parts = split_name(file, self._between, self._end, rows)
            if parts is None or parts[1].endswith(self.naming.ignore):
                continue
            row = rows[parts[0]]
            if parts[1] not in {one.field for one in found[row]}:  # not x.fits and x.fits.gz
                found[row].append(self._candidate(file, *parts, catalogue.names[row]))
        if not any(found):
            example = min(self.files)
            raise InputError(
                f"search the folder {self.folder}: none of its {len(self.files)} FITS files is "
                f"named {self.naming.image} for a source of the catalogue (found {example!r}, "
                f"the catalogue begins with {catalogue.names[0]!r})"
            )
        return [sorted(candidates, key=lambda c: c.field) for candidates in found]

    def search(self, position: SkyCoord, size: Quantity) -> list[Candidate]:
        """Return the images whose footprint holds a position, by their WCS."""
        found = []
        for file, (wcs, shape) in self._footprints.items():
            x, y = wcs.to_pixel(position.icrs.ra.deg, position.icrs.dec.deg)
            inside = -0.5 <= float(x) < shape[1] - 0.5 and -0.5 <= float(y) < shape[0] - 0.5
            if inside:
                stem, _, field = file[: file.rfind(self._end)].partition(self._between or "\0")
                field = field.replace("_", "+")
                found.append(self._candidate(file, stem, field, unquote(stem)))
        return sorted(found, key=lambda candidate: candidate.field)

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Read a candidate's files; they are as large as they are."""
        return read_cutout(candidate)

    def cutouts(self, wanted: Sequence[CutoutRequest], size_deg: float) -> Iterator[Outcome]:
        """Read the files of many candidates."""
        for one in wanted:
            try:
                yield read_cutout(one.candidate)
            except ImageError as error:
                yield error

    @cached_property
    def _footprints(self) -> dict[str, Any]:
        found = {}
        for file in sorted(self.files):
            stem = file[: max(file.rfind(self._end), 0)]
            if not stem or file[len(stem + self._end) :] not in _PACKED:
                continue
            if self._between and stem.endswith(self.naming.ignore):
                continue  # another product of the same archive
            if self._is_rms(file):
                continue
            try:
                image = read_image(self.folder / file)
                found[file] = image.wcs(), np.shape(image.data)
            except ImageError:
                continue  # a file that cannot be read holds no place
        return found

    def _is_rms(self, file: str) -> bool:
        """Return whether a file is another's rms map, where the names do not tell by themselves."""
        end = self.naming.rms.rpartition("}")[2]
        return bool(end) and len(end) > len(self._end) and any(
            file.endswith(end + packed) for packed in _PACKED
        )  # fmt: skip

    def _candidate(self, file: str, stem: str, field: str, source: str) -> Candidate:
        rms = ""
        if self.naming.rms:
            at = file.rfind(self._end)
            written = file[len(stem) + len(self._between) : at] if self._between else ""
            name = self.naming.rms.format(source=stem, field=written)
            rms = next((name + p for p in _PACKED if name + p in self.files), "")
        start = self._start
        return Candidate(field, start + file, start + rms if rms else "", source)

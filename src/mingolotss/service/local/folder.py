"""Cutouts in a folder, one file for each source and field.

A file belongs to a source by the whole name of the source: ``SOURCE_FIELD-mosaic.fits``, with its
rms map ``SOURCE_FIELD-mosaic-rms.fits`` beside it. The recipe sets the naming, which may be without
a field.

`mingolotss.service.local.source_names` says which spellings of a name are accepted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

from mingolotss.candidates.cutouts import Outcome
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, InputError, MingoError, RecipeError
from mingolotss.io.file_names import safe_name
from mingolotss.io.fits import MappedFiles, read_image, read_position
from mingolotss.io.summaries import Shown, Summary, count_text
from mingolotss.model import Candidate, Cutout
from mingolotss.service.base import CutoutRequest, Naming
from mingolotss.service.fits_names import (
    FitsName,
    PassedOver,
    distinct_names,
    is_hidden,
    preferred_files,
    split_suffix,
)
from mingolotss.service.local.listing import fits_files
from mingolotss.service.local.source_names import Owners, SourceNames, file_spellings
from mingolotss.service.rms_maps import require_same_pixels
from mingolotss.sky.footprint import contains
from mingolotss.sky.header_facts import HeaderFacts
from mingolotss.sky.wcs import SkyWCS

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

__all__ = ["FolderService", "read_cutout"]

_GROUP = 64  # sources whose files are mapped at a time
_LISTED = ("files", "_names", "_images", "_rms_maps", "_footprints")  # what a listing gives
_FILES_FOR_ADVICE = 100  # that a message about names looks at


def read_cutout(candidate: Candidate, *, with_checksums: bool = True) -> Cutout:
    """Read the files of a candidate.

    Parameters
    ----------
    candidate : Candidate
    with_checksums : bool
        As for `read_image`.

    Raises
    ------
    ImageError
        A file is missing or cannot be used, or image and rms map differ in shape or place.
    """
    return _read_files(_files(candidate), with_checksums=with_checksums)


def _files(candidate: Candidate) -> MappedFiles:
    """Map and hash the files of a candidate."""
    rms = [candidate.rms] if candidate.rms else []
    return MappedFiles([candidate.image, *rms])


def _read_files(files: MappedFiles, *, with_checksums: bool) -> Cutout:
    """Read the image and the rms map of a candidate; see `read_cutout`."""
    images = files.images(with_checksums=with_checksums)
    image = next(images)
    wcs = image.wcs()
    rms, rms_sha256 = None, ""
    for rms_map in images:
        rms, rms_sha256 = rms_map.data, rms_map.sha256
        require_same_pixels(image, wcs, rms_map)
    return Cutout(image.data, rms, wcs, (0, 0), image.sha256, rms_sha256)


class FolderService(Shown):
    """FITS cutouts in one folder.

    Parameters
    ----------
    folder : Path
    naming : Naming, optional
        How the files are named.

    Raises
    ------
    RecipeError
        The naming has no source, or does not end in ``.fits``.
    InputError
        There is no such folder.
    """

    NAME = "folder"
    takes_folder = True

    def __init__(self, folder: Path, naming: Naming | None = None) -> None:
        self.folder = Path(folder)
        self.root = self.folder.as_posix()
        self.naming = naming or Naming()
        before, _, rest = self.naming.image.partition("{source}")
        separator, field, end = rest.partition("{field}")
        if before or not rest.endswith(".fits") or (field and not separator):
            raise RecipeError(
                f"images.image = {self.naming.image!r}: expected '{{source}}' first, then "
                "optionally a separator and '{field}', and '.fits' at the end"
            )
        self._separator, end = (separator, end) if field else ("", rest)
        self._end = end.removesuffix(".fits")
        self._rms_end = self.naming.rms.rpartition("}")[2].removesuffix(".fits")
        self._passed_over = PassedOver()
        self._ambiguous: dict[str, str] = {}  # the reason, by the name of the source
        # Paths are joined as text: 5 µs less for each file than with pathlib.
        self._prefix = (self.folder / "x").as_posix()[:-1]
        if not self.folder.is_dir():
            raise InputError(f"open the folder {self.folder}: there is no such folder")

    @classmethod
    def open(cls, argument: str, *, naming: Naming, **_options: object) -> FolderService:
        """Open ``folder:DIR``; the options of other services are ignored."""
        if not argument:
            raise InputError("open the service folder: give the folder, folder:DIR")
        return cls(Path(argument), naming)

    def __getstate__(self) -> dict[str, object]:
        # A worker reads the files that it is told to. With the listing, each task of a build would
        # take 43 ms more for 5,805 sources to be sent, and an amount of memory that grows with all.
        return {key: value for key, value in vars(self).items() if key not in _LISTED}

    def __str__(self) -> str:
        return f"folder:{self.folder}"

    def _summary(self) -> Summary:
        facts = {
            "folder": str(self.folder),
            "images": self.naming.image,
            "rms maps": self.naming.rms,
        }
        try:
            count = count_text(len(self.files), "FITS file")
        except (MingoError, OSError):  # there is none any more
            count = "no FITS file"
        return Summary(f"{type(self).__name__}: {count}", facts)

    @cached_property
    def files(self) -> frozenset[str]:
        """Return the names of the FITS files in the folder.

        Raises
        ------
        InputError
            There are none.
        """
        names = frozenset(fits_files(self.folder, self._passed_over))
        if not names:
            raise InputError(f"open the folder {self.folder}: there is no FITS file in it")
        return names

    @cached_property
    def _names(self) -> dict[str, FitsName]:
        """Return the parts of the name of each file, in the order of the names."""
        names = ((file, split_suffix(file)) for file in sorted(self.files))
        return {file: name for file, name in names if name is not None}

    @cached_property
    def _images(self) -> dict[str, list[str]]:
        """Return the files of each image by what stands before the end of their names.

        Usually an image has one file: compressed copies of it are left out, and so are other
        products of the archive.
        """
        groups: dict[str, list[tuple[str, FitsName]]] = {}
        end = self._end.lower()
        for file, name in self._names.items():
            if not name.stem.lower().endswith(end):
                continue
            stem = name.stem[: len(name.stem) - len(self._end)]
            if stem and not (self._separator and stem.endswith(self.naming.ignore)):
                groups.setdefault(stem, []).append((file, name))
        images = {}
        for stem, group in groups.items():
            if len(group) == 1:
                images[stem] = [group[0][0]]
                continue
            images[stem], copies = preferred_files(group)
            for copy in copies:
                self._passed_over.add(copy, "a compressed copy of a file that is used")
        return images

    @cached_property
    def _rms_maps(self) -> dict[str, list[tuple[str, FitsName]]]:
        """Return the files that may be rms maps, by their names without the extension."""
        maps: dict[str, list[tuple[str, FitsName]]] = {}
        end = self._rms_end.lower()
        for file, name in self._names.items():
            if name.stem.lower().endswith(end):
                stem = name.stem[: len(name.stem) - len(end)] + self._rms_end
                maps.setdefault(normalize("NFC", stem), []).append((file, name))
        return maps

    def image_names(self) -> list[str]:
        """Return the source part of the name of every image, for catalogues made from names."""
        stems = [stem for stem in self._images if not is_hidden(stem) and not self._is_rms(stem)]
        separator = self._separator
        return sorted({stem.split(separator)[0] if separator else stem for stem in stems})

    def notices(self) -> list[str]:
        """Return one line for each kind of file that is not used, with names and the reason."""
        return self._passed_over.lines()

    def reason_without_image(self, source: str) -> str:
        """Return which files were looked for, or which files of a source are ambiguous."""
        if source in self._ambiguous:
            return self._ambiguous[source]
        spellings = file_spellings(source)
        names = [repr(self.naming.image.format(source=s, field="*")) for s in spellings]
        reason = f"no file for it: looked for {' and '.join(names)} in {self.folder}"
        if "/" in source:
            reason += " (no file can have a / in its name, so it is written %2F)"
        return reason

    def pixel_scales_arcsec(self, images: Sequence[str]) -> list[float]:
        """Return the side of a pixel of each image, by its header; NaN where it cannot be read."""
        skies = map(_read_sky, images)
        return [math.nan if sky is None else sky.pixel_scale_arcsec for sky in skies]

    def header_facts(self, images: Sequence[str]) -> list[HeaderFacts | None]:
        """Return what the header of each image says; None where it cannot be read."""
        return [None if sky is None else sky.facts for sky in map(_read_sky, images)]

    def search_all(self, catalogue: Catalogue, size_deg: float) -> list[list[Candidate]]:
        """Return the files of every source, by name. The size is that of the files.

        A source whose files are ambiguous has no candidates; `reason_without_image` names them.

        Raises
        ------
        InputError
            No file belongs to a source of the catalogue.
        """
        # One pass over the files, each of which finds its source by name, not over the sources.
        names = SourceNames(catalogue.names, catalogue.row_of)
        of_row: dict[int, dict[str, list[_Match]]] = {}
        for stem, files in self._images.items():
            owners = self._owners(names, stem)
            if owners is None:
                continue
            if len(owners.rows) > 1:
                self._record_shared(files[0], [catalogue.names[row] for row in owners.rows])
                continue
            matches = of_row.setdefault(owners.rows[0], {}).setdefault(owners.field, [])
            matches.append(_Match(stem, owners, files))
        candidates: list[list[Candidate]] = [[] for _ in range(len(catalogue))]
        for row, matches_of_field in of_row.items():
            candidates[row] = self._candidates(catalogue.names[row], matches_of_field)
        if not any(candidates) and not self._ambiguous:
            example = min(self.files)
            raise InputError(
                f"search the folder {self.folder}: none of its {len(self.files)} FITS files is "
                f"named {self.naming.image} for a source of the catalogue (found {example!r}, "
                f"the catalogue begins with {catalogue.names[0]!r}); {self._advice(catalogue)}"
            )
        return candidates

    def _advice(self, catalogue: Catalogue) -> str:
        """Return what to do about files that belong to no source: how they seem to be named."""
        names = set(catalogue.names)
        ends = set()
        for name in islice(self._names.values(), _FILES_FOR_ADVICE):
            lengths = range(len(name.stem), 0, -1)
            length = next((n for n in lengths if name.stem[:n] in names), None)
            if length is not None:
                ends.add(name.stem[length:])
        if len(ends) == 1:
            pattern = f"{{source}}{ends.pop()}.fits"
            return f"name them in the recipe, images.image = {pattern!r}"
        if ends:
            return (
                "name them in the recipe, for example images.image = '{source}_{field}.fits': "
                "{field} is what differs between the images of one source"
            )
        if split_suffix(catalogue.names[0]) is not None:
            return "the column catalogue.name has names of sources, without .fits"
        return (
            "if another column has the names of the files, without .fits, name it in the recipe's "
            "catalogue.name; or let mosaics:DIR find the images by their positions"
        )

    def _owners(self, names: SourceNames, stem: str) -> Owners | None:
        """Return the sources that an image may belong to, None if there are none."""
        exact = names.find_exact(stem, self._separator)
        if self._is_rms(stem):
            base = names.find(stem[: len(stem + self._end) - len(self._rms_end)], self._separator)
            if base is not None:
                for row in exact.rows if exact and exact.rows != base.rows else ():
                    reason = f"{self._images[stem][0]!r} is the rms map of another source"
                    self._ambiguous[names.names[row]] = f"{reason}, {names.names[base.rows[0]]!r}"
                return None
        if exact is None:
            # A hidden file is only the image of a source whose name begins with a dot.
            return None if is_hidden(stem) else names.find_variant(stem, self._separator)
        if "%" in exact.spelling:
            # In a folder that this program wrote, a%2Fb is the source a/b, and a%252Fb is a%2Fb.
            variant = names.find_variant(stem, self._separator)
            encoded = f"{safe_name(exact.spelling)}{self._separator}{exact.field}"
            if variant is not None and encoded != stem and encoded in self._images:
                others = tuple(row for row in variant.rows if row != exact.rows[0])
                return variant._replace(rows=others) if others else exact
        return exact

    def _record_shared(self, file: str, sources: Sequence[str]) -> None:
        """Record a file that may belong to several sources; it is given to none of them."""
        owners = " or ".join(map(repr, sources))
        reason = f"{file!r} may be the file of {owners}; rename it to the exact name of its source"
        self._ambiguous |= dict.fromkeys(sources, reason)
        self._passed_over.add(file, f"it may be the file of {owners}")

    def _candidates(self, source: str, matches: Mapping[str, list[_Match]]) -> list[Candidate]:
        """Return the candidates of a source; none if two files may both be the same image."""
        if source in self._ambiguous:
            return []
        images: list[tuple[str, _Match]] = []
        for spelled_field, of_field in matches.items():
            exact = [match for match in of_field if match.owners.is_exact]
            for match in of_field if exact else ():
                if not match.owners.is_exact:
                    reason = f"{exact[0].files[0]!r} has the exact name of the same source"
                    self._passed_over.add(match.files[0], reason)
            files = [file for match in exact or of_field for file in match.files]
            if len(files) > 1:
                shown = " and ".join(map(repr, files))
                self._ambiguous[source] = f"{shown} may both be its image; rename or remove one"
                return []
            images.append((spelled_field, (exact or of_field)[0]))
        # `_` in the field of a file stands for `+`, unless that makes one field of two.
        fields = distinct_names([(field.replace("_", "+"), field) for field, _ in images])
        return sorted(
            (
                self._candidate(match.files[0], match.owners.spelling, spelled, field, source)
                for field, (spelled, match) in zip(fields, images, strict=True)
            ),
            key=lambda candidate: candidate.field,
        )

    def search(self, position: SkyCoord, size: Quantity) -> list[Candidate]:
        """Return the images whose footprint holds a position, by their WCS."""
        candidates = []
        for stem, (wcs, shape) in self._footprints.items():
            if contains(wcs, shape, position.icrs.ra.deg, position.icrs.dec.deg):
                source, _, field = stem.partition(self._separator or "\0")
                name = field.replace("_", "+")
                file = self._images[stem][0]
                candidates.append(self._candidate(file, source, field, name, unquote(source)))
        return sorted(candidates, key=lambda candidate: candidate.field)

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Read the files of a candidate; they have the size that they have."""
        return read_cutout(candidate, with_checksums=self.naming.with_checksums)

    def cutouts(self, requests: Sequence[CutoutRequest], size_deg: float) -> Iterator[Outcome]:
        """Read the files of many candidates."""
        # To hash the files of a source passes half a megabyte through the cache of the processor.
        # Whatever follows is faster if it finds its own data there. So the files of some sources
        # are hashed first: a source takes 360 µs instead of 460 (2 busy cores, lowest of 6 rounds).
        queue = iter(requests)
        while group := [_files(request.candidate) for request in islice(queue, _GROUP)]:
            for files in group:
                try:
                    yield _read_files(files, with_checksums=self.naming.with_checksums)
                except ImageError as error:
                    yield error

    @cached_property
    def _footprints(self) -> dict[str, tuple[SkyWCS, tuple[int, int]]]:
        """Return WCS and shape of every image that can be read."""
        footprints = {}
        for stem, files in self._images.items():
            if is_hidden(stem) or self._is_rms(stem):
                continue
            try:
                image = read_image(self.folder / files[0])
                ny, nx = image.data.shape
                footprints[stem] = image.wcs(), (ny, nx)
            except ImageError:
                continue  # a file that cannot be read covers nothing
        return footprints

    def _is_rms(self, stem: str) -> bool:
        """Return whether an image could also be an rms map, by what is before its end."""
        name, end = (stem + self._end).lower(), self._rms_end.lower()
        return len(end) > len(self._end) and name.endswith(end)

    def _candidate(
        self, file: str, spelling: str, spelled_field: str, field: str, source: str
    ) -> Candidate:
        """Return the candidate of an image with its rms map, which is spelled as the image is."""
        rms = ""
        if self.naming.rms:
            template = self.naming.rms.format(source=spelling, field=spelled_field)
            stem = normalize("NFC", template.removesuffix(".fits"))
            if maps := self._rms_maps.get(stem):
                suffix = file[file.rfind(".") :]
                ranked = ((m[1].rank, not m[0].endswith(suffix), m[0]) for m in maps)
                rms = maps[0][0] if len(maps) == 1 else min(ranked)[2]
        prefix = self._prefix
        return Candidate(field, prefix + file, prefix + rms if rms else "", source)


def _read_sky(image: str) -> SkyWCS | None:
    try:
        return read_position(image)
    except ImageError:
        return None


class _Match(NamedTuple):
    """The files of one image, and the source that they belong to."""

    stem: str
    owners: Owners
    files: list[str]

"""Cutouts from whole mosaics, in a folder or at an address.

`mingolotss.service.mosaic_names` says which files are mosaics. Every mosaic is opened once. A
cutout from a memory-mapped mosaic is a view of its pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray, Outcome
from mingolotss.candidates.requests import CutoutRequest, CutoutRequests
from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import (
    ImageError,
    InputError,
    MingoError,
    ServiceAnswerError,
    ServiceError,
    UnreadableFileError,
    hide_credentials,
)
from mingolotss.io.byte_ranges import FileChangedError
from mingolotss.io.summaries import Shown, Summary, count_text
from mingolotss.model import Candidate, Cutout, Ints, Source
from mingolotss.service.base import Naming
from mingolotss.service.fits_names import PassedOver
from mingolotss.service.local.copied_mosaic import CopiedImage
from mingolotss.service.local.copied_tiles import open_copied
from mingolotss.service.local.listing import mosaic_files
from mingolotss.service.local.mosaic_file import MosaicFile, open_mosaic
from mingolotss.service.local.mosaic_windows import FEWEST, Boxes, window_groups
from mingolotss.service.local.read_ahead import fetch_ahead
from mingolotss.service.local.squares import clipped, first_pixel, padded_square, side_pixels
from mingolotss.service.mosaic_names import pair_mosaics
from mingolotss.service.remote_listing import (
    list_fsspec_folder,
    list_web_folder,
    resolve_fsspec,
    web_address,
)
from mingolotss.service.remote_mosaic import RemoteMosaics, is_remote, is_web_address
from mingolotss.service.rms_maps import require_same_grid
from mingolotss.sky.angles import unit_vectors
from mingolotss.sky.footprint import (
    WHOLE_SKY,
    SkyCircle,
    bounding_circle,
    contains,
    find_pixels,
    outside_reason,
)
from mingolotss.sky.header_facts import HeaderFacts
from mingolotss.sky.wcs import SkyWCS

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

    from mingolotss.io.http import Transport

__all__ = ["MosaicsService"]

_MAX_SHOWN = 3  # names of mosaics in one message


class MosaicsService(Shown):
    """The mosaics in one folder or at one address.

    Parameters
    ----------
    root : str
        A folder, a web folder (``https://...``), or an fsspec address such as
        ``s3://bucket/mosaics``.
    transport : Transport, optional
        The HTTP client for a web folder.
    """

    NAME = "mosaics"
    takes_folder = True
    truncates = False  # past the edge of a mosaic, a cutout is NaN; True: it ends there
    checksums = Naming().checksums
    other_files: frozenset[str] = frozenset()  # FITS files beside the mosaics that are known

    def __init__(self, root: str, transport: Transport | None = None) -> None:
        self._remote = RemoteMosaics(open_copied, transport)
        if is_web_address(root):
            root = self._remote.transport.without_credentials(root)
        elif is_remote(root) and root != hide_credentials(root):
            raise InputError(
                f"open the mosaics in {root}: give user and password in the configuration of "
                "fsspec, not in the address"
            )
        self.root = root.rstrip("/")
        self._passed_over = PassedOver()
        self._unreadable: dict[str, ImageError | ServiceAnswerError] = {}  # by address
        self._circles: dict[str, tuple[SkyWCS, SkyCircle]] = {}
        self._checked_pairs: dict[str, tuple[SkyWCS, SkyWCS]] = {}  # image and rms map

    @classmethod
    def open(cls, argument: str, *, naming: Naming | None = None, **_options: object) -> Self:
        """Open ``NAME:DIR``; the options of other services are ignored."""
        if not argument:
            raise InputError(f"open the service {cls.NAME}: give the folder, {cls.NAME}:DIR")
        service = cls(argument)
        service.checksums = (naming or Naming()).checksums
        return service

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_circles": {}, "fields": self.fields}

    def __str__(self) -> str:
        return f"{self.NAME}:{self.root}"

    def _summary(self) -> Summary:
        name, facts = type(self).__name__, {"root": self.root}
        is_listed = "fields" in vars(self)
        if not is_listed and (is_web_address(self.root) or is_remote(self.root)):
            return Summary(f"{name}: not listed yet", facts)  # this would take many requests
        try:
            maps = sum(1 for _, rms in self.fields.values() if rms)
        except (MingoError, OSError):  # there is none
            return Summary(f"{name}: no mosaic", facts)
        facts["rms maps"] = f"{maps:,}"
        return Summary(f"{name}: {count_text(len(self.fields), 'mosaic')}", facts)

    @cached_property
    def fields(self) -> dict[str, tuple[str, str]]:
        """Return (image, rms map or "") of every field.

        Raises
        ------
        InputError
            There is no such folder, or no mosaic in it.
        ServiceError
            The address does not answer.
        """
        paths, passed_over = self._paths(), self._passed_over
        pairs = pair_mosaics(paths, self._listed_root(), passed_over)
        if not pairs:
            advice = "; give the mosaics or links to them such names" if paths else ""
            raise InputError(
                f"open the mosaics in {self.root}: no FIELD-mosaic.fits and no "
                f"FIELD/mosaic-blanked.fits among its {len(paths)} FITS files{advice}"
            )
        if not is_web_address(self.root):
            return pairs
        return {
            field: (self._web_address(image), rms and self._web_address(rms))
            for field, (image, rms) in pairs.items()
        }

    def _web_address(self, path: str) -> str:
        folder = f"{self.root}/"
        return web_address(folder, path.removeprefix(folder))

    def _paths(self) -> list[str]:
        """Return the paths or addresses of all FITS files; addresses of a web folder unquoted."""
        if is_web_address(self.root):
            folder = self.root + "/"
            names = list_web_folder(folder, self._remote.transport, self._passed_over)
            return [folder + name for name in names]
        if is_remote(self.root):
            return list_fsspec_folder(self.root, self._passed_over)
        local = Path(self.root)
        if not local.is_dir():
            raise InputError(f"open the mosaics in {self.root}: there is no such folder")
        paths = mosaic_files(local, self._passed_over)
        return [path for path in paths if Path(path).name not in self.other_files]

    def _listed_root(self) -> str:
        """Return the folder as it stands at the beginning of what `_paths` returns."""
        if is_web_address(self.root):
            return self.root
        if is_remote(self.root):
            return resolve_fsspec(self.root)
        return Path(self.root, "x").as_posix()[:-2]

    def notices(self) -> list[str]:
        """Return one line for each kind of file that is not used, and for each damaged mosaic."""
        return self._passed_over.lines()

    def reason_without_image(self, source: str) -> str:
        """Return why a source that no mosaic holds has no image, "" if that is all."""
        if not self._unreadable:
            return ""
        names = sorted(address.rpartition("/")[2] for address in self._unreadable)
        if len(names) == 1:
            (error,) = self._unreadable.values()
            return f"no image holds the position, but 1 mosaic cannot be read: {error}"
        more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
        return (
            f"no image holds the position, but {len(names)} mosaics cannot be read: "
            f"{', '.join(map(repr, names[:_MAX_SHOWN]))}{more}; "
            "the notices of the build have the reasons"
        )

    def search_all(self, catalogue: Catalogue, size_deg: float) -> CandidateTable:
        """Return, for every source, each field whose image contains its position.

        Mosaics that cannot be read are left out, and are named in `notices`.

        Raises
        ------
        ImageError, ServiceAnswerError
            No mosaic can be read; the error is that of the first.
        """
        # For each mosaic, a cheap test against a circle that contains it leaves few sources; the
        # WCS then decides exactly. Only pairs (source, mosaic) are collected, no object per source.
        images = [(field, *self.fields[field]) for field in sorted(self.fields)]
        vectors = unit_vectors(catalogue.ra, catalogue.dec)
        rows, image_index = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        for number, (_, image, _) in enumerate(images):
            mosaic = self._readable_mosaic(image)
            if mosaic is None:
                continue
            near = np.flatnonzero(self._circle(image, mosaic).contains(vectors))
            if not near.size:
                continue
            inside = contains(mosaic.wcs, mosaic.shape, catalogue.ra[near], catalogue.dec[near])
            rows.append(near[inside])
            image_index.append(np.full(len(rows[-1]), number, np.int32))
        if len(self._unreadable) == len(images):
            raise self._unreadable[images[0][1]]
        return CandidateTable.from_pairs(
            images, np.concatenate(rows), np.concatenate(image_index), catalogue.names
        )

    def pixel_scales_arcsec(self, images: Sequence[str]) -> list[float]:
        """Return the side of a pixel of each mosaic; NaN where its header cannot be read."""
        mosaics = map(self._readable_mosaic, images)
        return [math.nan if m is None else m.wcs.pixel_scale_arcsec for m in mosaics]

    def header_facts(self, images: Sequence[str]) -> list[HeaderFacts | None]:
        """Return what the header of each mosaic says; None where it cannot be read."""
        mosaics = map(self._readable_mosaic, images)
        return [None if mosaic is None else mosaic.wcs.facts for mosaic in mosaics]

    def search(self, position: SkyCoord, size: Quantity) -> list[Candidate]:
        """Return each field whose image contains a position."""
        icrs = position.icrs
        one = Catalogue.from_columns([" "], [icrs.ra.deg], [icrs.dec.deg])
        return self.search_all(one, size.to_value("deg"))[0]

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Cut a square around a position out of one mosaic."""
        icrs = position.icrs
        source = Source(0, candidate.source, float(icrs.ra.deg), float(icrs.dec.deg))
        (outcome,) = self.cutouts([CutoutRequest(candidate, source)], size.to_value("deg"))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def cutouts(self, requests: Sequence[CutoutRequest], size_deg: float) -> Sequence[Outcome]:
        """Cut many squares; the WCS of a mosaic is called once for all its sources."""
        columns = CutoutRequests.from_requests(requests)
        cutouts = CutoutArray(len(columns))
        for number in np.unique(columns.image_index).tolist():
            members = np.flatnonzero(columns.image_index == number)
            try:
                self._cut_all(columns, members, cutouts, size_deg)
            except (ImageError, ServiceError) as error:
                cutouts.errors |= dict.fromkeys(members.tolist(), error)
        return cutouts

    @property
    def is_remote(self) -> bool:
        """Return whether the mosaics are at an address."""
        return is_remote(self.root)

    def read_ahead(self, requests: CutoutRequests, size_deg: float) -> int:
        """Fetch the pixels under the first cutouts from their address; see `ReadAheadService`."""
        return fetch_ahead(self._remote, requests, size_deg)

    def mosaic(self, address: str) -> MosaicFile:
        """Return a mosaic, opened once while it is in use.

        A survey has more mosaics than a process may have open files: `open_mosaic` keeps those of
        the disk that were used last.
        """
        return (
            self._remote.get(address)
            if is_remote(address)
            else open_mosaic(address, self.checksums)
        )

    def _readable_mosaic(self, address: str) -> MosaicFile | None:
        """Return a mosaic, or None if it is damaged, which is recorded."""
        # One damaged file among hundreds must not stop a build that may not need it. A server that
        # does not answer is another matter: then all sources would be without an image.
        self._unreadable.pop(address, None)
        try:
            return self.mosaic(address)
        except UnreadableFileError:  # nothing is known about the mosaic
            raise
        except (ImageError, ServiceAnswerError) as error:
            self._unreadable[address] = error
            self._passed_over.add(address.rpartition("/")[2], str(error))
            return None

    def _circle(self, address: str, mosaic: MosaicFile) -> SkyCircle:
        """Return a circle that contains a mosaic, computed once until the file is read again."""
        known, circle = self._circles.get(address, (None, WHOLE_SKY))
        if known is not mosaic.wcs:
            circle = bounding_circle(mosaic.wcs, mosaic.shape)
            self._circles[address] = mosaic.wcs, circle
        return circle

    def _pair(self, image: str, rms: str) -> tuple[MosaicFile, MosaicFile | None]:
        """Return a mosaic and its rms map."""
        mosaic, rms_map = self.mosaic(image), self.mosaic(rms) if rms else None
        if rms_map is not None and self._checked_pairs.get(image) != (mosaic.wcs, rms_map.wcs):
            require_same_grid(rms, rms_map.shape, rms_map.wcs, mosaic.shape, mosaic.wcs)
            self._checked_pairs[image] = mosaic.wcs, rms_map.wcs
        return mosaic, rms_map

    def _cut_all(
        self, requests: CutoutRequests, members: Ints, cutouts: CutoutArray, size_deg: float
    ) -> None:
        """Cut squares out of one mosaic.

        Parameters
        ----------
        requests : CutoutRequests
        members : int64 array, shape (m,)
            The requests for this mosaic.
        cutouts : CutoutArray
            Receives the outcomes of the members.
        size_deg : float, deg
        """
        _, image, rms = requests.images[requests.image_index[members[0]]]
        mosaic, rms_map = self._pair(image, rms)
        ra, dec = requests.ra[members], requests.dec[members]
        x, y = find_pixels(mosaic.wcs, mosaic.shape, ra, dec)
        side, (ny, nx) = side_pixels(mosaic, size_deg, image), mosaic.shape
        x0, y0 = first_pixel(x, side), first_pixel(y, side)
        self._fetch(mosaic, rms_map, Boxes.on(mosaic.shape, y0, x0, side))
        # Squares that are entirely inside a mosaic, usually nearly all, become windows of it. The
        # others are cut one by one: squares over the edge, squares that could not be fetched with
        # the others, and all squares of mosaics with scaled pixels.
        single = np.ones(len(members), bool)
        for window in window_groups(mosaic, rms_map, y0, x0, side):
            single[window.members] = False
            left, top = window.plane.origin
            cutouts.set_windows(
                members[window.members],
                window.plane,
                y0=y0[window.members] - top,
                x0=x0[window.members] - left,
                ny=side,
                nx=side,
                fully_observed=window.fully_observed,
                is_part=window.is_part,
                is_mapped=window.is_mapped,
            )
        for index, column, row in np.stack([members, x0, y0], axis=1)[single].tolist():
            if -side < column < nx and -side < row < ny:
                cutouts.set_outcome(index, self._outcome(mosaic, rms_map, column, row, side))
                continue
            place = float(requests.ra[index]), float(requests.dec[index])
            reason = outside_reason(mosaic.wcs, mosaic.shape, *place)
            message = f"cut {requests.names[index]} out of {image}: {reason}"
            cutouts.set_outcome(index, ImageError(message, path=image))

    def _fetch(self, mosaic: MosaicFile, rms_map: MosaicFile | None, boxes: Boxes) -> None:
        """Fetch the pixels of many cutouts together, if the mosaics are at an address.

        Raises
        ------
        FileChangedError
            A file is not the one whose header was read.
        """
        if len(boxes.y0) < FEWEST:
            return
        maps = [one for one in (mosaic, rms_map) if isinstance(one, CopiedImage)]
        for error in self._remote.fetch({one.address: one.ranges(*boxes) for one in maps}):
            if isinstance(error, FileChangedError):
                raise error
            # After another one, the cutouts without pixels are fetched one by one.

    def _outcome(
        self, mosaic: MosaicFile, rms_map: MosaicFile | None, x0: int, y0: int, side: int
    ) -> Outcome:
        """Cut one square, or return why that is not possible."""
        try:
            return self._cut(mosaic, rms_map, x0, y0, side)
        except (ImageError, ServiceError) as error:
            return error

    def _cut(
        self, mosaic: MosaicFile, rms_map: MosaicFile | None, x0: int, y0: int, side: int
    ) -> Cutout:
        if self.truncates:
            box = clipped(mosaic, y0, x0, side)
            rms = None if rms_map is None else rms_map.box(*box)
            return Cutout(mosaic.box(*box), rms, mosaic.wcs, (box[2], box[0]))
        rms = None if rms_map is None else padded_square(rms_map, y0, x0, side)
        return Cutout(padded_square(mosaic, y0, x0, side), rms, mosaic.wcs, (x0, y0))

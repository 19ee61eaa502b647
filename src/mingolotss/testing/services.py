"""The conformance suite of image services, for ours and for anyone's own.

`check_service` asks a service about random places on images that it is known to hold, and
compares what it says with astropy, pixel by pixel. A plug-in's author makes the images (FITS
files that the service serves), names them here, and calls it from a test::

    def test_my_service(tmp_path):
        images = [Image("P1", tmp_path / "p1.fits", tmp_path / "p1-rms.fits")]
        check_service(MyService(tmp_path), images, np.random.default_rng(1))

It needs no test framework: what is wrong is an AssertionError that says which place and image.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, ServiceError
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.service.base import CutoutRequest, ImageService, cutouts, search_all

__all__ = ["Image", "check_service"]

_CLOSE = 1e-6  # pixels


@dataclass(frozen=True)
class Image:
    """One image that the service under test holds.

    Attributes
    ----------
    field : str
        As the service calls it.
    path, rms : Path or None
        FITS files with its pixels; `rms` is None where the service has no rms map of it.
    """

    field: str
    path: Path
    rms: Path | None = None

    @cached_property
    def pixels(self) -> npt.NDArray[Any]:
        """Return the image as astropy reads it, shape (ny, nx)."""
        return _astropy(self.path)[0]

    @cached_property
    def noise(self) -> npt.NDArray[Any] | None:
        """Return the rms map as astropy reads it, shape (ny, nx)."""
        return None if self.rms is None else _astropy(self.rms)[0]

    @cached_property
    def wcs(self) -> Any:
        """Return astropy's celestial WCS of the image."""
        return _astropy(self.path)[1]


def check_service(
    service: ImageService,
    images: Sequence[Image],
    rng: np.random.Generator,
    *,
    places: int = 40,
    size_arcsec: float = 60.0,
    whole: bool = False,
) -> None:
    """Hold a service to what `ImageService` promises, at random places in and around images.

    Parameters
    ----------
    service : ImageService
    images : sequence of Image
        All that it holds.
    rng : numpy.random.Generator
        Where the places come from.
    places : int
        How many to ask about, about half of them on some image.
    size_arcsec : float
        Side of the cutouts.
    whole : bool
        The service gives its images whole, whatever the size asked for.

    Raises
    ------
    AssertionError
        The service breaks a promise; the message says which, where.
    """
    from astropy import units as u

    copy: ImageService = pickle.loads(pickle.dumps(service))  # noqa: S301 - our own bytes
    sky = _places(images, rng, places)
    size = size_arcsec * u.arcsec
    found = []
    for place in sky:
        said = sorted(service.search(place, size), key=lambda one: one.field)
        again = sorted(copy.search(place, size), key=lambda one: one.field)
        _same(
            [c.field for c in again], [c.field for c in said], f"a pickled copy at {_name(place)}"
        )
        holding = sorted(image.field for image in images if _holds(image, place))
        _same([c.field for c in said], holding, f"the fields at {_name(place)}")
        for candidate in said:
            image = next(one for one in images if one.field == candidate.field)
            answer = service.cutout(candidate, place, size)
            _check_cutout(answer, image, place, size_arcsec, whole=whole)
            _check_cutout(copy.cutout(candidate, place, size), image, place, size_arcsec, whole)
        found.append(said)
    _check_bulk(service, sky, found, size_arcsec)


def _check_bulk(
    service: ImageService, sky: Any, found: Sequence[Sequence[Candidate]], size_arcsec: float
) -> None:
    """Many sources at once get what they get one by one."""
    names = [f"S{index}" for index in range(len(sky))]
    catalogue = Catalogue.from_columns(names, sky.ra.deg, sky.dec.deg)
    wanted = [
        CutoutRequest(candidate, Source(row, names[row], place.ra.deg, place.dec.deg))
        for row, (place, said) in enumerate(zip(sky, found, strict=True))
        for candidate in said
    ]
    answers = list(cutouts(service, wanted, size_arcsec / 3600))
    _same(len(answers), len(wanted), "the number of cutouts for many sources")
    for one, answer in zip(wanted, answers, strict=True):
        if not isinstance(answer, Cutout):
            raise AssertionError(f"the cutout of {one.candidate} in bulk: {answer}")  # noqa: TRY004
        alone = service.cutout(one.candidate, sky[one.source.row], size_arcsec / 3600 * _deg())
        if not np.array_equal(answer.image, alone.image, equal_nan=True):
            raise AssertionError(f"the cutout of {one.candidate} in bulk is not that asked alone")
    if _by_place(service):
        bulk = [
            row if isinstance(row, ServiceError) else [c.field for c in row]
            for row in search_all(service, catalogue, size_arcsec / 3600)
        ]
        _same(bulk, [[c.field for c in row] for row in found], "the fields of many sources")


def _by_place(service: ImageService) -> bool:
    """Return whether the bulk search goes by place; a folder's goes by the sources' names."""
    return not hasattr(service, "naming")


def _check_cutout(
    answer: Cutout, image: Image, place: Any, size_arcsec: float, whole: bool = False
) -> None:
    """Compare a cutout with the image it is from: pixels, rms map, place on the sky."""
    where = f"the cutout of {image.field} at {_name(place)}"
    x0, y0 = answer.origin
    ny, nx = answer.image.shape
    _match(answer.image, image.pixels, x0, y0, where)
    if answer.rms is None or image.noise is None:
        _same(answer.rms is None, image.noise is None, f"{where}: having no rms map")
    else:
        _same(answer.rms.shape, answer.image.shape, f"{where}: the shape of the rms map")
        _match(answer.rms, image.noise, x0, y0, f"{where}: rms map")
    x, y = image.wcs.world_to_pixel(place)
    got = answer.wcs.to_pixel(place.icrs.ra.deg, place.icrs.dec.deg)
    if np.hypot(got[0] - x, got[1] - y) > _CLOSE:
        raise AssertionError(f"{where}: the source is at {got} by its WCS, {x, y} by astropy")
    corners = np.array([x0, x0 + nx - 1]), np.array([y0, y0 + ny - 1])
    there = image.wcs.pixel_to_world(*corners).icrs
    back = image.wcs.world_to_pixel(_coord(*answer.wcs.to_sky(*corners)))
    if np.isfinite(there.ra.deg).all() and np.abs(np.subtract(back, corners)).max() > _CLOSE:
        raise AssertionError(f"{where}: its corners are elsewhere by its WCS than by astropy")
    if whole:
        return
    side = round(size_arcsec / answer.wcs.pixel_scale_arcsec)
    if max(ny, nx) > side + 1:
        raise AssertionError(f"{where}: {nx} x {ny} pixels where {side} were asked for")
    low_x, low_y = max(round(float(x)) - side // 2, 0), max(round(float(y)) - side // 2, 0)
    if x0 > low_x + 1 or y0 > low_y + 1:
        raise AssertionError(f"{where}: it begins at {x0, y0}, {low_x, low_y} was expected")


def _match(got: npt.NDArray[Any], image: npt.NDArray[Any], x0: int, y0: int, where: str) -> None:
    """Compare a box of pixels, NaN past the edge of the image."""
    ny, nx = got.shape
    rows, columns = np.arange(y0, y0 + ny), np.arange(x0, x0 + nx)
    inside = np.ix_(
        (rows >= 0) & (rows < image.shape[0]), (columns >= 0) & (columns < image.shape[1])
    )
    expected = np.full((ny, nx), np.nan, image.dtype)
    kept = image[np.ix_(rows[inside[0].ravel()], columns[inside[1].ravel()])]
    expected[inside] = kept
    if got.dtype.kind != "f":
        raise AssertionError(f"{where}: pixels of type {got.dtype}, floats were expected")
    if not np.array_equal(got, expected, equal_nan=True):
        differ = int((~((got == expected) | (np.isnan(got) & np.isnan(expected)))).sum())
        raise AssertionError(f"{where}: {differ} of {got.size} pixels are not the image's")


def _places(images: Sequence[Image], rng: np.random.Generator, count: int) -> Any:
    """Return random places on, at the edge of and beside the images, and far from them all."""
    ra, dec = [], []
    for index in range(count):
        image = images[index % len(images)]
        ny, nx = image.pixels.shape
        reach = 0.4 if index % 3 == 0 else 0.0
        x, y = rng.uniform(-reach - 0.02, 1.02 + reach, 2) * (nx, ny)
        place = image.wcs.pixel_to_world(x, y).icrs
        if index % 10 == 9:
            place = _coord(rng.uniform(0, 360), rng.uniform(-80, 80))
        ra.append(place.ra.deg)
        dec.append(place.dec.deg)
    return _coord(np.array(ra), np.array(dec))


def _holds(image: Image, place: Any) -> bool:
    """Return whether a place is on an image's array: within the outer edge of its pixels."""
    ny, nx = image.pixels.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, y = image.wcs.world_to_pixel(place)
    return bool(-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5)


def _astropy(path: Path) -> tuple[npt.NDArray[Any], Any]:
    from astropy.io import fits
    from astropy.wcs import WCS

    with warnings.catch_warnings(), fits.open(path) as hdus:
        warnings.simplefilter("ignore")
        for hdu in hdus:
            if hdu.is_image and hdu.header["NAXIS"] >= 2:
                return np.squeeze(np.array(hdu.data)), WCS(hdu.header).celestial
    raise ImageError(f"read {path}: no image in it", path=str(path))


def _coord(ra: Any, dec: Any) -> Any:
    from astropy.coordinates import SkyCoord

    return SkyCoord(ra, dec, unit="deg")


def _deg() -> Any:
    from astropy import units as u

    return u.deg


def _name(place: Any) -> str:
    return f"({place.ra.deg:.6f}, {place.dec.deg:.6f})"


def _same(got: Any, expected: Any, what: str) -> None:
    if got != expected:
        raise AssertionError(f"{what}: the service says {got}, expected {expected}")
